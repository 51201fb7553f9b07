import type { Duration } from '../base/duration.ts'
import type { ErrorPolicy } from '../flow/graph/plan.ts'
import type { Key } from '../record/key-codec.ts'
import type { Left, Passed } from './branches.ts'
import type { Keyed, Records, Rows } from './keyed.ts'
import type { streamOf } from './markers.ts'
import type { Output } from './output.ts'
import type { AggregatesFor, WindowKey, WindowOf } from './rows.ts'
import type { Destination } from './seams.ts'
import type { Table } from './table.ts'
import type { Item, Many, NoPromise, StreamRecord } from './user-function.ts'
import type { Window, Windows } from './windows.ts'

/**
 * Records without a key, one after the other. A description: building one touches nothing, and every method returns
 * a new stream.
 *
 * A step's function gets the value, then the record; it answers at once (a function that returns a promise is a type
 * error), and when it throws, the policy of the next {@link Stream.onError} decides; without one the app stops.
 */
export interface Stream<V> extends Records<null, V> {
  /**
   * Keeps the values for which `predicate` holds. A predicate that narrows the type narrows the stream.
   *
   * @example
   * const visits = clicks.filter((click) => !click.page.startsWith('/health'))
   */
  filter<W extends V>(predicate: (value: V, record: StreamRecord<null, V>) => value is W): Stream<W>
  filter(predicate: (value: V, record: StreamRecord<null, V>) => boolean): Stream<V>

  /**
   * Makes one value of each.
   *
   * @example
   * const totals = orders.map((order) => ({ id: order.id, total: order.price * order.quantity }))
   */
  map<R extends NoPromise>(map: (value: V, record: StreamRecord<null, V>) => R): Stream<R>

  /**
   * Makes any number of values of each: the elements of the array, set or generator that is returned.
   *
   * @example
   * const words = lines.flatMap((line) => line.toLowerCase().match(/\p{L}+/gu) ?? [])
   */
  flatMap<A extends Many<NoPromise>>(flatMap: (value: V, record: StreamRecord<null, V>) => A): Stream<Item<A>>

  /**
   * Looks at each value and passes it on. After a crash the last values before it are seen again: not a place for
   * effects that must happen once.
   *
   * @example
   * clicks.tap((click) => console.log(click.page))
   */
  tap(tap: (value: V, record: StreamRecord<null, V>) => NoPromise | void): Stream<V>

  /** The records of this stream and of others, in the order of their times. */
  merge<S extends readonly Records<null, unknown>[]>(...others: S): Stream<V | S[number][typeof streamOf]>

  /**
   * Splits the stream: a record goes to the first branch whose predicate holds, else to `otherwise`. Predicates that
   * narrow the type narrow their branch, and what they take is gone from `otherwise`.
   *
   * @throws MillraceError MILLRACE_INVALID_PLAN when there is no branch, or one is called `otherwise`.
   * @example
   * const { paid, otherwise } = events.branch({ paid: (event) => event.kind === 'paid' })
   */
  branch<B extends Record<string, (value: V, record: StreamRecord<null, V>) => boolean>>(
    branches: B,
  ): { [N in keyof B | 'otherwise']: Stream<N extends keyof B ? Passed<V, B[N]> : Left<V, B>> }

  /**
   * Gives the records a key, a tuple for several fields; what comes after runs key by key.
   *
   * @example
   * const byPage = edits.keyBy((edit) => [edit.channel, edit.page])
   */
  keyBy<const K extends Key>(key: (value: V, record: StreamRecord<null, V>) => K): KeyedStream<K, V>

  /**
   * Writes the values to a topic or a file, in the commit that covers their input. The result is a leaf for `app`.
   *
   * @example
   * const app = app('routing', { large: orders.filter((order) => order.total > 1000).to(large) })
   */
  to(destination: Destination<null, V>): Output

  /**
   * What happens when a function of the steps above throws, back to (and with) the topic or the keyBy, or to the
   * onError before: `skip(reason)`, `deadLetter(topic)` or `stop()`, which is also the default. With the topic, a
   * record that cannot be decoded, or whose time is none, goes the same way.
   *
   * @example
   * stream(lines).map(parse).onError(deadLetter('unparsable'))
   */
  onError(policy: ErrorPolicy): Stream<V>
}

/**
 * Records with a key. All of {@link Stream}, keeping the key, and what runs key by key: aggregates, windows, joins.
 * Whatever keeps state has a name, the first argument; its state and topics are found by it again after a change of
 * the program.
 */
export interface KeyedStream<K, V> extends Keyed<K, V>, Records<K, V> {
  /** As {@link Stream.filter}. */
  filter<W extends V>(predicate: (value: V, record: StreamRecord<K, V>) => value is W): KeyedStream<K, W>
  filter(predicate: (value: V, record: StreamRecord<K, V>) => boolean): KeyedStream<K, V>

  /** As {@link Stream.map}; the key stays. */
  map<R extends NoPromise>(map: (value: V, record: StreamRecord<K, V>) => R): KeyedStream<K, R>

  /** As {@link Stream.flatMap}; the key stays. */
  flatMap<A extends Many<NoPromise>>(
    flatMap: (value: V, record: StreamRecord<K, V>) => A,
  ): KeyedStream<K, Item<A>>

  /** As {@link Stream.tap}. */
  tap(tap: (value: V, record: StreamRecord<K, V>) => NoPromise | void): KeyedStream<K, V>

  /** As {@link Stream.merge}; the keys must be of one type. */
  merge<S extends readonly Records<K, unknown>[]>(
    ...others: S
  ): KeyedStream<K, V | S[number][typeof streamOf]>

  /** As {@link Stream.branch}; the key stays. */
  branch<B extends Record<string, (value: V, record: StreamRecord<K, V>) => boolean>>(
    branches: B,
  ): {
    [N in keyof B | 'otherwise']: KeyedStream<K, N extends keyof B ? Passed<V, B[N]> : Left<V, B>>
  }

  /** As {@link Stream.keyBy}: another key. */
  keyBy<const K2 extends Key>(key: (value: V, record: StreamRecord<K, V>) => K2): KeyedStream<K2, V>

  /** As {@link Stream.to}; a topic with a key gets the stream's. */
  to(destination: Destination<K, V>): Output

  /** As {@link Stream.onError}. */
  onError(policy: ErrorPolicy): KeyedStream<K, V>

  /**
   * How many records each key has: a table of `{ key, count }`.
   *
   * @example
   * const words = text.keyBy((word) => word).count('words')
   */
  count(name: string): Table<K, { key: K; count: number }>

  /**
   * Combines the values of each key, two at a time: a table of what `reduce` returns; the first value of a key as it
   * is.
   *
   * @example
   * const largest = orders.keyBy((order) => order.customer).reduce('largest', (a, b) => (b.total > a.total ? b : a))
   */
  reduce(name: string, reduce: (left: V, right: V) => V): Table<K, V>

  /**
   * Aggregates the values of each key: a table of `{ key, ...aggregates }`.
   *
   * @throws MillraceError MILLRACE_INVALID_PLAN when there is no aggregate, or one is called `key` or `window`.
   * @example
   * const totals = byPage.aggregate('totals', { views: count(), visitors: countDistinct((click) => click.user) })
   */
  aggregate<R extends object>(
    name: string,
    aggregates: AggregatesFor<V, R>,
  ): Table<K, { [N in 'key' | keyof R]: N extends keyof R ? R[N] : K }>

  /**
   * Cuts the stream of each key into windows of event time, to be counted, reduced or aggregated.
   *
   * @param options `allowedLateness`: how long after its end a window still takes records; later ones go to `late()`.
   *   Default 0.
   * @example
   * const perMinute = clicks.keyBy((click) => click.user).window('per-minute', tumbling('1m')).count()
   */
  window<W extends Window>(
    name: string,
    windows: Windows<W>,
    options?: { readonly allowedLateness?: Duration },
  ): WindowedStream<K, V, W>

  /**
   * Combines each value with the row that the table has for its key when the record is processed; without a row the
   * record is dropped and counted. Changes of the table trigger nothing.
   *
   * @example
   * clicks.keyBy((click) => click.user).join(users, (click, user) => ({ ...click, country: user.country }))
   */
  join<W, R extends NoPromise>(table: Rows<K, W>, combine: (value: V, row: W) => R): KeyedStream<K, R>

  /** As {@link KeyedStream.join}; without a row, `row` is null. */
  leftJoin<W, R extends NoPromise>(
    table: Rows<K, W>,
    combine: (value: V, row: W | null) => R,
  ): KeyedStream<K, R>

  /**
   * The latest value of each key, as a table.
   *
   * @example
   * const users = stream(profiles).toTable('users')
   */
  toTable(name: string): Table<K, NonNullable<V>>
}

/** The windows of a keyed stream, before it is said what is made of them. */
export interface WindowedStream<K, V, W> {
  /** How many records each key has in each window: rows `{ key, window, count }`. */
  count(): WindowRows<K, { key: K; window: W; count: number }, V>

  /**
   * Combines the values of each key in each window, two at a time: rows `{ key, window, value }`. The function must
   * not care how the values are grouped (it is associative): windows are computed in parts.
   */
  reduce(reduce: (left: V, right: V) => V): WindowRows<K, { key: K; window: W; value: V }, V>

  /**
   * Aggregates the values of each key in each window: rows `{ key, window, ...aggregates }`.
   *
   * @throws MillraceError MILLRACE_INVALID_PLAN when there is no aggregate, or one is called `key` or `window`.
   * @example
   * byPage.window('last-hour', hopping({ size: '1h', every: '5m' })).aggregate({ views: count() }).final()
   */
  aggregate<R extends object>(
    aggregates: AggregatesFor<V, R>,
  ): WindowRows<
    K,
    { [N in 'key' | 'window' | keyof R]: N extends keyof R ? R[N] : N extends 'key' ? K : W },
    V
  >
}

/** Rows of windows. When they are shown is chosen by name: `final()` or `updates()`. */
export interface WindowResult<K, R> {
  /**
   * One row for each window, when nothing can change it any more: when the watermark has passed its end and the
   * allowed lateness. A stream; the time of a row is the last millisecond of its window.
   */
  final(): KeyedStream<K, R>

  /**
   * Every change of every window as a table by `[key, window start]` (the elements of a tuple key, then the
   * start), coalesced per commit. A session that was absorbed by another is taken back.
   */
  updates(): Table<WindowKey<K>, R>

  /**
   * Puts the rows of the same windows under another key, to be counted or aggregated there.
   *
   * @example
   * perPage.groupBy('top-pages', () => 'all').aggregate({ pages: top(10, (page) => page.views) })
   */
  groupBy<const K2 extends Key>(name: string, key: (row: R) => K2): GroupedWindows<K2, R>
}

/** Rows of windows over the records of a stream. */
export interface WindowRows<K, R, V> extends WindowResult<K, R> {
  /**
   * The records that came too late for every window they belong to, as they were, once each.
   *
   * @example
   * app('minutes', { late: perMinute.late().to(lateClicks) })
   */
  late(): KeyedStream<K, V>
}

/** Rows of windows under another key: what `groupBy` of windows returns. */
export interface GroupedWindows<K, R> {
  /** How many rows each group has in each window: rows `{ key, window, count }`. */
  count(): WindowResult<K, { key: K; window: WindowOf<R>; count: number }>

  /** Aggregates the rows of each group in each window: rows `{ key, window, ...aggregates }`. */
  aggregate<A extends object>(
    aggregates: AggregatesFor<R, A>,
  ): WindowResult<
    K,
    { [N in 'key' | 'window' | keyof A]: N extends keyof A ? A[N] : N extends 'key' ? K : WindowOf<R> }
  >
}
