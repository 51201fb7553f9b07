/** `millrace/files`: files in, files out. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { json } from '../../record/serdes.ts'
import { connector, type Destination, type Source, sourceOf } from '../../streams/seams.ts'
import { csvFormat } from './csv-format.ts'
import { fileSource } from './file-source.ts'
import { jsonlSink } from './jsonl-sink.ts'
import { jsonlFormat, linesFormat } from './line-format.ts'

export interface FileOptions {
  /** Go on with what is appended to the file later. Not for `.gz`. Default false: the input ends with the file. */
  readonly follow?: boolean
}

/**
 * The lines of a file, as they are: the source of a text log. A name that ends in `.gz` is decompressed. Relative
 * names are relative to the folder that the app runs in. Bytes that are no UTF-8 read as U+FFFD.
 *
 * Exactly once, by position: after a restart reading goes on behind the last committed line. A line may have up to
 * 100 MiB.
 *
 * @example
 * ```ts
 * const requests = stream(lines('access.log.gz')).map(parse)
 * ```
 */
export function lines(path: string, options: FileOptions = {}): Source<null, string> {
  return sourceOf<string>(fileSource(path, linesFormat, options.follow === true))
}

/**
 * A file with one JSON value a line, to read and to write, each exactly once. A schema checks what is read and what is
 * written; a line that is no JSON, or that the schema refuses, is a bad record (`onError`). Blank lines are skipped.
 *
 * Written, it is one file whatever the number of partitions. Rows become part of it with the commit that they belong
 * to; what a crash left behind the last commit is cut away. A file that holds rows when an app writes to it for the
 * first time is kept under another name.
 *
 * @example
 * ```ts
 * const load = stream(jsonl('clicks.jsonl', Click)).to(clicks)
 * const results = perMinute.final().to(jsonl('per-minute.jsonl'))
 * ```
 */
export function jsonl(path: string): Source<null, unknown> & Destination<unknown, unknown>
export function jsonl<Schema extends StandardSchemaV1>(
  path: string,
  schema: Schema,
  options?: FileOptions,
): Source<null, StandardSchemaV1.InferOutput<Schema>> &
  Destination<unknown, StandardSchemaV1.InferInput<Schema>>
export function jsonl(
  path: string,
  schema?: StandardSchemaV1,
  options: FileOptions = {},
): Source<null, unknown> & Destination<unknown, unknown> {
  const serde = schema === undefined ? json() : json(schema)
  const source = fileSource(path, jsonlFormat(serde), options.follow === true)
  return connector<unknown, unknown>({ source, sink: jsonlSink(path, serde) })
}

export interface CsvOptions extends FileOptions {
  /** One ASCII character. Default ','. */
  readonly delimiter?: string
  /** Names of the columns, for a file without a header. Default: the first record names them. */
  readonly columns?: readonly string[]
}

/**
 * The records of a CSV file (RFC 4180: quotes, doubled quotes, line ends inside quotes), each an object of texts by
 * column. A schema checks and converts them (`z.coerce.number()`). A record with too few or too many fields is a bad
 * record. Blank lines are skipped.
 *
 * @example
 * ```ts
 * const Trade = z.object({ symbol: z.string(), price: z.coerce.number() })
 * const trades = stream(csv('trades.csv', Trade))
 * ```
 */
export function csv(path: string, options?: CsvOptions): Source<null, Readonly<Record<string, string>>>
export function csv<Schema extends StandardSchemaV1>(
  path: string,
  schema: Schema,
  options?: CsvOptions,
): Source<null, StandardSchemaV1.InferOutput<Schema>>
export function csv(
  path: string,
  schemaOrOptions: StandardSchemaV1 | CsvOptions = {},
  more: CsvOptions = {},
): Source<null, unknown> {
  const isSchema = '~standard' in schemaOrOptions
  const schema = isSchema ? schemaOrOptions : undefined
  const options = isSchema ? more : schemaOrOptions
  const format = csvFormat({ delimiter: options.delimiter ?? ',', columns: options.columns, schema })
  return sourceOf<unknown>(fileSource(path, format, options.follow === true))
}
