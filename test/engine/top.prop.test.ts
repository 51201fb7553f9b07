import fc from 'fast-check'
import { app, count, hopping, max, stream, sum, text, top, topic, tumbling, view } from 'millrace'
import { driver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { histories } from './histories.ts'
import { groupsOf, topOf } from './naive-aggregates.ts'
import { END_OF_TEST, type Event } from './naive-time.ts'
import { type NaiveWindow, naiveWindows } from './naive-windows.ts'
import { seed, tries } from './seed.ts'

const Window = z.object({ start: z.number(), end: z.number() })
const Item = z.object({ key: z.string(), window: Window, hits: z.number(), amount: z.number() })
type Item = z.infer<typeof Item>
const Row = z.object({
  key: z.string(),
  window: Window,
  best: z.array(Item),
  items: z.number(),
  total: z.number(),
  greatest: z.number(),
})
type Row = z.infer<typeof Row>
const inputs = topic('inputs', { value: z.object({ key: z.string(), at: z.number(), amount: z.number() }) })
const finals = topic('finals', { key: text(), value: Row })

interface Settings {
  readonly size: number
  readonly every: number
  readonly offset: number
  readonly outOfOrderness: number
  readonly allowedLateness: number
  readonly n: number
}

const settings: fc.Arbitrary<Settings> = fc
  .record({
    every: fc.integer({ min: 2, max: 10 }),
    factor: fc.constantFrom(1, 2, 3),
    outOfOrderness: fc.constantFrom(0, 5, 20),
    allowedLateness: fc.constantFrom(0, 0, 7),
    n: fc.constantFrom(1, 2, 5),
  })
  .map(({ every, factor, ...rest }) => ({ size: every * factor, every, offset: 0, ...rest }))

/** Two groups, so that a group is not simply everything. */
const groupOf = (key: string): string => (key === 'b' ? 'other' : 'all')

function appOf({ size, every, outOfOrderness, allowedLateness, n }: Settings) {
  const shape = size === every ? tumbling(size) : hopping({ size, every })
  const grouped = stream(inputs, { eventTime: ({ at }) => at, outOfOrderness, idleAfter: false })
    .keyBy(({ key }) => key)
    .window('items', shape, { allowedLateness })
    .aggregate({ hits: count(), amount: sum(({ amount }) => amount) })
    .groupBy('groups', (row) => groupOf(row.key))
    .aggregate({
      best: top(n, (row) => row.hits, { ties: (row) => row.key }),
      items: count(),
      total: sum((row) => row.amount),
      greatest: max((row) => row.hits),
    })
  return app('top', {
    final: grouped.final().to(finals),
    updates: view(grouped.updates(), { retention: '10000d' }),
  })
}

/** The rows of groups from the rows of windows, which is what the words say. */
function groupedRows(windows: readonly NaiveWindow[], n: number): readonly Row[] {
  const items: Item[] = windows.map(({ key, start, end, events }) => ({
    key,
    window: { start, end },
    hits: events.length,
    amount: events.reduce((total, event) => total + event.amount, 0),
  }))
  const rows: Row[] = []
  for (const of of groupsOf(items, (item) => `${item.window.start} ${groupOf(item.key)}`).values()) {
    const [first] = of
    if (first === undefined) continue
    rows.push({
      key: groupOf(first.key),
      window: first.window,
      best: [
        ...topOf(
          of,
          n,
          (item) => item.hits,
          (item) => item.key,
        ),
      ],
      items: of.length,
      total: of.reduce((total, item) => total + item.amount, 0),
      greatest: Math.max(...of.map((item) => item.hits)),
    })
  }
  return rows.sort(byWindow)
}

function byWindow(left: Row, right: Row): number {
  return left.window.start - right.window.start || (left.key < right.key ? -1 : 1)
}

describe(`top and other aggregates over the rows of windows, seed ${seed}`, () => {
  test('final: the rows of a window, together, once each', () => {
    const property = fc.property(settings, histories({ lengthMax: 40, backMax: 30 }), (given, events) => {
      const world = driver(appOf(given))
      for (const event of events) world.send(inputs, event)
      world.advance(END_OF_TEST)
      const records = world.read(finals)
      const ends = records.map(({ value }) => value.window.end)
      expect(ends).toEqual([...ends].sort((left, right) => left - right))
      const { final } = naiveWindows(events, given)
      expect(records.map(({ value }) => value).sort(byWindow)).toEqual(groupedRows(final, given.n))
      for (const { value, timestamp } of records) expect(timestamp).toBe(value.window.end - 1)
    })
    fc.assert(property, tries(80))
  })

  test('updates: after every event what the rows of that moment give, old rows taken out', () => {
    const property = fc.property(settings, histories({ lengthMax: 15, backMax: 20 }), (given, events) => {
      const world = driver(appOf(given))
      for (let sent = 1; sent <= events.length; sent++) {
        world.send(inputs, events[sent - 1] as Event)
        const { all } = naiveWindows(events.slice(0, sent), given)
        const rows = world.views.updates.entries()
        expect(rows.map(([, row]) => row).sort(byWindow)).toEqual(groupedRows(all, given.n))
        for (const [key, row] of rows) expect(key).toEqual([row.key, row.window.start])
      }
    })
    fc.assert(property, tries(50))
  })
})
