import fc from 'fast-check'
import { app, json, stream, text, topic } from 'millrace'
import { driver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { seed, tries } from './seed.ts'

const Click = z.object({ page: z.string() })
const User = z.object({ country: z.string() })
const clicks = topic('clicks', { key: text(), value: Click, partitions: 3 })
const users = topic('users', { key: text(), value: User, partitions: 3 })
const Joined = z.object({ page: z.string(), country: z.string().nullable() })
const inner = topic('inner', { key: text(), value: Joined })
const left = topic('left', { key: text(), value: Joined })
const copy = topic('copy', { key: text(), value: json() })

const table = stream(users).toTable('users')
const joins = app('joins', {
  inner: stream(clicks)
    .join(table, ({ page }, { country }) => ({ page, country }))
    .to(inner),
  left: stream(clicks)
    .leftJoin(table, ({ page }, user) => ({ page, country: user?.country ?? null }))
    .to(left),
})

type Step =
  | { readonly kind: 'click'; readonly key: string; readonly page: string | null }
  | { readonly kind: 'user'; readonly key: string; readonly country: string | null }
  | { readonly kind: 'crash' }

const key = fc.constantFrom('a', 'b', 'c')
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('click' as const),
      key,
      page: fc.constantFrom('/1', '/2', '/3', null),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('user' as const),
      key,
      country: fc.constantFrom('DE', 'FR', 'JP', null),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'crash' as const }) },
)

interface Row {
  readonly key: string
  readonly timestamp: number
  readonly value: { readonly page: string; readonly country: string | null }
}

/** Only clicks trigger; a click without a page (null) is nothing; a tombstone takes the row away. */
function naive(steps: readonly Step[]): { readonly inner: readonly Row[]; readonly left: readonly Row[] } {
  const countries = new Map<string, string>()
  const rows: { inner: Row[]; left: Row[] } = { inner: [], left: [] }
  steps.forEach((one, timestamp) => {
    if (one.kind === 'user') {
      if (one.country === null) countries.delete(one.key)
      else countries.set(one.key, one.country)
    } else if (one.kind === 'click' && one.page !== null) {
      const country = countries.get(one.key) ?? null
      const row = { key: one.key, timestamp, value: { page: one.page, country } }
      rows.left.push(row)
      if (country !== null) rows.inner.push(row)
    }
  })
  return rows
}

describe(`a stream meets a table, seed ${seed}`, () => {
  test('inner and left, with tombstones and power cuts', () => {
    const property = fc.property(fc.array(step, { maxLength: 30, size: 'max' }), (steps) => {
      const world = driver(joins)
      steps.forEach((one, timestamp) => {
        if (one.kind === 'crash') world.crash()
        else if (one.kind === 'user') {
          const user = one.country === null ? null : { country: one.country }
          world.send(users, user, { key: one.key, timestamp })
        } else {
          world.send(clicks, one.page === null ? null : { page: one.page }, { key: one.key, timestamp })
        }
      })
      const expected = naive(steps)
      const rows = (records: readonly Row[]) =>
        records.map((record) => ({ key: record.key, timestamp: record.timestamp, value: record.value }))
      expect(rows(world.read(inner))).toEqual(expected.inner)
      expect(rows(world.read(left))).toEqual(expected.left)
    })
    fc.assert(property, tries(80))
  })

  test('a change of the table alone writes nothing', () => {
    const world = driver(joins)
    world.send(clicks, { page: '/' }, { key: 'a' })
    for (const country of ['DE', 'FR']) world.send(users, { country }, { key: 'a' })
    world.send(users, null, { key: 'a' })
    expect(world.read(inner)).toEqual([])
    expect(world.read(left)).toHaveLength(1)
  })

  test('an inner join counts what it drops', () => {
    const world = driver(
      app('inner', {
        inner: stream(clicks)
          .join(table, (click) => click)
          .to(copy),
      }),
    )
    world.send(clicks, { page: '/' }, { key: 'a' })
    world.send(clicks, null, { key: 'a' })
    expect(world.status()).toMatchObject({ records: 2, dropped: 2 })
  })
})
