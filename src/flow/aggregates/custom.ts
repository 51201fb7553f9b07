import type { Aggregate } from '../graph/aggregate.ts'

/** What a user writes for an aggregate of one's own. */
export interface CustomAggregateSpec<V, A, R> {
  readonly name: string
  create(): A
  add(accumulator: A, value: V): A
  merge(left: A, right: A): A
  result(accumulator: A): R
  subtract?(accumulator: A, value: V): A
  encode?(accumulator: A): unknown
  decode?(stored: unknown): A
}

/** An aggregate of one's own: its name is its identity; without `encode` its accumulators are JSON themselves. */
export function customAggregate<V, A, R>(spec: CustomAggregateSpec<V, A, R>): Aggregate<V, A, R> {
  return {
    kind: `custom(${spec.name})`,
    create: () => spec.create(),
    add: (accumulator, value) => spec.add(accumulator, value),
    subtract:
      spec.subtract === undefined
        ? undefined
        : (accumulator, value) => (spec.subtract as (a: A, v: V) => A)(accumulator, value),
    merge: (left, right) => spec.merge(left, right),
    result: (accumulator) => spec.result(accumulator),
    encode: (accumulator) => (spec.encode === undefined ? accumulator : spec.encode(accumulator)),
    decode: (stored) => (spec.decode === undefined ? (stored as A) : spec.decode(stored)),
  }
}
