/**
 * Short lists of values in few bytes, for state that is written with nearly every record: a number costs a store or
 * two, no text. What is neither a number nor null is JSON.
 *
 *   format  1 byte   1; what begins with `[` is a list in JSON, as it was written before
 *   value   80..FF   a whole number from 0 to 127
 *           01       null
 *           02 ...   a safe integer: varlong
 *           03 ...   any other number: float64, big endian
 *           04 ...   JSON: varint of its length in bytes, UTF-8
 *
 * Values follow each other up to the end. -0 is written as 0, and what JSON leaves out as null, as JSON itself does.
 */
import { MillraceError } from '../base/errors.ts'
import { VarintReader, writeVarint, writeVarlong } from '../base/varint.ts'
import { NO_ROOM, type WriteTarget } from '../record/write-target.ts'
import { asBuffer } from './store-codec.ts'

const FORMAT = 1
const OPEN_BRACKET = 0x5b
const SMALL = 0x80
const NULL = 1
const INTEGER = 2
const DOUBLE = 3
const JSON_TEXT = 4
/** A kind with a varlong, or with the length of a text. */
const NUMBER_BYTES_MAX = 11

/** Begins a list; returns the position of its first value, or NO_ROOM. */
export function beginCompactValues({ bytes }: WriteTarget, at: number, end: number): number {
  if (at >= end) return NO_ROOM
  bytes[at] = FORMAT
  return at + 1
}

/** Writes the next value into bytes [at, end); returns the position behind it, or NO_ROOM. */
export function writeCompactValue({ bytes }: WriteTarget, at: number, end: number, value: unknown): number {
  if (end - at < NUMBER_BYTES_MAX) return NO_ROOM
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) {
      bytes[at] = DOUBLE
      return bytes.writeDoubleBE(value, at + 1)
    }
    if (value >= 0 && value < SMALL) {
      bytes[at] = SMALL | value
      return at + 1
    }
    bytes[at] = INTEGER
    return writeVarlong(bytes, at + 1, value)
  }
  const text: string | undefined = value === null ? undefined : JSON.stringify(value)
  if (text === undefined) {
    bytes[at] = NULL
    return at + 1
  }
  const length = Buffer.byteLength(text, 'utf8')
  if (end - at < NUMBER_BYTES_MAX + length) return NO_ROOM
  bytes[at] = JSON_TEXT
  const start = writeVarint(bytes, at + 1, length)
  return start + bytes.utf8Write(text, start, length)
}

/** The values in bytes [start, end). @throws MillraceError MILLRACE_NEWER_FORMAT, MILLRACE_CORRUPT. */
export function readCompactValues(bytes: Uint8Array, start: number, end: number): unknown[] {
  const source = asBuffer(bytes)
  const format = start < end ? source[start] : undefined
  if (format === OPEN_BRACKET) return JSON.parse(source.utf8Slice(start, end)) as unknown[]
  if (format !== FORMAT) throw unknown(format)
  const reader = new VarintReader(bytes, start + 1, end)
  const values: unknown[] = []
  while (reader.position < end) {
    const kind = source[reader.position] as number
    reader.position += 1
    if (kind >= SMALL) values.push(kind - SMALL)
    else if (kind === INTEGER) values.push(reader.varlong())
    else if (kind === NULL) values.push(null)
    else if (kind === DOUBLE) values.push(source.readDoubleBE(skip(reader, 8)))
    else if (kind === JSON_TEXT) values.push(readJson(source, reader))
    else throw unknown(kind)
  }
  return values
}

function readJson(source: ReturnType<typeof asBuffer>, reader: VarintReader): unknown {
  const length = reader.varint()
  const start = skip(reader, length)
  return JSON.parse(source.utf8Slice(start, start + length))
}

/** Goes over so many bytes; returns where they begin. */
function skip(reader: VarintReader, length: number): number {
  const start = reader.position
  reader.position = start + length
  if (length >= 0 && reader.position <= reader.end) return start
  throw new MillraceError(
    'MILLRACE_CORRUPT',
    `a value of ${length} bytes at byte ${start} of a list that ends at ${reader.end}: the changelog is damaged, restore it from a backup`,
  )
}

function unknown(kind: number | undefined): MillraceError {
  return kind === undefined
    ? new MillraceError('MILLRACE_CORRUPT', 'a list of values has no bytes: the changelog is damaged')
    : new MillraceError(
        'MILLRACE_NEWER_FORMAT',
        `a list of values has the byte ${kind} for a kind, which this version does not know: use the version that wrote it`,
      )
}
