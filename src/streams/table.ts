import type { Key } from '../record/key-codec.ts'
import type { Keyed, Rows } from './keyed.ts'
import type { Output } from './output.ts'
import type { RowAggregatesFor } from './rows.ts'
import type { TableDestination } from './seams.ts'

/**
 * The latest row of each key, always up to date. Show it with `view(table)`, meet it with `.join(table, ...)`,
 * write its changes to a topic, or aggregate its rows under another key.
 */
export interface Table<K, V> extends Keyed<K, V>, Rows<K, V> {
  /**
   * Puts the rows under another key, to be counted or aggregated there. When a row changes, its old form is taken
   * out of its group before the new one goes in.
   *
   * @example
   * const perCountry = users.groupBy('per-country', (user) => user.country).count()
   */
  groupBy<const K2 extends Key>(name: string, key: (row: V) => K2): GroupedTable<K2, V>

  /**
   * Writes every change to a topic that has the table's key: the new row, or a tombstone when it is gone.
   * The result is a leaf for `app`.
   */
  to(destination: TableDestination<K, V>): Output
}

/** The rows of a table under another key: what `table.groupBy(...)` returns. */
export interface GroupedTable<K, V> {
  /** How many rows each group has: a table of `{ key, count }`. */
  count(): Table<K, { key: K; count: number }>

  /**
   * Aggregates the rows of each group: a table of `{ key, ...aggregates }`. A group whose rows are all gone stays, with
   * a count of 0, a sum of 0, and null for `min`, `max` and `average`.
   *
   * @throws MillraceError MILLRACE_INVALID_PLAN when there is no aggregate, or one is called `key` or `window`; and when
   *   the app is made, if one cannot take a row out again: a `custom` one needs its `subtract` here.
   * @example
   * users.groupBy('per-country', (user) => user.country).aggregate({ users: count(), oldest: max((user) => user.age) })
   */
  aggregate<R extends object>(
    aggregates: RowAggregatesFor<V, R>,
  ): Table<K, { [N in 'key' | keyof R]: N extends keyof R ? R[N] : K }>
}
