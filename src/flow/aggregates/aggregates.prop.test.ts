import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Aggregate, ElementBucket } from '../graph/aggregate.ts'
import { MemoryBucket } from '../operators/element-buckets.ts'
import { averageAggregate } from './average.ts'
import { collectAggregate } from './collect.ts'
import { countAggregate } from './count.ts'
import { countDistinctAggregate } from './count-distinct.ts'
import { addExactly, type ExactSum, mergeExactly, negated, roundedSum } from './exact-sum.ts'
import { maxAggregate, minAggregate } from './extreme.ts'
import { sumAggregate } from './sum.ts'
import { topAggregate } from './top.ts'

interface Item {
  readonly n: number
  readonly id: string
}
const items = fc.array(
  fc.record({ n: fc.integer({ min: -5, max: 5 }), id: fc.constantFrom('a', 'b', 'ä', '😀') }),
  {
    maxLength: 12,
  },
)
// Each aggregate has an accumulator type of its own; here they are only passed back to it.
// oxlint-disable-next-line typescript/no-explicit-any -- no other type takes them all
type AnyAggregate = Aggregate<Item, any>
const aggregates: readonly AnyAggregate[] = [
  countAggregate(),
  sumAggregate<Item>(({ n }) => n / 10),
  averageAggregate<Item>(({ n }) => n / 10),
  minAggregate<Item>(({ n }) => n),
  maxAggregate<Item>(({ id }) => id),
  countDistinctAggregate<Item>(({ id }) => id),
  collectAggregate<Item>(({ n }) => n),
  topAggregate<Item>(3, ({ n }) => n, { ties: ({ id }) => id }),
]

function plain(aggregate: AnyAggregate, values: readonly Item[]): unknown {
  let accumulator: unknown = aggregate.create()
  for (const value of values) accumulator = aggregate.add(accumulator, value)
  return accumulator
}

function bucketOf(aggregate: AnyAggregate, values: readonly Item[]): ElementBucket {
  const bucket = new MemoryBucket()
  for (const value of values) aggregate.elements?.add(bucket, value)
  return bucket
}

describe.each(aggregates.map((aggregate) => [aggregate.kind, aggregate] as const))(
  '%s',
  (_kind, aggregate) => {
    test('merging parts gives what one gives', () => {
      fc.assert(
        fc.property(items, items, (left, right) => {
          const whole = aggregate.result(plain(aggregate, [...left, ...right]))
          expect(aggregate.result(aggregate.merge(plain(aggregate, left), plain(aggregate, right)))).toEqual(
            whole,
          )
          if (aggregate.elements === undefined) return
          const into = bucketOf(aggregate, left)
          aggregate.elements.merge(into, bucketOf(aggregate, right))
          expect(aggregate.elements.result(into)).toEqual(whole)
        }),
      )
    })

    test('what is stored comes back as JSON', () => {
      fc.assert(
        fc.property(items, (values) => {
          const accumulator = plain(aggregate, values)
          const stored = JSON.parse(JSON.stringify(aggregate.encode(accumulator)))
          expect(aggregate.result(aggregate.decode(stored))).toEqual(aggregate.result(accumulator))
        }),
      )
    })

    test('taking values out again leaves the result of the rest', () => {
      fc.assert(
        fc.property(items, items, (kept, gone) => {
          const rest = aggregate.result(plain(aggregate, kept))
          if (aggregate.elements?.subtract !== undefined) {
            const bucket = bucketOf(aggregate, [...gone, ...kept])
            for (const value of gone) aggregate.elements.subtract(bucket, value)
            expect(aggregate.elements.result(bucket)).toEqual(rest)
          }
          if (aggregate.subtract !== undefined) {
            let accumulator = plain(aggregate, [...gone, ...kept])
            for (const value of gone) accumulator = aggregate.subtract(accumulator, value)
            expect(aggregate.result(accumulator)).toEqual(rest)
          }
        }),
      )
    })
  },
)

describe('top', () => {
  test('without ties equal values keep the order in which they came', () => {
    const aggregate = topAggregate<Item>(2, ({ n }) => n) as AnyAggregate
    const values = ['x', 'y', 'z'].map((id) => ({ n: 1, id }))
    expect(aggregate.result(plain(aggregate, values))).toEqual(values.slice(0, 2))
    expect(aggregate.elements?.result(bucketOf(aggregate, values))).toEqual(values.slice(0, 2))
  })

  test('texts are ordered by code points', () => {
    const aggregate = topAggregate<Item>(2, ({ id }) => id) as AnyAggregate
    const values = ['\uffff', '😀'].map((id) => ({ n: 1, id }))
    expect(aggregate.result(plain(aggregate, values))).toEqual([values[1], values[0]])
  })

  test('what has no order is refused', () => {
    const aggregate = topAggregate<Item>(1, () => Number.NaN) as AnyAggregate
    expect(() => plain(aggregate, [{ n: 1, id: 'a' }])).toThrow(/NaN/)
    expect(() =>
      plain(
        sumAggregate(() => undefined as unknown as number),
        [{ n: 1, id: 'a' }],
      ),
    ).toThrow(/undefined/)
  })
})

describe('exact sums', () => {
  const doubles = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }), {
    maxLength: 20,
  })
  const total = (terms: readonly number[]): ExactSum =>
    terms.reduce<ExactSum>((sum, term) => addExactly(sum, term), 0)

  test('do not depend on order or grouping', () => {
    fc.assert(
      fc.property(doubles, doubles, (left, right) => {
        const whole = roundedSum(total([...left, ...right]))
        expect(roundedSum(total([...right, ...left].reverse()))).toBe(whole)
        expect(roundedSum(mergeExactly(total(left), total(right)))).toBe(whole)
      }),
    )
  })

  test('what is added and taken away again leaves nothing', () => {
    expect(roundedSum(total([0.1, 0.2, 0.3, -0.2, -0.1]))).toBe(0.3)
    expect(roundedSum(total([1e16, 1, -1e16]))).toBe(1)
    fc.assert(
      fc.property(doubles, (terms) => {
        expect(roundedSum(mergeExactly(total(terms), negated(total(terms))))).toBe(0)
      }),
    )
  })

  test('halves are rounded by what lies below them', () => {
    expect(roundedSum(total([1, 2 ** -53, 2 ** -106]))).toBe(1 + 2 ** -52)
    expect(roundedSum(total([1, 2 ** -53]))).toBe(1)
  })
})
