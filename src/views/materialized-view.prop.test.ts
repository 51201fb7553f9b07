import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Key } from '../record/key-codec.ts'
import { compareKeys, compareWithPrefix } from './key-order.ts'
import { MaterializedView, type RowRange } from './materialized-view.ts'
import type { Subscription } from './subscription.ts'
import { change } from './views-test-rows.ts'

const key: fc.Arbitrary<Key> = fc.oneof(
  fc.integer({ min: 0, max: 9 }),
  fc.constantFrom('a', 'ab', 'abc', 'b', ''),
  fc.tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 0, max: 5 })),
)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), key, row: fc.nat({ max: 99 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('look' as const) }) },
)

/** The view as somebody would write it who need not be fast. */
class NaiveView {
  readonly rows = new Map<string, readonly [Key, unknown]>()

  list({ prefix, from, to, limit, reverse }: RowRange): unknown[] {
    const rows = [...this.rows.values()]
      .filter(([key]) => prefix === undefined || compareWithPrefix(key, prefix) === 0)
      .filter(([key]) => from === undefined || compareKeys(key, from) >= 0)
      .filter(([key]) => to === undefined || compareKeys(key, to) < 0)
      .sort(([left], [right]) => compareKeys(left, right))
    if (reverse === true) rows.reverse()
    return rows.slice(0, limit).map(([, row]) => row)
  }
}

const range = fc.record(
  { prefix: key, from: key, to: key, limit: fc.nat({ max: 5 }), reverse: fc.boolean() },
  { requiredKeys: [] },
)

test('reads and ranges equal those of a naive view, after every step', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.array(range, { minLength: 1, maxLength: 3 }),
      (steps, ranges) => {
        const view = new MaterializedView('v')
        const naive = new NaiveView()
        for (const [index, next] of steps.entries()) {
          if (next.kind === 'look') {
            for (const wanted of ranges) expect(view.list(wanted)).toEqual(naive.list(wanted))
            continue
          }
          const row = next.kind === 'put' ? { n: next.row } : null
          view.commit(0, [change(next.key, row)], index)
          if (row === null) naive.rows.delete(JSON.stringify(next.key))
          else naive.rows.set(JSON.stringify(next.key), [next.key, row])
          expect(view.get(next.key)).toEqual(row ?? undefined)
          expect(view.size).toBe(naive.rows.size)
        }
        for (const wanted of ranges) expect(view.list(wanted)).toEqual(naive.list(wanted))
        expect([...view.entries()].map(([, row]) => row)).toEqual(naive.list({}))
      },
    ),
  )
})

test('whoever applies changes in order has the rows, also one who is slow and one who came late', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 80 }),
      fc.nat({ max: 40 }),
      fc.nat({ max: 700 }),
      (steps, joinAt, foldBytes) => {
        const view = new MaterializedView('v')
        const limits = { foldBytes, bytesMax: 1_000_000 }
        const followers = [follower(view.subscribe()), follower(view.subscribe({ limits }))]
        for (const [index, next] of steps.entries()) {
          if (index === joinAt) followers.push(follower(view.subscribe({ from: 'start', limits })))
          if (next.kind === 'look') followers[1]?.take(1)
          else view.commit(0, [change(next.key, next.kind === 'put' ? { n: next.row } : null)], index)
          followers[0]?.take(Number.POSITIVE_INFINITY)
        }
        const rows = [...view.entries()]
        for (const one of followers) {
          one.take(Number.POSITIVE_INFINITY)
          expect([...one.rows.values()].sort(([left], [right]) => compareKeys(left, right))).toEqual(rows)
        }
      },
    ),
  )
})

/** Applies changes to rows of its own and checks that each fits what it has. */
function follower(subscription: Subscription) {
  const rows = new Map<string | number, readonly [Key, unknown]>()
  let position = -1
  const take = (most: number): void => {
    for (let taken = 0; taken < most; taken++) {
      const next = subscription.take()
      if (next === undefined) return
      const had = rows.get(next.storeKey)?.[1]
      expect(next.before === undefined ? undefined : JSON.parse(next.before)).toEqual(had)
      if (next.before !== undefined) {
        expect(next.position).toBeGreaterThanOrEqual(position)
        position = next.position
      }
      if (next.after === undefined) rows.delete(next.storeKey)
      else rows.set(next.storeKey, [next.key, JSON.parse(next.after)])
    }
  }
  return { rows, take }
}
