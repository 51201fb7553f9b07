import fc from 'fast-check'
import {
  app,
  average,
  collect,
  count,
  countDistinct,
  max,
  min,
  stream,
  sum,
  text,
  top,
  topic,
  view,
} from 'millrace'
import { driver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { groupsOf, numbersOf, topOf } from './naive-aggregates.ts'
import { seed, tries } from './seed.ts'

const User = z.object({ name: z.string(), region: z.string(), age: z.number() })
type User = z.infer<typeof User>
const users = topic('users', { key: text(), value: User, partitions: 2 })
const table = stream(users).toTable('users')
const perRegion = table
  .groupBy('per-region', ({ region }) => region)
  .aggregate({
    count: count(),
    sum: sum(({ age }) => age),
    min: min(({ age }) => age),
    max: max(({ age }) => age),
    average: average(({ age }) => age),
    distinct: countDistinct(({ age }) => age),
    names: collect(({ name }) => name),
    oldest: top(2, ({ age }) => age, { ties: ({ name }) => name }),
  })
const people = app('people', {
  users: view(table),
  perRegion: view(perRegion),
  // A group of groups: regions by their number of users, each change of a change taken back in turn.
  perSize: view(perRegion.groupBy('per-size', (row) => row.count).count()),
})

/** A put, or a tombstone. */
interface Change {
  readonly id: string
  readonly user: User | null
}
const IDS = ['u1', 'u2', 'u3', 'u4']
const change: fc.Arbitrary<Change> = fc
  .record({
    id: fc.constantFrom(...IDS),
    region: fc.constantFrom('A', 'E', 'N'),
    age: fc.integer({ min: 0, max: 3 }),
    gone: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
  })
  // Names are unique, so that ties have one order.
  .map(({ id, region, age, gone }) => ({ id, user: gone ? null : { name: `${id}@x`, region, age } }))

function expectTables(
  world: ReturnType<typeof driver<typeof people>>,
  rows: ReadonlyMap<string, User>,
): void {
  for (const id of IDS) expect(world.views.users.get(id)).toEqual(rows.get(id))
  const groups = groupsOf([...rows.values()], ({ region }) => region)
  const sizes: number[] = []
  for (const region of ['A', 'E', 'N']) {
    const row = world.views.perRegion.get(region)
    const own = groups.get(region) ?? []
    // A group that nobody was ever in has no row; one that was emptied keeps one, with the results of nothing.
    if (row === undefined) {
      expect(own).toEqual([])
      continue
    }
    sizes.push(own.length)
    const { names, oldest, ...numbers } = row
    expect(numbers).toEqual({ key: region, ...numbersOf(own.map(({ age }) => age)) })
    expect([...names].sort()).toEqual(own.map(({ name }) => name).sort())
    expect(oldest).toEqual(
      topOf(
        own,
        2,
        ({ age }) => age,
        ({ name }) => name,
      ),
    )
  }
  for (const [size, row] of world.views.perSize.entries()) {
    expect(row).toEqual({ key: size, count: sizes.filter((one) => one === size).length })
  }
  for (const size of sizes) expect(world.views.perSize.get(size)).toBeDefined()
}

describe(`tables and their groups against the rows of the moment, seed ${seed}`, () => {
  test('after every change, across power cuts', () => {
    const steps = fc.array(fc.oneof({ weight: 12, arbitrary: change }, fc.constant('crash' as const)), {
      maxLength: 30,
    })
    const property = fc.property(steps, (history) => {
      const world = driver(people)
      const rows = new Map<string, User>()
      for (const step of history) {
        if (step === 'crash') world.crash()
        else {
          world.send(users, step.user, { key: step.id })
          if (step.user === null) rows.delete(step.id)
          else rows.set(step.id, step.user)
        }
        expectTables(world, rows)
      }
    })
    fc.assert(property, tries(80))
  })

  test('no total that no prefix of the input gives: every committed row of a mover counts it once', () => {
    const written = topic('written', { key: text(), value: z.object({ key: z.string(), count: z.number() }) })
    const counts = stream(users)
      .toTable('users')
      .groupBy('per-region', ({ region }) => region)
      .count()
    const property = fc.property(fc.array(change, { maxLength: 20 }), (history) => {
      const world = driver(app('written', { counts: counts.to(written) }))
      const rows = new Map<string, User>()
      let read = 0
      const latest = new Map<string, number>()
      for (const { id, user } of history) {
        world.send(users, user, { key: id })
        if (user === null) rows.delete(id)
        else rows.set(id, user)
        const all = world.read(written)
        for (const { key, value } of all.slice(read)) latest.set(key, value.count)
        read = all.length
        expect([...latest.values()].reduce((total, one) => total + one, 0)).toBe(rows.size)
      }
    })
    fc.assert(property, tries(40))
  })
})

describe('tables, one by one', () => {
  test('regions by the length of e-mail addresses', () => {
    const Address = z.object({ region: z.string(), mail: z.string() })
    const addresses = topic('addresses', { key: text(), value: Address })
    const lengths = stream(addresses)
      .toTable('addresses')
      .groupBy('lengths', ({ region }) => region)
      .aggregate({ length: sum(({ mail }) => mail.length) })
    const world = driver(app('lengths', { lengths: view(lengths) }))
    const now = () =>
      Object.fromEntries(world.views.lengths.entries().map(([region, row]) => [region, row.length]))
    world.send(addresses, { region: 'E', mail: 'alice' }, { key: 'alice' })
    world.send(addresses, { region: 'A', mail: 'bob' }, { key: 'bob' })
    world.send(addresses, { region: 'A', mail: 'charlie' }, { key: 'charlie' })
    expect(now()).toEqual({ E: 5, A: 10 })
    world.send(addresses, { region: 'A', mail: 'alice' }, { key: 'alice' })
    expect(now()).toEqual({ A: 15, E: 0 })
    world.send(addresses, null, { key: 'charlie' })
    expect(now()).toEqual({ A: 8, E: 0 })
    world.send(addresses, { region: 'E', mail: 'bob' }, { key: 'bob' })
    expect(now()).toEqual({ A: 5, E: 3 })
  })

  test('a table writes its changes and a tombstone, and none for what never was', () => {
    const copies = topic('copies', { key: text(), value: User })
    const world = driver(app('copy', { copy: table.to(copies) }))
    world.send(users, null, { key: 'nobody' })
    world.send(users, { name: 'ann', region: 'E', age: 1 }, { key: 'ann' })
    world.send(users, null, { key: 'ann' })
    expect(world.read(copies).map(({ key, value }) => [key, value?.region ?? null])).toEqual([
      ['ann', 'E'],
      ['ann', null],
    ])
  })
})
