import type { PartitionId, Timestamp } from '../base/brands.ts'
import type { RecordHeader } from '../record/record.ts'

/**
 * What a step's function may return: anything but a promise. A step answers at once, and what it returned must be a
 * value when the next step sees it. The `''` keeps string literals narrow, so that `{ risk: late ? 'high' : 'low' }`
 * fits an enum without `as const`.
 */
export type NoPromise =
  | ''
  | { then?: never; toString(): string }
  | null
  | undefined
  | NoPromise[]
  | { [field: string]: NoPromise }

/** A collection that `flatMap` takes apart: an array, a set, a generator; not a string. */
export type Many<R> = Iterable<R> & object

/** The elements of a collection. */
export type Item<A> = A extends Iterable<infer R> ? R : never

/**
 * What a function sees beside the value. Of a computed value, `topic`, `partition` and `offset` are those of the
 * input record that caused it. Valid only during the call: take out what you want to keep.
 */
export interface StreamRecord<K, V> {
  /** The key of the stream; null where it has none. */
  readonly key: K
  /** The value, as the first argument has it. */
  readonly value: V
  /** Event time in milliseconds since the epoch. */
  readonly timestamp: Timestamp
  readonly headers: readonly RecordHeader[]
  readonly topic: string
  readonly partition: PartitionId
  readonly offset: number
}
