import type { Aggregate, ElementBucket } from '../graph/aggregate.ts'
import { checkedOrdered, compareOrdered, type Ordered } from './ordered.ts'

/** A value with what it is ordered by. `ties` is null where the user gave none. */
export interface Ranked {
  readonly by: Ordered
  readonly ties: Ordered | null
  readonly value: unknown
}

/** The same, in a bucket: how often it is there and when it came first, as a running number. */
interface Counted extends Ranked {
  readonly times: number
  readonly since: number
}

/**
 * The `n` values that are greatest by a number or text, greatest first; equal ones by `ties`, the least first, and then
 * the earlier first.
 *
 * Over a stream an accumulator is the first n so far, sorted: a value that is not among them costs one comparison.
 * Where values are taken out again all of them are kept, one entry for each different one.
 */
export function topAggregate<V>(
  n: number,
  by: (value: V) => Ordered,
  options: { readonly ties?: (value: V) => Ordered } = {},
): Aggregate<V, Ranked[], V[]> {
  const { ties } = options
  const kind = `top(${n})`
  const ranked = (value: V): Ranked => ({
    by: checkedOrdered(by(value), kind),
    ties: ties === undefined ? null : checkedOrdered(ties(value), kind),
    value,
  })
  return {
    kind,
    bounded: true,
    create: () => [],
    add: (best, value) => {
      const one = ranked(value)
      // A new array, so that the old one can be put back.
      return among(best, one, n) ? insert([...best], one, n) : best
    },
    firstOnly: () => {
      const best: Ranked[] = []
      return (value) => {
        const one = ranked(value)
        if (!among(best, one, n)) return false
        // Only its rank is needed from here on.
        insert(best, { by: one.by, ties: one.ties, value: undefined }, n)
        return true
      }
    },
    merge: (left, right) => {
      for (const one of right) insert(left, one, n)
      return left
    },
    result: (best) => best.map((one) => one.value as V),
    encode: (best) => best.map((one) => [one.by, one.ties, one.value]),
    decode: (stored) =>
      (stored as [Ordered, Ordered | null, unknown][]).map(([rank, tie, value]) => ({
        by: rank,
        ties: tie,
        value,
      })),
    elements: {
      add: (bucket, value) => count(bucket, ranked(value), 1),
      subtract: (bucket, value) => count(bucket, ranked(value), -1),
      merge: (into, from) => {
        for (const one of inOrderOfArrival(from)) count(into, one, one.times)
      },
      result: (bucket) => {
        const all = inOrderOfArrival(bucket).filter((one) => one.times > 0)
        all.sort(compareRanked)
        const first: V[] = []
        for (const one of all) {
          for (let times = one.times; times > 0 && first.length < n; times -= 1) first.push(one.value as V)
          if (first.length === n) break
        }
        return first
      },
    },
  }
}

function compareRanked(left: Ranked, right: Ranked): number {
  const order = compareOrdered(right.by, left.by)
  if (order !== 0 || left.ties === null || right.ties === null) return order
  return compareOrdered(left.ties, right.ties)
}

function among(best: readonly Ranked[], one: Ranked, n: number): boolean {
  return best.length < n || compareRanked(one, best[n - 1] as Ranked) < 0
}

function insert(best: Ranked[], one: Ranked, n: number): Ranked[] {
  if (!among(best, one, n)) return best
  let at = best.length
  // From behind, past equal ones never: the earlier value stays in front.
  while (at > 0 && compareRanked(one, best[at - 1] as Ranked) < 0) at -= 1
  best.splice(at, 0, one)
  if (best.length > n) best.length = n
  return best
}

function count(bucket: ElementBucket, one: Ranked, times: number): void {
  // Rows of one table have their fields in one order, so equal rows have equal texts.
  const element = JSON.stringify(one.value)
  const held = bucket.get(element) as Counted | undefined
  const now = (held?.times ?? 0) + times
  if (now === 0) {
    bucket.delete(element)
    return
  }
  const since = held?.since ?? nextNumber(bucket)
  bucket.put(element, { by: one.by, ties: one.ties, value: one.value, times: now, since })
}

/** The running number lies in the bucket too, under a text that no JSON is. */
const NUMBER_ELEMENT = '#'

function nextNumber(bucket: ElementBucket): number {
  const next = ((bucket.get(NUMBER_ELEMENT) as number | undefined) ?? 0) + 1
  bucket.put(NUMBER_ELEMENT, next)
  return next
}

function inOrderOfArrival(bucket: ElementBucket): Counted[] {
  const all: Counted[] = []
  for (const [element, stored] of bucket.entries())
    if (element !== NUMBER_ELEMENT) all.push(stored as Counted)
  return all.sort((left, right) => left.since - right.since)
}
