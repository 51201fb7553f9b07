import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Key } from '../record/key-codec.ts'
import { compareKeys } from './key-order.ts'
import { type Cut, RowOrder } from './row-order.ts'
import { ViewRow } from './view-row.ts'

/** Rows by key beside the order, and what a sorted list of them gives. */
class Model {
  readonly order = new RowOrder()
  readonly #rows = new Map<Key, ViewRow>()

  add(key: Key): void {
    if (this.#rows.has(key)) return
    const row = new ViewRow(key, 0, 0)
    row.update('{}', 0)
    this.#rows.set(key, row)
    this.order.add(row)
  }

  remove(key: Key): void {
    const row = this.#rows.get(key)
    if (row === undefined) return
    row.remove()
    this.#rows.delete(key)
    this.order.noteRemoved()
  }

  clear(): void {
    this.#rows.clear()
    this.order.clear()
  }

  expectSlice(from: Key | undefined, to: Key | undefined, limit: number, reverse: boolean): void {
    const lower: Cut = (row) => from === undefined || compareKeys(row.key, from) >= 0
    const upper: Cut = (row) => to !== undefined && compareKeys(row.key, to) >= 0
    const inside = [...this.#rows.values()].filter((row) => lower(row) && !upper(row)).map(({ key }) => key)
    inside.sort(compareKeys)
    if (reverse) inside.reverse()
    const slice = this.order.slice(lower, upper, limit, reverse)
    expect(slice.map(({ key }) => key)).toEqual(inside.slice(0, limit))
  }
}

/** Spread over the range, in no order. */
function scattered(n: number): number {
  return (n * 7_919) % 10_007
}

describe('the order of rows', () => {
  test('is that of a sorted list, whatever was added, removed and read before', () => {
    const key = fc.integer({ min: 0, max: 9 }).map((n) => n * 1_000)
    const action = fc.oneof(
      { weight: 3, arbitrary: fc.record({ add: fc.tuple(key, fc.integer({ min: 1, max: 2_500 })) }) },
      { weight: 2, arbitrary: fc.record({ remove: fc.tuple(key, fc.integer({ min: 1, max: 2_500 })) }) },
      {
        weight: 4,
        arbitrary: fc.record({
          read: fc.tuple(
            fc.option(key, { nil: undefined }),
            fc.option(key, { nil: undefined }),
            fc.constantFrom(0, 1, 100, 5_000),
            fc.boolean(),
          ),
        }),
      },
    )
    const property = fc.property(fc.array(action, { maxLength: 20 }), (actions) => {
      const model = new Model()
      for (const one of actions) {
        if ('add' in one) for (let n = 0; n < one.add[1]; n++) model.add(scattered(one.add[0] + n))
        else if ('remove' in one)
          for (let n = 0; n < one.remove[1]; n++) model.remove(scattered(one.remove[0] + n))
        else model.expectSlice(...one.read)
      }
      model.expectSlice(undefined, undefined, Number.POSITIVE_INFINITY, false)
      model.expectSlice(undefined, undefined, Number.POSITIVE_INFINITY, true)
    })
    fc.assert(property, { numRuns: 60 })
  })

  test.each([
    ['rising', (n: number) => n],
    ['falling', (n: number) => -n],
    ['organ pipes', (n: number) => (n % 2 === 0 ? n : -n)],
    ['few texts and many numbers', (n: number) => (n % 1_000 === 0 ? `text ${n}` : scattered(n) + n * 1e-5)],
  ])('of keys that come %s', (_, keyOf: (n: number) => Key) => {
    const model = new Model()
    for (let n = 0; n < 20_000; n++) model.add(keyOf(n))
    model.expectSlice(keyOf(700), undefined, 50, false)
    model.expectSlice(undefined, keyOf(700), 50, true)
    model.expectSlice(undefined, undefined, Number.POSITIVE_INFINITY, true)
  })

  test('a key that was removed and came back is there once, also where its old row ends a leaf', () => {
    const model = new Model()
    for (let n = 0; n < 5_000; n++) model.add(scattered(n))
    model.expectSlice(undefined, undefined, Number.POSITIVE_INFINITY, false)
    for (let n = 0; n < 1_000; n++) {
      model.remove(scattered(n))
      model.add(scattered(n))
    }
    model.expectSlice(undefined, undefined, Number.POSITIVE_INFINITY, false)
  })

  test('nothing is in it after clear, and it goes on', () => {
    const model = new Model()
    for (let n = 0; n < 2_000; n++) model.add(n)
    model.expectSlice(5, 9, 100, false)
    model.clear()
    model.expectSlice(undefined, undefined, 100, false)
    model.add(3)
    model.expectSlice(undefined, undefined, 100, true)
  })

  test('the first page of many rows compares each a few times, not log n times', () => {
    const order = new RowOrder()
    let compared = 0
    const count = 100_000
    for (let n = 0; n < count; n++) {
      const row = new ViewRow(scattered(n) * 1_000 + n, 0, 0)
      row.update('{}', 0)
      order.add(row)
      Object.defineProperty(row, 'key', { get: () => (++compared, scattered(n) * 1_000 + n) })
    }
    expect(
      order.slice(
        () => true,
        () => false,
        100,
        false,
      ),
    ).toHaveLength(100)
    // Two keys a comparison, two comparisons a row.
    expect(compared).toBeLessThan(count * 2 * 4)
  })
})
