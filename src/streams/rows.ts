import type { KeyPart } from '../record/key-codec.ts'
import type { RowAggregation, ValueAggregation } from './aggregates.ts'

/** Aggregates of values `V` by the names of their fields; `R` is the row without its key, and is inferred. */
export type AggregatesFor<V, R> = { readonly [N in keyof R]: ValueAggregation<V, R[N]> }

/** The same for rows of a table, which can be taken out again. */
export type RowAggregatesFor<V, R> = { readonly [N in keyof R]: RowAggregation<V, R[N]> }

/** The key of a window's row in a table: `[key, start]`; the elements of a tuple key come one by one. */
export type WindowKey<K> = [K] extends [readonly KeyPart[]] ? readonly [...K, number] : readonly [K, number]

/** The window of a row, which has one. */
export type WindowOf<R> = R extends { readonly window: infer W } ? W : never
