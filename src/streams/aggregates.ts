import { MillraceError } from '../base/errors.ts'
import { averageAggregate } from '../flow/aggregates/average.ts'
import { collectAggregate } from '../flow/aggregates/collect.ts'
import { countAggregate } from '../flow/aggregates/count.ts'
import { countDistinctAggregate } from '../flow/aggregates/count-distinct.ts'
import { customAggregate } from '../flow/aggregates/custom.ts'
import { maxAggregate, minAggregate } from '../flow/aggregates/extreme.ts'
import { sumAggregate } from '../flow/aggregates/sum.ts'
import { topAggregate } from '../flow/aggregates/top.ts'
import type { Aggregate } from '../flow/graph/aggregate.ts'
import type { aggregates, aggregatesRows } from './markers.ts'

/**
 * An aggregate of values `V` with a result `R`: what `count()`, `sum(...)` and the like return. Over rows of a table
 * a group can become empty again; what it has then is in `E`.
 */
export interface Aggregation<in V, out R, out E = R> extends ValueAggregation<V, R>, RowAggregation<V, E> {}

/** An aggregate over values that only come. */
export interface ValueAggregation<in V, out R> {
  readonly [aggregates]: (value: V) => R
}

/** An aggregate over rows that can be taken out again. */
export interface RowAggregation<in V, out E> {
  readonly [aggregatesRows]: (row: V) => E
}

/** What can be put in order: numbers, or texts by their code points. */
export type Ordered = number | string

/**
 * How many values there are.
 *
 * @example
 * byPage.aggregate('views', { views: count() })
 */
export function count(): Aggregation<unknown, number> {
  return typed(countAggregate())
}

/**
 * The sum of a number of each value; 0 of none. The function gets the value only.
 *
 * @example
 * byIp.aggregate('traffic', { bytes: sum((request) => request.bytes) })
 */
export function sum<V>(by: (value: V) => number): Aggregation<V, number> {
  return typed(sumAggregate(checked('sum', by)))
}

/** The least number or text of the values; null of a table's group that became empty. */
export function min<V, R extends Ordered>(by: (value: V) => R): Aggregation<V, R, R | null> {
  return typed(minAggregate(checked('min', by)))
}

/** The greatest number or text of the values; null of a table's group that became empty. */
export function max<V, R extends Ordered>(by: (value: V) => R): Aggregation<V, R, R | null> {
  return typed(maxAggregate(checked('max', by)))
}

/** The arithmetic mean of a number of each value; null of a table's group that became empty. */
export function average<V>(by: (value: V) => number): Aggregation<V, number, number | null> {
  return typed(averageAggregate(checked('average', by)))
}

/**
 * How many different texts, numbers or booleans there are, exactly. Its state grows with their number.
 *
 * @example
 * byPage.aggregate('visitors', { visitors: countDistinct((click) => click.user) })
 */
export function countDistinct<V>(by: (value: V) => string | number | boolean): Aggregation<V, number> {
  return typed(countDistinctAggregate(checked('countDistinct', by)))
}

/**
 * All values as an array, or what `by` makes of each. Its state and its rows grow with their number.
 *
 * @example
 * byOrder.aggregate('lines', { products: collect((line) => line.product) })
 */
export function collect<V>(): Aggregation<V, V[]>
export function collect<V, R>(by: (value: V) => R): Aggregation<V, R[]>
export function collect(by?: (value: never) => unknown): Aggregation<never, unknown[]> {
  return typed(by === undefined ? collectAggregate() : collectAggregate(checked('collect', by)))
}

/**
 * The `n` values that are greatest by a number or text, greatest first.
 *
 * @param options `ties` orders values that are equal by `by`: the least one first. Without it the earliest comes first.
 * @throws MillraceError MILLRACE_INVALID_ARGUMENT when `n` is no whole number above 0.
 * @example
 * perPage.groupBy('top', () => 'all').aggregate({ pages: top(10, (page) => page.views, { ties: (page) => page.key }) })
 */
export function top<V>(
  n: number,
  by: (value: V) => Ordered,
  options: { readonly ties?: (value: V) => Ordered } = {},
): Aggregation<V, V[]> {
  if (!Number.isSafeInteger(n) || n < 1) {
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `top(n, by) takes a whole number above 0, not ${String(n)}`,
    )
  }
  const { ties } = options
  return typed(topAggregate(n, checked('top', by), ties === undefined ? {} : { ties: checked('top', ties) }))
}

/** An aggregate of one's own: what {@link custom} takes. */
export interface CustomAggregate<V, A, R> {
  /** Part of the plan's identity: a changed name is another aggregate, with state of its own. */
  readonly name: string
  /** The accumulator of no values. It must be made of what JSON can hold, or have `encode` and `decode`. */
  create(): A
  /**
   * Takes a value in; may change the accumulator, and returns it. When another aggregate of the step throws at the value,
   * it is taken out again by `subtract`; where there is none, the accumulator that `add` was given is put back, so such
   * an `add` should return a new one.
   */
  add(accumulator: A, value: V): A
  /** Takes the right accumulator into the left one: windows are computed in parts, and sessions merge. */
  merge(left: A, right: A): A
  /** The field's value. Must not change the accumulator. */
  result(accumulator: A): R
  /** Takes a value out again. Needed where rows of a table are grouped. */
  subtract?(accumulator: A, value: V): A
  /** To what JSON can hold. */
  encode?(accumulator: A): unknown
  /** Back from it. */
  decode?(stored: unknown): A
}

/**
 * An aggregate of one's own.
 *
 * @example
 * const spread = custom({
 *   name: 'spread',
 *   create: () => ({ low: Infinity, high: -Infinity }),
 *   add: (range, trade: Trade) => ({ low: Math.min(range.low, trade.price), high: Math.max(range.high, trade.price) }),
 *   merge: (a, b) => ({ low: Math.min(a.low, b.low), high: Math.max(a.high, b.high) }),
 *   result: (range) => range.high - range.low,
 * })
 */
export function custom<V, A, R>(aggregate: CustomAggregate<V, A, R>): Aggregation<V, R> {
  return typed(customAggregate(aggregate))
}

/**
 * The engine's form of what a user wrote into `aggregate({ ... })`, checked.
 *
 * @param where the step, for messages.
 */
export function aggregatesOf(given: object, where: string): Readonly<Record<string, Aggregate>> {
  const entries = Object.entries(given)
  if (entries.length === 0)
    throw invalid(`${where} has no aggregate: give it at least one, such as { count: count() }`)
  for (const [name, aggregate] of entries) {
    if (name === 'key' || name === 'window') {
      throw invalid(`${where}: a row has its ${name} under '${name}'; give the aggregate another name`)
    }
    if (!isAggregate(aggregate))
      throw invalid(`${where}: '${name}' is no aggregate, such as count() or sum(...)`)
  }
  return Object.freeze(Object.fromEntries(entries) as Record<string, Aggregate>)
}

function isAggregate(value: unknown): value is Aggregate {
  return typeof value === 'object' && value !== null && 'create' in value && 'add' in value && 'kind' in value
}

function checked<F extends (value: never) => unknown>(name: string, by: F): F {
  if (typeof by === 'function') return by
  throw invalid(`${name} takes a function of the value, not ${by === null ? 'null' : typeof by}`)
}

function invalid(message: string): MillraceError {
  return new MillraceError('MILLRACE_INVALID_PLAN', message)
}

/** An engine's aggregate is a user's one: the phantom member that carries the types is never there. */
function typed<V, R, E = R>(aggregate: unknown): Aggregation<V, R, E> {
  return Object.freeze(aggregate as Aggregation<V, R, E>)
}
