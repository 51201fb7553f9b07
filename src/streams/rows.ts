import type { KeyPart } from '../record/key-codec.ts'
import type { Aggregation } from './aggregates.ts'

/** Aggregates of values `V` by the names of their fields; `R` is the row without its key, and is inferred. */
export type AggregatesFor<V, R> = { readonly [N in keyof R]: Aggregation<V, R[N]> }

/** The row of an aggregate: `{ key, ...aggregates }`. */
export type AggregateRow<K, R> = { [N in 'key' | keyof R]: N extends keyof R ? R[N] : K }

/** The row of an aggregate in a window: `{ key, window, ...aggregates }`. */
export type WindowAggregateRow<K, W, R> = {
  [N in 'key' | 'window' | keyof R]: N extends keyof R ? R[N] : N extends 'key' ? K : W
}

/** The key of a window's row in a table: `[key, start]`; the elements of a tuple key come one by one. */
export type WindowKey<K> = [K] extends [readonly KeyPart[]] ? readonly [...K, number] : readonly [K, number]

/** The window of a row, which has one. */
export type WindowOf<R> = R extends { readonly window: infer W } ? W : never
