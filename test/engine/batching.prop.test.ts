import fc from 'fast-check'
import {
  app,
  collect,
  count,
  hopping,
  json,
  session,
  stream,
  text,
  top,
  topic,
  tumbling,
  view,
} from 'millrace'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { histories } from './histories.ts'
import { topOf } from './naive-aggregates.ts'
import { naiveSessions } from './naive-sessions.ts'
import { naiveWindows } from './naive-windows.ts'
import { seed, tries } from './seed.ts'
import { SimWorld } from './sim-world.ts'

/**
 * Results depend on the order of the input and on nothing else: not on how records lie in batches, how much a step
 * does, when commits fall, how long syncs take. The same input is run both ways and must give the same bytes, and those
 * must be what brute force says.
 */
const Input = z.object({ key: z.string(), at: z.number(), amount: z.number() })
const inputs = topic('inputs', { value: Input })
const settings = { outOfOrderness: 5, allowedLateness: 3 }

const keyed = stream(inputs, {
  eventTime: ({ at }) => at,
  outOfOrderness: settings.outOfOrderness,
  idleAfter: false,
}).keyBy(({ key }) => key)
const lateness = { allowedLateness: settings.allowedLateness }
const tumblingRows = keyed.window('tumbling', tumbling(10), lateness).aggregate({ hits: count() })
const hoppingRows = keyed
  .window('hopping', hopping({ size: 12, every: 5 }), lateness)
  .aggregate({ hits: count() })
const sessionRows = keyed
  .window('sessions', session(4), lateness)
  .aggregate({ hits: count(), amounts: collect(({ amount }) => amount) })
const results = (name: string) => topic(name, { key: text(), value: json() })
const topRows = hoppingRows
  .groupBy('top', () => 'all')
  .aggregate({ first: top(2, (row) => row.hits, { ties: (row) => row.key }) })
const pipeline = app('batching', {
  tumbling: tumblingRows.final().to(results('tumbling')),
  hopping: hoppingRows.final().to(results('hopping')),
  top: topRows.final().to(results('top')),
  sessions: sessionRows.final().to(results('sessions')),
  late: tumblingRows.late().to(results('late')),
  tumblingView: view(tumblingRows.updates()),
  hoppingView: view(hoppingRows.updates()),
  topView: view(topRows.updates()),
  sessionsView: view(sessionRows.updates()),
  counts: view(keyed.count('counts')),
})

interface Batching {
  readonly batch: number
  readonly recordsPerStep: number
  readonly resultsPerStep: number
  readonly commitIntervalMs: number
  readonly syncMs: number
}
const batchings: fc.Arbitrary<Batching> = fc.record({
  batch: fc.integer({ min: 1, max: 12 }),
  recordsPerStep: fc.integer({ min: 1, max: 10 }),
  resultsPerStep: fc.integer({ min: 1, max: 5 }),
  commitIntervalMs: fc.constantFrom(0, 1, 3, 50),
  syncMs: fc.constantFrom(0, 0, 2),
})

type Events = readonly z.infer<typeof Input>[]

function run(events: Events, { batch, ...options }: Batching) {
  const world = new SimWorld(pipeline, { seed, ...options })
  world.start()
  for (let from = 0; from < events.length; from += batch) {
    world.append(
      inputs,
      events.slice(from, from + batch).map((value) => ({ value })),
    )
  }
  world.runToEnd()
  return world
}

interface Row {
  readonly key: string
  readonly window: { readonly start: number; readonly end: number }
  readonly hits: number
}

describe(`batches, steps and commits anywhere, seed ${seed}`, () => {
  const whole: Batching = {
    batch: 1_000,
    recordsPerStep: 512,
    resultsPerStep: 20_000,
    commitIntervalMs: 100,
    syncMs: 0,
  }

  test('the same records in the same order', () => {
    const property = fc.property(batchings, histories({ lengthMax: 60, backMax: 25 }), (batching, events) => {
      const undisturbed = run(events, whole).outcome()
      const expected = undisturbed.topics
      const { topics, views } = run(events, batching).outcome()
      expect(views).toEqual(undisturbed.views)
      for (const name of ['tumbling', 'hopping', 'top', 'sessions', 'late']) {
        expect(topics[name], name).toEqual(expected[name])
      }
    })
    fc.assert(property, tries(60))
  })

  test('and they are what brute force says', () => {
    const property = fc.property(batchings, histories({ lengthMax: 60, backMax: 25 }), (batching, events) => {
      const world = run(events, batching)
      const rows = (name: string) =>
        world
          .read(name)
          .flat()
          .map(({ value }) => JSON.parse(value ?? '') as Row)
      const shown = (all: readonly Row[]) =>
        all.map(({ key, window, hits }) => [window.end, key, window.start, hits]).sort()
      const tumbled = naiveWindows(events, { size: 10, every: 10, offset: 0, ...settings })
      const hopped = naiveWindows(events, { size: 12, every: 5, offset: 0, ...settings })
      const sessions = naiveSessions(events, { gap: 4, ...settings })
      const naive = (
        all: readonly { key: string; start: number; end: number; events: readonly unknown[] }[],
      ) => all.map(({ key, start, end, events: { length } }) => [end, key, start, length]).sort()
      expect(shown(rows('tumbling'))).toEqual(naive(tumbled.final))
      expect(shown(rows('hopping'))).toEqual(naive(hopped.final))
      expect(shown(rows('sessions'))).toEqual(naive(sessions.final))
      expect(
        world
          .read('late')
          .flat()
          .map(({ value }) => JSON.parse(value ?? '') as unknown),
      ).toEqual(tumbled.late)
      const tops = world
        .read('top')
        .flat()
        .map(({ value }) => JSON.parse(value ?? '') as { window: Row['window']; first: Row[] })
      for (const { window, first } of tops) {
        const of = hopped.final.filter(({ start }) => start === window.start)
        expect(first.map(({ key, hits }) => [key, hits])).toEqual(
          topOf(
            of,
            2,
            ({ events: { length } }) => length,
            ({ key }) => key,
          ).map(({ key, events: { length } }) => [key, length]),
        )
      }
      expect(tops.map(({ window }) => window.start)).toEqual([
        ...new Set(hopped.final.map(({ start }) => start)),
      ])
    })
    fc.assert(property, tries(60))
  })
})
