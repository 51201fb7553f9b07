import type { Aggregate } from '../graph/aggregate.ts'
import { addExactly, type ExactSum, mergeExactly, roundedSum } from './exact-sum.ts'
import { checkedNumber } from './ordered.ts'

/** The sum of a number of each value, exact and rounded once; 0 of none. */
export function sumAggregate<V>(by: (value: V) => number): Aggregate<V, ExactSum, number> {
  return {
    kind: 'sum',
    create: () => 0,
    add: (sum, value) => addExactly(sum, checkedNumber(by(value), 'sum')),
    subtract: (sum, value) => addExactly(sum, 0 - checkedNumber(by(value), 'sum')),
    merge: mergeExactly,
    result: roundedSum,
    encode: (sum) => sum,
    decode: (stored) => stored as ExactSum,
  }
}
