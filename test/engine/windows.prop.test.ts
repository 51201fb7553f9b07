import fc from 'fast-check'
import { app, collect, count, hopping, stream, sum, text, topic, tumbling, view } from 'millrace'
import { driver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { histories } from './histories.ts'
import { END_OF_TEST, type Event } from './naive-time.ts'
import { type NaiveWindow, naiveWindows } from './naive-windows.ts'
import { seed, tries } from './seed.ts'

const Window = z.object({ start: z.number(), end: z.number() })
const Row = z.object({
  key: z.string(),
  window: Window,
  count: z.number(),
  sum: z.number(),
  values: z.array(z.number()),
})
type Row = z.infer<typeof Row>
const Input = z.object({ key: z.string(), at: z.number(), amount: z.number() })
const inputs = topic('inputs', { value: Input })
const finals = topic('finals', { key: text(), value: Row })
const lates = topic('lates', { key: text(), value: Input })

interface Settings {
  readonly size: number
  readonly every: number
  readonly offset: number
  readonly outOfOrderness: number
  readonly allowedLateness: number
}

const settings: fc.Arbitrary<Settings> = fc
  .record({
    every: fc.integer({ min: 1, max: 12 }),
    factor: fc.constantFrom(1, 1, 2, 3),
    extra: fc.constantFrom(0, 0, 1, 5),
    offset: fc.integer({ min: 0, max: 15 }),
    outOfOrderness: fc.constantFrom(0, 1, 5, 20),
    allowedLateness: fc.constantFrom(0, 0, 1, 7, 30),
  })
  // A size that is no multiple of the step makes panes shorter than either.
  .map(({ every, factor, extra, ...rest }) => ({ size: every * factor + extra, every, ...rest }))

function appOf(given: Settings) {
  const { size, every, offset, outOfOrderness, allowedLateness } = given
  const shape = size === every ? tumbling(size, { offset }) : hopping({ size, every, offset })
  const windows = stream(inputs, { eventTime: ({ at }) => at, outOfOrderness, idleAfter: false })
    .keyBy(({ key }) => key)
    .window('windows', shape, { allowedLateness })
    .aggregate({ count: count(), sum: sum(({ amount }) => amount), values: collect(({ amount }) => amount) })
  return app('windows', {
    final: windows.final().to(finals),
    late: windows.late().to(lates),
    latest: view(windows.final(), { retention: '10000d' }),
    updates: view(windows.updates(), { retention: '10000d' }),
  })
}

function rowOf({ key, start, end, events }: NaiveWindow): Row {
  const values = events.map(({ amount }) => amount)
  return { key, window: { start, end }, count: values.length, sum: values.reduce((a, b) => a + b, 0), values }
}

/** Panes gather the values of a window pane by pane: their order within a row is not promised across panes. */
function canonical(row: Row): Row {
  return { ...row, values: [...row.values].sort((left, right) => left - right) }
}

/** Keys of one window fire in the order of their hashes: only the order of the ends is compared. */
function inOrderOfEnd(rows: readonly Row[]): readonly Row[] {
  const ends = rows.map(({ window }) => window.end)
  expect(ends).toEqual([...ends].sort((left, right) => left - right))
  return [...rows].sort(
    (left, right) => left.window.end - right.window.end || (left.key < right.key ? -1 : 1),
  )
}

describe(`tumbling and hopping windows against brute force, seed ${seed}`, () => {
  test('final, late and counts', () => {
    const property = fc.property(settings, histories({ lengthMax: 40, backMax: 40 }), (given, events) => {
      const world = driver(appOf(given))
      for (const event of events) world.send(inputs, event)
      world.advance(END_OF_TEST)
      const expected = naiveWindows(events, given)
      const records = world.read(finals)
      expect(inOrderOfEnd(records.map(({ value }) => canonical(value)))).toEqual(
        expected.final.map((window) => canonical(rowOf(window))),
      )
      for (const { key, value, timestamp } of records) {
        expect(key).toBe(value.key)
        expect(timestamp).toBe(value.window.end - 1)
      }
      expect(world.read(lates).map(({ value }) => value)).toEqual(expected.late)
      expect(world.read(lates).map(({ timestamp }) => timestamp)).toEqual(expected.late.map(({ at }) => at))
      expect(world.status()).toMatchObject({ records: events.length, late: expected.late.length, dropped: 0 })
    })
    fc.assert(property, tries(100))
  })

  test('updates after every event, and the latest closed window of each key', () => {
    const property = fc.property(settings, histories({ lengthMax: 15, backMax: 30 }), (given, events) => {
      const world = driver(appOf(given))
      for (let sent = 1; sent <= events.length; sent++) {
        world.send(inputs, events[sent - 1] as Event)
        const { all } = naiveWindows(events.slice(0, sent), given)
        const rows = world.views.updates.entries()
        expect(rows.map(([, row]) => canonical(row)).sort(byWindow)).toEqual(
          all.map((window) => canonical(rowOf(window))).sort(byWindow),
        )
        for (const [key, row] of rows) expect(key).toEqual([row.key, row.window.start])
      }
      world.advance(END_OF_TEST)
      const latest = new Map(naiveWindows(events, given).final.map((window) => [window.key, rowOf(window)]))
      for (const key of ['a', 'b', 'c']) {
        const row = world.views.latest.get(key)
        const expected = latest.get(key)
        expect(row && canonical(row)).toEqual(expected && canonical(expected))
      }
    })
    fc.assert(property, tries(60))
  })

  test('a power cut between any two events changes nothing', () => {
    const cuts = fc.array(fc.nat(30), { minLength: 1, maxLength: 4 })
    const property = fc.property(
      settings,
      histories({ lengthMax: 25, backMax: 30 }),
      cuts,
      (given, events, crashes) => {
        const world = driver(appOf(given))
        events.forEach((event, index) => {
          if (crashes.includes(index)) world.crash()
          world.send(inputs, event)
        })
        world.crash()
        world.advance(END_OF_TEST)
        const expected = naiveWindows(events, given)
        expect(inOrderOfEnd(world.read(finals).map(({ value }) => canonical(value)))).toEqual(
          expected.final.map((window) => canonical(rowOf(window))),
        )
        expect(world.read(lates).map(({ value }) => value)).toEqual(expected.late)
        expect(world.views.updates.entries()).toHaveLength(expected.all.length)
      },
    )
    fc.assert(property, tries(60))
  })
})

function byWindow(left: Row, right: Row): number {
  return left.window.start - right.window.start || (left.key < right.key ? -1 : 1)
}

describe('the rules of windows, one by one', () => {
  const rules = { size: 10, every: 10, offset: 0, outOfOrderness: 0, allowedLateness: 0 }
  const at = (time: number): Event => ({ key: 'a', at: time, amount: 1 })

  function run(given: Settings, times: readonly number[]) {
    const world = driver(appOf(given))
    for (const time of times) world.send(inputs, at(time))
    return world
  }

  test('a window closes when the watermark has reached its last millisecond, not before', () => {
    const world = run(rules, [0, 9])
    expect(world.read(finals)).toEqual([])
    world.send(inputs, at(10))
    expect(world.read(finals).map(({ value }) => [value.window, value.count])).toEqual([
      [{ start: 0, end: 10 }, 2],
    ])
  })

  test('a record at the edge of lateness: end - 1 + lateness <= watermark is late', () => {
    const lateness = { ...rules, allowedLateness: 5 }
    // After 14 the watermark is 13, after 15 it is 14 = 9 + 5.
    expect(run(lateness, [0, 14, 3]).read(lates)).toEqual([])
    expect(
      run(lateness, [0, 15, 3])
        .read(lates)
        .map(({ value }) => value.at),
    ).toEqual([3])
  })

  test('with hopping windows each window is judged alone', () => {
    const world = run({ ...rules, size: 20, every: 10 }, [15, 25, 12])
    // [0, 20) is closed, [10, 30) is open: the record is in one and not late.
    world.advance(END_OF_TEST)
    expect(world.read(lates)).toEqual([])
    expect(world.read(finals).map(({ value }) => [value.window.start, value.count])).toEqual([
      [0, 1],
      [10, 3],
      [20, 1],
    ])
  })

  test('windows at negative times exist, aligned to the epoch', () => {
    const world = run({ ...rules, size: 10, every: 5 }, [-1])
    world.advance(END_OF_TEST)
    expect(world.read(finals).map(({ value }) => [value.window.start, value.window.end])).toEqual([
      [-10, 0],
      [-5, 5],
    ])
  })

  test('a record without a key is dropped and counted', () => {
    const none = stream(inputs, { eventTime: (event) => event.at })
      .keyBy((): string => null as unknown as string)
      .window('none', tumbling(10))
      .count()
    const world = driver(app('none', { rows: view(none.final()) }))
    world.send(inputs, at(1))
    world.advance(END_OF_TEST)
    expect(world.status()).toMatchObject({ records: 1, dropped: 1, late: 0 })
  })
})
