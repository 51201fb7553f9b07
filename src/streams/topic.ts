import type { StandardSchemaV1 } from '@standard-schema/spec'
import { type Duration, durationMs } from '../base/duration.ts'
import { MillraceError } from '../base/errors.ts'
import type { TopicSpec, TopicSpecSettings } from '../flow/graph/plan.ts'
import { type Key, keySerde } from '../record/key-codec.ts'
import type { Serde, TextSource } from '../record/serde.ts'
import { json } from '../record/serdes.ts'
import { carriedBy, carry } from './carried.ts'
import type { LogRecord } from './log-record.ts'
import type { topicWithAKey } from './markers.ts'
import { checkName } from './names.ts'
import type { Destination, Source } from './seams.ts'

/**
 * A topic, as a value that programs share: its name, and how keys and values are written and read. `Out` is what a
 * reader gets, `In` what a writer may give: a schema with defaults or transforms makes them differ. `K` is `null` for
 * a topic without a key.
 */
export interface Topic<K, Out, In> extends Source<K, Out>, Destination<DestinationKey<K>, In> {
  readonly name: string
  /** Whether a record is one of this topic: it tells the records of a consumer of several topics apart. */
  is(record: { readonly topic: string }): record is LogRecord<K, Out>
  readonly [topicWithAKey]: [K] extends [null] ? false : true
}

/** A topic without a key takes records of any: it drops the key. */
export type DestinationKey<K> = [K] extends [null] ? unknown : K

/** How values are written: `text()`, `bytes()`, `json()`, or a Standard Schema (zod, valibot, arktype), which is JSON. */
export type Format = Serde<unknown, never> | StandardSchemaV1

/** What a reader gets of a format. */
export type ReadOf<F> = F extends StandardSchemaV1
  ? StandardSchemaV1.InferOutput<F>
  : F extends { decode(source: TextSource, start: number, end: number): infer Out }
    ? Out
    : never

/** What a writer may give to a format. */
export type WrittenOf<F> = F extends StandardSchemaV1
  ? StandardSchemaV1.InferInput<F>
  : F extends { encode(value: infer In): Uint8Array }
    ? In
    : never

/** What can be said of a topic without a key. */
export interface TopicOptions<F extends Format> {
  /** How values are written and checked. */
  readonly value: F
  /** How many partitions it is made with; default 1. Records of one key are in one partition, in order. */
  readonly partitions?: number
  /**
   * What "acknowledged" means: `'fsync'` on the disk (default; many appends share one sync), `'os'` in the operating
   * system's memory.
   */
  readonly durability?: 'fsync' | 'os'
  /** How long records stay. Default null: for ever. Whole segments go, so some stay longer. */
  readonly retention?: Duration | null
  /** How much a partition holds before its oldest segments go. Default null: no limit. */
  readonly retentionBytes?: number | null
  /** Larger records are refused. Default 1,048,588 bytes, Kafka's. */
  readonly recordBytesMax?: number
}

/** What can be said of a topic with a key. */
export interface KeyedTopicOptions<KF extends Format, F extends Format> extends TopicOptions<F> {
  /** `text()`, or a schema of strings, numbers, booleans or tuples of them. */
  readonly key: KF
  /**
   * What becomes of old records: `'delete'` (default) as retention says, `'compact'` keeps the latest of each key and
   * forgets keys whose value became null, `'compact,delete'` does both.
   */
  readonly cleanup?: 'delete' | 'compact' | 'compact,delete'
}

/**
 * Describes a topic. Nothing is made or opened: an app or a client makes the topic when it first needs it.
 *
 * With a `key` it is read as a keyed stream, and a key must be given for what is sent to it.
 *
 * @throws MillraceError MILLRACE_INVALID_PLAN for a name that Kafka would refuse, or a wrong number of partitions.
 * @example
 * export const clicks = topic('clicks', { value: z.object({ user: z.string(), page: z.string() }), partitions: 4 })
 * export const orders = topic('orders', { key: text(), value: Order })
 */
export function topic<KF extends Format, F extends Format>(
  name: string,
  options: KeyedTopicOptions<KF, F>,
): Topic<KeyOf<KF>, ReadOf<F>, WrittenOf<F>>
export function topic<F extends Format>(
  name: string,
  options: TopicOptions<F>,
): Topic<null, ReadOf<F>, WrittenOf<F>>
export function topic(
  name: string,
  options: TopicOptions<Format> & Partial<KeyedTopicOptions<Format, Format>>,
): object {
  checkName('topic', name)
  if (typeof options !== 'object' || options === null)
    throw invalid(`the topic ${name} needs options: { value: schema }`)
  const { key, value, partitions = 1 } = options
  if (!Number.isSafeInteger(partitions) || partitions < 1) {
    throw invalid(
      `the topic ${name} must have a whole number of partitions above 0, not ${String(partitions)}`,
    )
  }
  const keySerde = key === undefined ? undefined : keySerdeOf(key, name)
  const spec: TopicSpec = Object.freeze({
    name,
    partitions,
    keySerde,
    valueSerde: valueSerdeOf(value, name),
    settings: settingsOf(options, name),
  })
  return carry({ name, is: (record: { readonly topic: string }) => record.topic === name }, { topic: spec })
}

/**
 * The key of a format, a tuple as the readonly one that `keyBy` gives. A schema whose output is no key gives `never`,
 * which no value fits.
 */
export type KeyOf<F> =
  ReadOf<F> extends Key ? (ReadOf<F> extends readonly unknown[] ? Readonly<ReadOf<F>> : ReadOf<F>) : never

/** What the engine and the clients know of a topic. */
export function topicSpecOf<K, Out, In>(value: Topic<K, Out, In>): TopicSpec {
  const spec = carriedBy(value).topic
  if (spec !== undefined) return spec
  throw new MillraceError(
    'MILLRACE_INVALID_ARGUMENT',
    'this is no topic: make one with topic(name, { value: schema })',
  )
}

function settingsOf(
  {
    durability,
    retention,
    retentionBytes,
    recordBytesMax,
    cleanup,
  }: Partial<KeyedTopicOptions<Format, Format>>,
  name: string,
): TopicSpecSettings {
  const retentionMs =
    typeof retention === 'string' || typeof retention === 'number'
      ? durationMs(retention, `the retention of the topic ${name}`)
      : retention
  return Object.freeze({
    ...(durability !== undefined && { durability }),
    ...(retentionMs !== undefined && { retentionMs }),
    ...(retentionBytes !== undefined && { retentionBytes }),
    ...(recordBytesMax !== undefined && { recordBytesMax }),
    ...(cleanup !== undefined && { cleanup }),
  })
}

function valueSerdeOf(format: Format, name: string): Serde<unknown> {
  if (isSchema(format)) return json(format)
  if (isSerde(format)) return format
  throw invalid(`the topic ${name} needs a \`value\`: text(), bytes(), json() or a schema`)
}

/** A schema's key is written in the canonical form of keys, not as JSON: equal keys must have equal bytes. */
function keySerdeOf(format: Format, name: string): Serde<unknown> {
  if (isSchema(format)) return checkedKeySerde(format)
  if (isSerde(format) && (format.format === 'text' || format.format === 'key')) return format
  throw invalid(
    `the key of the topic ${name} must be text() or a schema of strings, numbers, booleans or tuples`,
  )
}

/** The canonical form of keys, checked by a schema both ways. */
function checkedKeySerde(schema: StandardSchemaV1): Serde<unknown> {
  const check = json(schema)
  return Object.freeze({
    format: keySerde.format,
    encode(value: unknown): Uint8Array {
      check.encode(value)
      return keySerde.encode(value as Key)
    },
    decode(source: TextSource, start: number, end: number): unknown {
      return keySerde.decode(source, start, end)
    },
  })
}

function isSchema(format: unknown): format is StandardSchemaV1 {
  return (
    (typeof format === 'object' || typeof format === 'function') &&
    format !== null &&
    '~standard' in format &&
    typeof (format as Partial<StandardSchemaV1>)['~standard']?.validate === 'function'
  )
}

function isSerde(format: unknown): format is Serde<unknown> {
  return (
    typeof format === 'object' &&
    format !== null &&
    'encode' in format &&
    'decode' in format &&
    'format' in format
  )
}

function invalid(message: string): MillraceError {
  return new MillraceError('MILLRACE_INVALID_PLAN', message)
}
