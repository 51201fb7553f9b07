import type { Aggregate } from '../graph/aggregate.ts'

/** How many values there are. */
export function countAggregate(): Aggregate<unknown, number, number> {
  return COUNT
}

const COUNT: Aggregate<unknown, number, number> = Object.freeze({
  kind: 'count',
  create: () => 0,
  add: (count: number) => count + 1,
  subtract: (count: number) => count - 1,
  merge: (left: number, right: number) => left + right,
  result: (count: number) => count,
  encode: (count: number) => count,
  decode: (stored: unknown) => stored as number,
})
