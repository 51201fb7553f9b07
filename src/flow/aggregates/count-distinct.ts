import { MillraceError } from '../../base/errors.ts'
import type { Aggregate, ElementBucket } from '../graph/aggregate.ts'

/**
 * How many different texts, numbers or booleans there are, exactly. Every one is an entry of its own with the number of
 * times it is there, so that a commit writes what changed and a table can take one out again.
 */
export function countDistinctAggregate<V>(
  by: (value: V) => string | number | boolean,
): Aggregate<V, Map<string | number, number>, number> {
  const add = (
    bucket: Map<string | number, number>,
    value: V,
    times: number,
  ): Map<string | number, number> => {
    const element = elementOf(by(value))
    const now = (bucket.get(element) ?? 0) + times
    if (now === 0) bucket.delete(element)
    else bucket.set(element, now)
    return bucket
  }
  const count = (bucket: ElementBucket, element: string | number, times: number): void => {
    const now = ((bucket.get(element) as number | undefined) ?? 0) + times
    if (now === 0) bucket.delete(element)
    else bucket.put(element, now)
  }
  return {
    kind: 'countDistinct',
    create: () => new Map(),
    add: (seen, value) => add(seen, value, 1),
    subtract: (seen, value) => add(seen, value, -1),
    merge: (left, right) => {
      for (const [element, times] of right) left.set(element, (left.get(element) ?? 0) + times)
      return left
    },
    result: (seen) => seen.size,
    encode: (seen) => [...seen],
    decode: (stored) => new Map(stored as [string | number, number][]),
    elements: {
      add: (bucket, value) => count(bucket, elementOf(by(value)), 1),
      subtract: (bucket, value) => count(bucket, elementOf(by(value)), -1),
      merge: (into, from) => {
        for (const [element, times] of from.entries()) count(into, element, times as number)
      },
      result: (bucket) => bucket.size,
    },
  }
}

/** Texts get a letter in front, so that `true` and 'true' stay different; numbers are themselves. */
function elementOf(value: string | number | boolean): string | number {
  if (typeof value === 'string') return `s${value}`
  if (typeof value === 'boolean') return value ? 't' : 'f'
  if (typeof value === 'number' && !Number.isNaN(value)) return value + 0
  throw new MillraceError(
    'MILLRACE_INVALID_RECORD',
    `countDistinct tells texts, numbers and booleans apart, but its function answered ${String(value)}`,
  )
}
