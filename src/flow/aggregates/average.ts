import type { Aggregate } from '../graph/aggregate.ts'
import { addExactly, type ExactSum, mergeExactly, roundedSum } from './exact-sum.ts'
import { checkedNumber } from './ordered.ts'

export interface Mean {
  sum: ExactSum
  count: number
}

/** The arithmetic mean of a number of each value; null of none, which only a table can come to. */
export function averageAggregate<V>(by: (value: V) => number): Aggregate<V, Mean, number | null> {
  return {
    kind: 'average',
    create: () => ({ sum: 0, count: 0 }),
    add: (mean, value) => {
      mean.sum = addExactly(mean.sum, checkedNumber(by(value), 'average'))
      mean.count += 1
      return mean
    },
    subtract: (mean, value) => {
      mean.sum = addExactly(mean.sum, 0 - checkedNumber(by(value), 'average'))
      mean.count -= 1
      return mean
    },
    merge: (left, right) => {
      left.sum = mergeExactly(left.sum, right.sum)
      left.count += right.count
      return left
    },
    result: ({ sum, count }) => (count === 0 ? null : roundedSum(sum) / count),
    encode: ({ sum, count }) => [count, sum],
    decode: (stored) => {
      const [count, sum] = stored as [number, ExactSum]
      return { sum, count }
    },
  }
}
