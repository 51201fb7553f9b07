import type { StandardSchemaV1 } from '@standard-schema/spec'
import { isMillraceError, MillraceError, messageOf } from '../base/errors.ts'
import { BatchReader } from './batch-reader.ts'
import { JsonPredictor } from './json-predictor.ts'
import { writeJson } from './json-writer.ts'
import type { Serde, TextSource } from './serde.ts'
import type { ValueWriter, WriteTarget } from './write-target.ts'

/** Below this length V8 copies a substring; from it on the substring keeps the text it was cut from alive. */
const COPIED_SUBSTRING_MAX = 12
const { utf8Slice } = Buffer.prototype
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Plain bytes. What is decoded is a copy, so that keeping it does not keep its batch. */
export function bytes(): Serde<Uint8Array> {
  return BYTES
}

/** Plain UTF-8. Bytes that are no UTF-8 read as U+FFFD, as everywhere in Node. */
export function text(): Serde<string> {
  return TEXT
}

const BYTES: Serde<Uint8Array> = Object.freeze({
  format: 'bytes',
  encode: (value: Uint8Array) => {
    if (!(value instanceof Uint8Array)) throw invalid(`expected bytes (Uint8Array), got ${kindOf(value)}`)
    return value
  },
  // Not `bytes.slice`: where the source is a Buffer, that would share its memory.
  decode: (source: TextSource, start: number, end: number) =>
    Uint8Array.prototype.slice.call(source.bytes, start, end),
})

const TEXT: Serde<string> = Object.freeze({
  format: 'text',
  encode: (value: string) => Buffer.from(checkedText(value), 'utf8'),
  encodeText: checkedText,
  decode: (source: TextSource, start: number, end: number) =>
    end - start <= COPIED_SUBSTRING_MAX
      ? source.text(start, end)
      : utf8Slice.call(source.bytes as Buffer, start, end),
})

function checkedText(value: string): string {
  if (typeof value !== 'string') throw invalid(`expected a text, got ${kindOf(value)}`)
  return value
}

/** JSON as it comes, unchecked: `JSON.parse` and `JSON.stringify`. */
export function json(): Serde<unknown>
/**
 * JSON that a Standard Schema (zod, valibot, arktype) checks: its output is what readers get, its input is what may
 * be written. A schema that answers with a promise is refused: a batch is processed synchronously (ARCHITECTURE D7).
 *
 * What is written is the value as given, not the schema's output: a reader applies the schema again, and a transform
 * applied twice would be wrong.
 */
export function json<Schema extends StandardSchemaV1>(
  schema: Schema,
): Serde<StandardSchemaV1.InferOutput<Schema>, StandardSchemaV1.InferInput<Schema>>
export function json(schema?: StandardSchemaV1): Serde<unknown> {
  const predictor = new JsonPredictor()
  if (schema === undefined) {
    return Object.freeze({
      format: 'json',
      encode: (value: unknown) => Buffer.from(stringify(value), 'utf8'),
      encodeText: stringify,
      checkJson: () => undefined,
      decode: (source: TextSource, start: number, end: number) => parse(predictor, source, start, end),
    })
  }
  const { validate, vendor } = schema['~standard']
  const encodeText = (value: unknown): string => {
    validated(validate(value), vendor)
    return stringify(value)
  }
  return Object.freeze({
    format: 'json',
    encode: (value: unknown) => Buffer.from(encodeText(value), 'utf8'),
    encodeText,
    checkJson: (value: unknown) => {
      validated(validate(value), vendor)
    },
    decode: (source: TextSource, start: number, end: number) =>
      validated(validate(parse(predictor, source, start, end)), vendor),
  })
}

/** The text of a JSON value that `checkJson` let pass. */
export function stringify(value: unknown): string {
  let result: string | undefined
  try {
    result = JSON.stringify(value)
  } catch (error) {
    throw invalid(`the value cannot be written as JSON: ${messageOf(error)}`, error)
  }
  return result ?? noJson(value)
}

/** The same, into a buffer. */
export const jsonWriter: ValueWriter<unknown> = Object.freeze({
  write: (target: WriteTarget, at: number, end: number, value: unknown) => {
    try {
      return writeJson(target, at, end, value) ?? noJson(value)
    } catch (error) {
      if (isMillraceError(error)) throw error
      throw invalid(`the value cannot be written as JSON: ${messageOf(error)}`, error)
    }
  },
})

function noJson(value: unknown): never {
  throw invalid(`${kindOf(value)} cannot be written as JSON; a tombstone is null`)
}

function parse(predictor: JsonPredictor, source: TextSource, start: number, end: number): unknown {
  try {
    if (source instanceof BatchReader) return predictor.parse(source, start, end)
    return JSON.parse(source.text(start, end))
  } catch (error) {
    throw invalidJson(source, start, end, error)
  }
}

/** Says first whether the bytes are text at all: a wrong serde is the usual reason. */
function invalidJson(source: TextSource, start: number, end: number, error: unknown): MillraceError {
  if (start === end) return invalid('the value is empty; JSON has at least one character', error)
  try {
    strictDecoder.decode(source.bytes.subarray(start, end))
  } catch {
    return invalid(`the ${end - start} bytes are no UTF-8 text, so no JSON; check the topic's serde`, error)
  }
  return invalid(`the value is no JSON: ${messageOf(error)}`, error)
}

/** The output of a schema for a value. @throws MillraceError MILLRACE_INVALID_RECORD with its first issues. */
export function validated(
  result: ReturnType<StandardSchemaV1['~standard']['validate']>,
  vendor: string,
): unknown {
  if (typeof result !== 'object' || result === null)
    throw invalid(`the ${vendor} schema answers with ${String(result)}, expected { value } or { issues }`)
  if (result instanceof Promise || 'then' in result) {
    // Its outcome is of no use any more, but a rejection must not end the process.
    Promise.resolve(result).catch(() => undefined)
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `the ${vendor} schema validates asynchronously; a topic's schema must answer at once: move the check into mapAsync`,
    )
  }
  if (result.issues !== undefined) throw invalid(issuesText(result.issues))
  return result.value
}

/** Issues named in a message; a broken record may have thousands. */
const ISSUES_SHOWN = 3

function issuesText(issues: readonly StandardSchemaV1.Issue[]): string {
  const shown = issues.slice(0, ISSUES_SHOWN).map((issue) => {
    const path = pathText(issue.path)
    return path === '' ? issue.message : `${path}: ${issue.message}`
  })
  const more = issues.length - shown.length
  return `the schema refuses the value: ${shown.join('; ') || 'no reason given'}${more > 0 ? `; and ${more} more` : ''}`
}

/** As one would write it in code: `items[2].price`. */
function pathText(path: StandardSchemaV1.Issue['path']): string {
  let result = ''
  for (const segment of path ?? []) {
    const key = typeof segment === 'object' ? segment.key : segment
    if (typeof key === 'number') result += `[${key}]`
    else result += result === '' ? String(key) : `.${String(key)}`
  }
  return result
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return typeof value === 'object' ? (value.constructor?.name ?? 'an object') : typeof value
}

function invalid(message: string, cause?: unknown): MillraceError {
  return new MillraceError('MILLRACE_INVALID_RECORD', message, cause === undefined ? undefined : { cause })
}
