import type { Aggregate, ElementBucket } from '../graph/aggregate.ts'
import { checkedOrdered, compareOrdered, type Ordered } from './ordered.ts'

/** The least number or text of the values; null of none, which only a table can come to. */
export function minAggregate<V>(by: (value: V) => Ordered): Aggregate<V, Ordered | null, Ordered | null> {
  return extreme('min', by, 1)
}

/** The greatest one. */
export function maxAggregate<V>(by: (value: V) => Ordered): Aggregate<V, Ordered | null, Ordered | null> {
  return extreme('max', by, -1)
}

/**
 * Over a stream one value is enough. Where values are taken out again, all are kept as a multiset: the number of times
 * by the value itself.
 */
function extreme<V>(
  kind: 'min' | 'max',
  by: (value: V) => Ordered,
  sign: 1 | -1,
): Aggregate<V, Ordered | null, Ordered | null> {
  const better = (held: Ordered | null, other: Ordered): Ordered =>
    held === null || compareOrdered(other, held) * sign < 0 ? other : held
  const count = (bucket: ElementBucket, element: Ordered, times: number): void => {
    const now = ((bucket.get(element) as number | undefined) ?? 0) + times
    if (now === 0) bucket.delete(element)
    else bucket.put(element, now)
  }
  return {
    kind,
    bounded: true,
    create: () => null,
    add: (held, value) => better(held, checkedOrdered(by(value), kind)),
    merge: (left, right) => (right === null ? left : better(left, right)),
    result: (held) => held,
    encode: (held) => held,
    decode: (stored) => stored as Ordered | null,
    elements: {
      add: (bucket, value) => count(bucket, checkedOrdered(by(value), kind), 1),
      subtract: (bucket, value) => count(bucket, checkedOrdered(by(value), kind), -1),
      merge: (into, from) => {
        for (const [element, times] of from.entries()) count(into, element, times as number)
      },
      result: (bucket) => {
        let held: Ordered | null = null
        for (const [element, times] of bucket.entries()) {
          if ((times as number) > 0) held = better(held, element)
        }
        return held
      },
    },
  }
}
