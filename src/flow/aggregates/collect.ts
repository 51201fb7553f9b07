import { MillraceError } from '../../base/errors.ts'
import type { Aggregate, ElementBucket } from '../graph/aggregate.ts'

/**
 * All values as an array in the order in which they came, or what `by` makes of each. Every one is an entry of its own
 * under a running number; taking one out takes the earliest that is equal as JSON.
 */
export function collectAggregate<V>(by?: (value: V) => unknown): Aggregate<V, unknown[], unknown[]> {
  const valueOf = (value: V): unknown => (by === undefined ? value : by(value)) ?? null
  const put = (bucket: ElementBucket, stored: unknown): void => {
    let last = -1
    // Entries come in the order of their numbers: only gaps of removed ones make the size too small.
    if (
      bucket.get(bucket.size) === undefined &&
      (bucket.size === 0 || bucket.get(bucket.size - 1) !== undefined)
    ) {
      last = bucket.size - 1
    } else {
      for (const [element] of bucket.entries()) last = Math.max(last, element as number)
    }
    bucket.put(last + 1, stored)
  }
  return {
    kind: 'collect',
    create: () => [],
    add: (values, value) => {
      values.push(valueOf(value))
      return values
    },
    subtract: (values, value) => {
      const text = JSON.stringify(valueOf(value))
      const at = values.findIndex((held) => JSON.stringify(held) === text)
      if (at < 0) throw missing(text)
      values.splice(at, 1)
      return values
    },
    merge: (left, right) => {
      for (const value of right) left.push(value)
      return left
    },
    result: (values) => [...values],
    encode: (values) => values,
    decode: (stored) => stored as unknown[],
    elements: {
      add: (bucket, value) => put(bucket, { value: valueOf(value) }),
      subtract: (bucket, value) => {
        const text = JSON.stringify(valueOf(value))
        for (const [element, stored] of sorted(bucket)) {
          if (JSON.stringify((stored as { value: unknown }).value) !== text) continue
          bucket.delete(element)
          return
        }
        throw missing(text)
      },
      undo: (bucket) => {
        const last = sorted(bucket).at(-1)
        if (last !== undefined) bucket.delete(last[0])
      },
      merge: (into, from) => {
        for (const [, stored] of sorted(from)) put(into, stored)
      },
      result: (bucket) => sorted(bucket).map(([, stored]) => (stored as { value: unknown }).value),
    },
  }
}

/** By running number: after a restart a bucket is filled in another order. */
function sorted(bucket: ElementBucket): (readonly [string | number, unknown])[] {
  return [...bucket.entries()].sort((left, right) => (left[0] as number) - (right[0] as number))
}

function missing(text: string | undefined): MillraceError {
  return new MillraceError('MILLRACE_ASSERTION', `collect shall take out ${text}, which it does not hold`)
}
