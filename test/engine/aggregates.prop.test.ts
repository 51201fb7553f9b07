import fc from 'fast-check'
import {
  app,
  average,
  collect,
  count,
  countDistinct,
  custom,
  max,
  min,
  stream,
  sum,
  top,
  topic,
  view,
} from 'millrace'
import { driver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { numbersOf, topOf } from './naive-aggregates.ts'
import { seed, tries } from './seed.ts'

const Order = z.object({ customer: z.string(), product: z.string(), price: z.number() })
type Order = z.infer<typeof Order>
const orders = topic('orders', { value: Order, partitions: 3 })

const longest = custom({
  name: 'longest',
  create: () => '',
  add: (held: string, { product }: Order) => (product.length > held.length ? product : held),
  merge: (left, right) => (right.length > left.length ? right : left),
  result: (held) => held,
})

const byCustomer = stream(orders).keyBy(({ customer }) => customer)
const totals = byCustomer.aggregate('totals', {
  count: count(),
  sum: sum(({ price }) => price),
  min: min(({ price }) => price),
  max: max(({ price }) => price),
  average: average(({ price }) => price),
  distinct: countDistinct(({ price }) => price),
  prices: collect(({ price }) => price),
  names: min(({ product }) => product),
  dearest: top(2, ({ price }) => price, { ties: ({ product }) => product }),
  longest,
})
const shop = app('shop', {
  totals: view(totals),
  counts: view(byCustomer.count('counts')),
  last: view(byCustomer.reduce('largest', (left, right) => (right.price > left.price ? right : left))),
  customers: view(
    stream(orders)
      .keyBy(({ product }) => [product, product.length])
      .count('by-product'),
  ),
})

const order: fc.Arbitrary<Order> = fc.record({
  customer: fc.constantFrom('ann', 'bob', 'çiğdem', '日本'),
  product: fc.constantFrom('apple', 'fig', 'quince', 'kiwi'),
  price: fc.integer({ min: -3, max: 6 }),
})

function expectTotals(world: ReturnType<typeof driver<typeof shop>>, sent: readonly Order[]): void {
  for (const customer of ['ann', 'bob', 'çiğdem', '日本']) {
    const own = sent.filter((one) => one.customer === customer)
    const row = world.views.totals.get(customer)
    if (own.length === 0) {
      expect(row).toBeUndefined()
      continue
    }
    const prices = own.map(({ price }) => price)
    expect(row).toEqual({
      key: customer,
      ...numbersOf(prices),
      prices,
      names: own.map(({ product }) => product).sort()[0],
      dearest: firstOf(own),
      longest: own.reduce((held, { product }) => (product.length > held.length ? product : held), ''),
    })
    expect(world.views.counts.get(customer)).toEqual({ key: customer, count: own.length })
    expect(world.views.last.get(customer)).toEqual(own.reduce((a, b) => (b.price > a.price ? b : a)))
  }
}

function firstOf(own: readonly Order[]): readonly Order[] {
  return topOf(
    own,
    2,
    ({ price }) => price,
    ({ product }) => product,
  )
}

describe(`running aggregates against all values again, seed ${seed}`, () => {
  test('after every record, across power cuts', () => {
    const history = fc.array(fc.oneof({ weight: 12, arbitrary: order }, fc.constant('crash' as const)), {
      maxLength: 30,
    })
    const property = fc.property(history, (steps) => {
      const world = driver(shop)
      const sent: Order[] = []
      for (const step of steps) {
        if (step === 'crash') world.crash()
        else {
          world.send(orders, step)
          sent.push(step)
        }
        expectTotals(world, sent)
      }
      for (const product of new Set(sent.map((one) => one.product))) {
        expect(world.views.customers.get([product, product.length])).toEqual({
          key: [product, product.length],
          count: sent.filter((one) => one.product === product).length,
        })
      }
    })
    fc.assert(property, tries(60))
  })

  test('a sum of decimal fractions is the exact sum, rounded once, whatever the order', () => {
    const property = fc.property(
      fc.array(fc.integer({ min: -1000, max: 1000 }), { maxLength: 15 }),
      (cents) => {
        const world = driver(shop)
        // Every amount and its opposite: what is left is 0, not 5.551115123125783e-17.
        const prices = [...cents.map((cent) => cent / 100), ...cents.map((cent) => 0 - cent / 100)]
        for (const price of prices) world.send(orders, { customer: 'ann', product: 'fig', price })
        expect(world.views.totals.get('ann')?.sum ?? 0).toBe(0)
      },
    )
    fc.assert(property, tries(25))
  })

  test('a record without a key is dropped and counted, and hurts nobody', () => {
    const counted = stream(orders)
      .keyBy(({ customer }): string => (customer === '' ? (null as unknown as string) : customer))
      .count('counted')
    const world = driver(app('keys', { counted: view(counted) }))
    for (const customer of ['ann', '', 'ann', '']) world.send(orders, { customer, product: 'fig', price: 1 })
    expect(world.views.counted.entries()).toEqual([['ann', { key: 'ann', count: 2 }]])
    expect(world.status()).toMatchObject({ records: 4, dropped: 2 })
  })
})
