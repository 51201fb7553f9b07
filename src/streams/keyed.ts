import type { keyedStreamOrTable, keysMustMatch, mustBeATable, streamOf } from './markers.ts'

/** What has a key and can be shown by a view: a keyed stream or a table. */
export interface Keyed<out K, out V> {
  readonly [keyedStreamOrTable]: readonly [key: K, value: V]
}

/** The records of a stream whose keys are like `K`; what `merge` takes. `K` is `null` for streams without a key. */
export interface Records<K, out V> {
  readonly [streamOf]: V
  // A method, so that keys are compared both ways: 'EUR' | 'USD' meets string.
  [keysMustMatch](key: K): void
}

/** The latest row of each key; what a join takes. */
export interface Rows<K, out V> {
  readonly [mustBeATable]: V
  [keysMustMatch](key: K): void
}
