import fc from 'fast-check'
import { app, count, session, stream, sum, text, topic, view } from 'millrace'
import { driver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { histories } from './histories.ts'
import { type NaiveSession, naiveSessions, sessionsInOrder } from './naive-sessions.ts'
import { END_OF_TEST, type Event } from './naive-time.ts'
import { byEndThenKey } from './naive-windows.ts'
import { seed, tries } from './seed.ts'

const Row = z.object({
  key: z.string(),
  window: z.object({ start: z.number(), end: z.number(), lastEvent: z.number() }),
  count: z.number(),
  sum: z.number(),
})
type Row = z.infer<typeof Row>
const Input = z.object({ key: z.string(), at: z.number(), amount: z.number() })
const inputs = topic('inputs', { value: Input })
const finals = topic('finals', { key: text(), value: Row })
const lates = topic('lates', { key: text(), value: Input })

interface Settings {
  readonly gap: number
  readonly outOfOrderness: number
  readonly allowedLateness: number
}

const settings: fc.Arbitrary<Settings> = fc.record({
  gap: fc.constantFrom(1, 3, 8, 20),
  outOfOrderness: fc.constantFrom(0, 1, 5, 20),
  allowedLateness: fc.constantFrom(0, 0, 1, 7, 30),
})

function appOf({ gap, outOfOrderness, allowedLateness }: Settings) {
  const sessions = stream(inputs, { eventTime: ({ at }) => at, outOfOrderness, idleAfter: false })
    .keyBy(({ key }) => key)
    .window('sessions', session(gap), { allowedLateness })
    .aggregate({ count: count(), sum: sum(({ amount }) => amount) })
  return app('sessions', {
    final: sessions.final().to(finals),
    late: sessions.late().to(lates),
    updates: view(sessions.updates(), { retention: '10000d' }),
  })
}

function rowOf({ key, start, end, last, events }: NaiveSession): Row {
  const total = events.reduce((before, { amount }) => before + amount, 0)
  return { key, window: { start, end, lastEvent: last }, count: events.length, sum: total }
}

function inOrder(rows: readonly Row[]): readonly Row[] {
  return [...rows].sort((left, right) =>
    byEndThenKey({ end: left.window.end, key: left.key }, { end: right.window.end, key: right.key }),
  )
}

describe(`sessions against brute force, seed ${seed}`, () => {
  test('final, late and counts', () => {
    const property = fc.property(settings, histories({ lengthMax: 40, backMax: 40 }), (given, events) => {
      const world = driver(appOf(given))
      for (const event of events) world.send(inputs, event)
      world.advance(END_OF_TEST)
      const expected = naiveSessions(events, given)
      const records = world.read(finals)
      expect(records.map(({ value }) => value.window.end)).toEqual(expected.final.map(({ end }) => end))
      expect(inOrder(records.map(({ value }) => value))).toEqual(inOrder(expected.final.map(rowOf)))
      // A session includes its end, so its result has the time of the end.
      for (const { value, timestamp } of records) expect(timestamp).toBe(value.window.end)
      expect(world.read(lates).map(({ value }) => value)).toEqual(expected.late)
      expect(world.status()).toMatchObject({ records: events.length, late: expected.late.length })
    })
    fc.assert(property, tries(100))
  })

  test('updates after every event: what was absorbed is taken back', () => {
    const property = fc.property(settings, histories({ lengthMax: 20, backMax: 30 }), (given, events) => {
      const world = driver(appOf(given))
      for (let sent = 1; sent <= events.length; sent++) {
        world.send(inputs, events[sent - 1] as Event)
        const { all } = naiveSessions(events.slice(0, sent), given)
        const rows = world.views.updates.entries()
        expect(inOrder(rows.map(([, row]) => row))).toEqual(inOrder(all.map(rowOf)))
        for (const [key, row] of rows) expect(key).toEqual([row.key, row.window.start])
      }
    })
    fc.assert(property, tries(60))
  })

  test('any order of arrival gives the same sessions when nothing is late', () => {
    const shuffled = histories({ lengthMax: 20, backMax: 30 }).chain((events) =>
      fc.shuffledSubarray(events, { minLength: events.length, maxLength: events.length }),
    )
    const property = fc.property(fc.constantFrom(1, 3, 8, 20), shuffled, (gap, events) => {
      const world = driver(appOf({ gap, outOfOrderness: 10_000, allowedLateness: 0 }))
      for (const event of events) world.send(inputs, event)
      world.advance(END_OF_TEST)
      expect(inOrder(world.read(finals).map(({ value }) => value))).toEqual(
        inOrder(sessionsInOrder(events, gap).map(rowOf)),
      )
      expect(world.status().late).toBe(0)
    })
    fc.assert(property, tries(60))
  })

  test('a power cut between any two events changes nothing', () => {
    const cuts = fc.array(fc.nat(25), { minLength: 1, maxLength: 3 })
    const property = fc.property(
      settings,
      histories({ lengthMax: 20, backMax: 30 }),
      cuts,
      (given, events, crashes) => {
        const world = driver(appOf(given))
        events.forEach((event, index) => {
          if (crashes.includes(index)) world.crash()
          world.send(inputs, event)
        })
        world.crash()
        world.advance(END_OF_TEST)
        const expected = naiveSessions(events, given)
        expect(inOrder(world.read(finals).map(({ value }) => value))).toEqual(
          inOrder(expected.final.map(rowOf)),
        )
        expect(world.read(lates).map(({ value }) => value)).toEqual(expected.late)
      },
    )
    fc.assert(property, tries(50))
  })
})

describe('the rules of sessions, one by one', () => {
  const rules = { gap: 10, outOfOrderness: 0, allowedLateness: 0 }

  function run(given: Settings, times: readonly number[]) {
    const world = driver(appOf(given))
    for (const at of times) world.send(inputs, { key: 'a', at, amount: 1 })
    return world
  }

  test('two events exactly one gap apart are one session, a millisecond more makes two', () => {
    const one = run(rules, [0, 10])
    one.advance(END_OF_TEST)
    expect(one.read(finals).map(({ value }) => value.window)).toEqual([{ start: 0, end: 20, lastEvent: 10 }])
    const two = run(rules, [0, 11])
    two.advance(END_OF_TEST)
    expect(two.read(finals).map(({ value }) => value.window.start)).toEqual([0, 11])
  })

  test('an event between two sessions makes them one, and both are taken back', () => {
    const world = run({ ...rules, outOfOrderness: 100 }, [0, 15])
    expect(world.views.updates.entries().map(([key]) => key)).toEqual([
      ['a', 0],
      ['a', 15],
    ])
    world.send(inputs, { key: 'a', at: 7, amount: 1 })
    expect(world.views.updates.entries().map(([key, row]) => [key, row.count])).toEqual([[['a', 0], 3]])
  })

  test('an event that is late alone joins a session that is not', () => {
    // At 25 the watermark is 24: a session of 14 alone would end at 24 and be late; with 20 it is in time.
    const joined = run(rules, [20, 25, 14])
    joined.advance(END_OF_TEST)
    expect(joined.read(lates)).toEqual([])
    expect(joined.read(finals).map(({ value }) => [value.window.start, value.count])).toEqual([[14, 3]])
    const other = run(rules, [20, 25])
    other.send(inputs, { key: 'b', at: 14, amount: 1 })
    expect(other.read(lates).map(({ value }) => value.key)).toEqual(['b'])
  })

  test('a session closes at last + gap, its end included', () => {
    const world = run(rules, [0])
    world.send(inputs, { key: 'b', at: 10, amount: 1 })
    expect(world.read(finals)).toEqual([])
    world.send(inputs, { key: 'b', at: 11, amount: 1 })
    expect(world.read(finals).map(({ value }) => value.key)).toEqual(['a'])
  })
})
