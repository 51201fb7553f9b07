import { describe, expect, test } from 'vitest'
import type { Aggregate } from '../flow/graph/aggregate.ts'
import { average, collect, count, countDistinct, custom, max, min, sum, top } from './aggregates.ts'

type Run = Aggregate<unknown>
const trades = [3, 1, 2, 3].map((price, index) => ({ price, id: `t${index}` }))
type Trade = (typeof trades)[number]

/** Adds the values one by one, as the engine would. */
function resultOf(aggregate: unknown, values: readonly unknown[] = trades): unknown {
  const run = aggregate as Run
  return run.result(values.reduce((accumulator, value) => run.add(accumulator, value), run.create()))
}

describe('the aggregates, as users write them', () => {
  test.each<[string, unknown, unknown]>([
    ['count()', count(), 4],
    ['sum', sum((trade: Trade) => trade.price), 9],
    ['min', min((trade: Trade) => trade.price), 1],
    ['max', max((trade: Trade) => trade.id), 't3'],
    ['average', average((trade: Trade) => trade.price), 2.25],
    ['countDistinct', countDistinct((trade: Trade) => trade.price), 3],
    ['collect()', collect(), trades],
    ['collect(by)', collect((trade: Trade) => trade.price), [3, 1, 2, 3]],
    ['top', top(2, (trade: Trade) => trade.price), [trades[0], trades[3]]],
    ['top by text', top(1, (trade: Trade) => trade.id), [trades[3]]],
    [
      'top with ties',
      top(1, (trade: Trade) => trade.price, { ties: (trade) => (trade.id === 't3' ? 0 : 1) }),
      [trades[3]],
    ],
  ])('%s', (_, aggregate, expected) => {
    expect(resultOf(aggregate)).toEqual(expected)
    expect(Object.isFrozen(aggregate)).toBe(true)
  })

  test('custom is identified by its name', () => {
    const product = custom({
      name: 'product',
      create: () => 1,
      add: (result, trade: Trade) => result * trade.price,
      merge: (left, right) => left * right,
      result: (result) => result,
    })
    expect(resultOf(product)).toBe(18)
    expect((product as unknown as Run).kind).toContain('product')
  })

  test.each([0, -1, 1.5, Number.NaN, '3'])('top(%j) is refused', (n) => {
    expect(() => top(n as number, (trade: Trade) => trade.price)).toThrow(/takes a whole number above 0/)
  })

  test('a function is a function', () => {
    expect(() => sum('price' as never)).toThrow(/sum takes a function of the value, not string/)
    expect(() => top(1, (trade: Trade) => trade.price, { ties: 'id' as never })).toThrow(
      /top takes a function/,
    )
    expect(() => collect(null as never)).toThrow(/collect takes a function of the value, not null/)
  })
})
