import type { StandardSchemaV1 } from '@standard-schema/spec'
import { CsvError, parse } from 'csv-parse/sync'
import { MillraceError, messageOf } from '../../base/errors.ts'
import { validated } from '../../record/serdes.ts'
import type { Decoded, FileDecoder, FileFormat } from './file-format.ts'
import type { Frame, FrameBatch } from './frame-reader.ts'
import { csvFraming } from './framing.ts'
import { isBlank } from './line-format.ts'

export interface CsvShape {
  /** One ASCII character. */
  readonly delimiter: string
  /** Undefined: the first record names them. */
  readonly columns: readonly string[] | undefined
  readonly schema: StandardSchemaV1 | undefined
}

/**
 * CSV as RFC 4180 has it, parsed by csv-parse. The parser is slow to start and fast to go on, so the records of a
 * batch are parsed together; only when one of them is bad is each parsed alone, to find which.
 */
export function csvFormat(shape: CsvShape): FileFormat {
  const delimiter = shape.delimiter.charCodeAt(0)
  if (shape.delimiter.length !== 1 || delimiter > 0x7f || '"\r\n'.includes(shape.delimiter)) {
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `the delimiter of CSV is one ASCII character and no quote or line end, not ${JSON.stringify(shape.delimiter)}`,
    )
  }
  if (shape.columns !== undefined) checkColumns(shape.columns, 'the option columns')
  return {
    name: 'csv',
    framing: csvFraming(delimiter),
    header: shape.columns === undefined,
    decoder: (header, path) => {
      const columns = shape.columns ?? columnsOf(header ?? Buffer.alloc(0), shape.delimiter, path)
      return batchDecoder(columns, shape)
    },
  }
}

function columnsOf(header: Buffer, delimiter: string, path: string): readonly string[] {
  const where = `the header of ${path}`
  let names: string[] | undefined
  try {
    names = parse(header, { delimiter })[0]
  } catch (error) {
    throw new MillraceError('MILLRACE_FILE', `${where} is no CSV: ${messageOf(error)}`, { cause: error })
  }
  checkColumns(names ?? [], where)
  return names ?? []
}

function checkColumns(names: readonly string[], where: string): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  const problem =
    names.length === 0
      ? 'names no columns'
      : twice !== undefined
        ? `names the column ${JSON.stringify(twice)} twice`
        : names.includes('')
          ? 'has a column without a name'
          : undefined
  if (problem === undefined) return
  throw new MillraceError('MILLRACE_FILE', `${where} ${problem}: give the names with the option columns`)
}

function batchDecoder(columns: readonly string[], shape: CsvShape): FileDecoder {
  const parser = (bytes: Buffer): unknown[] =>
    parse(bytes, { columns: [...columns], delimiter: shape.delimiter, record_delimiter: ['\r\n', '\n'] })
  return (batch) => {
    const frames = batch.frames.filter(({ start, end }) => !isBlank(batch.bytes, start, end))
    const rows = parsedTogether(batch, frames, parser)
    let next = 0
    return batch.frames.map((frame) => {
      if (frames[next] !== frame) return undefined
      const row = rows?.[next]
      next++
      return row === undefined ? parsedAlone(batch, frame, parser, shape.schema) : checked(row, shape.schema)
    })
  }
}

/** One row a frame, or undefined when the parser sees it otherwise: then each is looked at alone. */
function parsedTogether(
  batch: FrameBatch,
  frames: readonly Frame[],
  parser: (bytes: Buffer) => unknown[],
): readonly unknown[] | undefined {
  const first = frames[0]
  const last = frames[frames.length - 1]
  if (first === undefined || last === undefined) return []
  // A blank line between them would be a row of its own to the parser, so they must lie one behind the other.
  if (frames.some((frame, index) => index > 0 && frames[index - 1]?.next !== frame.start)) return undefined
  try {
    const rows = parser(batch.bytes.subarray(first.start, last.next))
    return rows.length === frames.length ? rows : undefined
  } catch (error) {
    if (error instanceof CsvError) return undefined
    throw error
  }
}

function parsedAlone(
  batch: FrameBatch,
  frame: Frame,
  parser: (bytes: Buffer) => unknown[],
  schema: StandardSchemaV1 | undefined,
): Decoded {
  try {
    const rows = parser(batch.bytes.subarray(frame.start, frame.end))
    return rows.length === 1
      ? checked(rows[0], schema)
      : { error: invalid(`it reads as ${rows.length} records`) }
  } catch (error) {
    if (error instanceof CsvError) return { error: invalid(problemOf(error), error) }
    throw error
  }
}

/** The parser was given one record: the lines that it counts are not those of the file. */
function problemOf({ message }: CsvError): string {
  return message.replace(/ (?:on|at) line \d+/, '')
}

function checked(row: unknown, schema: StandardSchemaV1 | undefined): Decoded {
  if (schema === undefined) return { value: row }
  const { validate, vendor } = schema['~standard']
  try {
    return { value: validated(validate(row), vendor) }
  } catch (error) {
    return { error: error instanceof Error ? error : invalid(messageOf(error), error) }
  }
}

function invalid(message: string, cause?: unknown): MillraceError {
  return new MillraceError('MILLRACE_INVALID_RECORD', `the record is no CSV: ${message}`, { cause })
}
