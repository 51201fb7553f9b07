import fc from 'fast-check'
import { app, count, json, stream, text, topic, tumbling, view } from 'millrace'
import { driver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { partitionOf } from '../../src/record/partitioner.ts'
import { ReplayWorld } from './replay-world.ts'
import { seed, tries } from './seed.ts'

/**
 * What an input's records do not tell (which were there when, and when one was idle) is marked: who takes the same
 * input again comes to the same results (SEMANTICS 1.5).
 */
const Event = z.object({ at: z.number(), id: z.number() })
const events = topic('events', { value: Event, partitions: 3 })
const prices = topic('prices', { value: Event })
const closed = topic('closed', { value: json() })
const lates = topic('lates', { value: json() })
const seen = topic('seen', { value: json() })

function appOf(idleAfter: number | false) {
  const all = stream(events, { eventTime: ({ at }) => at, outOfOrderness: 2, idleAfter })
  const byAll = all.keyBy(() => 'all')
  const windows = byAll.window('tens', tumbling(10)).aggregate({ n: count() })
  const table = stream(prices, { eventTime: ({ at }) => at, idleAfter })
    .keyBy(() => 'all')
    .toTable('price')
  return app('replayed', {
    closed: windows.final().to(closed),
    lates: windows.late().to(lates),
    // Which price a record meets depends on the order of the two.
    seen: byAll.join(table, (event, price) => ({ event: event.id, price: price.id })).to(seen),
    windows: view(windows.updates()),
  })
}

const OUTPUTS = ['closed', 'lates', 'seen'] as const

function outputs(world: ReplayWorld, from: readonly number[] = [0, 0, 0]): readonly (readonly string[])[] {
  return OUTPUTS.map((name, index) => world.read(name, from[index]))
}

/** Takes all of it again, perhaps through crashes, and compares. */
function expectSameAgain(world: ReplayWorld, crashes: readonly number[] = []): void {
  world.settle()
  const live = outputs(world)
  const rows = world.rows('windows')
  world.forget()
  for (const steps of crashes) {
    world.steps(steps)
    world.crash()
  }
  world.settle()
  expect(
    outputs(
      world,
      live.map(({ length }) => length),
    ),
  ).toEqual(live)
  expect(world.rows('windows')).toEqual(rows)
}

describe(`the same input again, seed ${seed}`, () => {
  test('a window that closed because a partition was idle closes there again, and what came then is late again', () => {
    const world = new ReplayWorld(appOf(1000))
    world.append(events, 0, [{ at: 1, id: 1 }])
    world.append(events, 1, [{ at: 30, id: 2 }])
    world.append(prices, 0, [{ at: 30, id: 9 }])
    world.settle()
    expect(world.read('closed')).toEqual([])
    world.advance(1001)
    world.settle()
    expect(world.read('closed')).toHaveLength(1)
    // Without the mark it would be taken before the record at 30, into the window [0, 10).
    world.append(events, 0, [{ at: 2, id: 3 }])
    world.settle()
    expect(world.read('lates')).toHaveLength(1)
    expectSameAgain(world)
  })

  test('a record that came when a later one had been taken is taken behind it again', () => {
    const world = new ReplayWorld(appOf(false))
    world.append(prices, 0, [{ at: 1, id: 1 }])
    world.append(events, 0, [{ at: 20, id: 1 }])
    world.settle()
    world.append(prices, 0, [{ at: 10, id: 2 }])
    world.append(events, 0, [{ at: 21, id: 2 }])
    world.settle()
    expect(world.read('seen')).toEqual(['{"event":1,"price":1}', '{"event":2,"price":2}'])
    expectSameAgain(world)
  })

  test('what was marked before a restart counts after it: the order of before and after is kept', () => {
    const world = new ReplayWorld(appOf(false))
    world.append(prices, 0, [{ at: 1, id: 1 }])
    world.append(events, 0, [{ at: 20, id: 1 }])
    world.settle()
    world.crash()
    world.append(prices, 0, [{ at: 10, id: 2 }])
    world.append(events, 0, [{ at: 21, id: 2 }])
    expectSameAgain(world)
  })

  test('with any arrivals, pauses and crashes, of the first run and of the second', () => {
    const at = fc.integer({ min: 0, max: 60 })
    const append = fc.record({
      kind: fc.constant('append' as const),
      to: fc.integer({ min: 0, max: 3 }),
      times: fc.array(at, { minLength: 1, maxLength: 4 }),
    })
    const pause = fc.record({ kind: fc.constant('pause' as const), ms: fc.constantFrom(10, 400, 1100) })
    const steps = fc.record({ kind: fc.constant('steps' as const), count: fc.integer({ min: 1, max: 12 }) })
    const crash = fc.record({ kind: fc.constant('crash' as const) })
    const actions = fc.array(
      fc.oneof({ arbitrary: append, weight: 6 }, { arbitrary: steps, weight: 4 }, pause, crash),
      { maxLength: 40 },
    )
    const crashes = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 3 })
    const property = fc.property(actions, crashes, (history, again) => {
      const world = new ReplayWorld(appOf(1000))
      let id = 0
      for (const action of history) {
        if (action.kind === 'steps') world.steps(action.count)
        else if (action.kind === 'pause') world.advance(action.ms)
        else if (action.kind === 'crash') world.crash()
        else {
          const values = action.times.map((time) => ({ at: time, id: (id += 1) }))
          if (action.to === 3) world.append(prices, 0, values)
          else world.append(events, action.to, values)
        }
      }
      expectSameAgain(world, again)
    })
    fc.assert(property, tries(60))
  })
})

test('with maxTaskIdle the others wait for what is on its way', () => {
  const all = stream(events, { eventTime: ({ at }) => at }).keyBy(() => 'all')
  const table = stream(prices, { eventTime: ({ at }) => at, maxTaskIdle: 200 })
    .keyBy(() => 'all')
    .toTable('price')
  const joined = all.leftJoin(table, (event, price) => ({ event: event.id, price: price?.id ?? 0 }))
  const world = new ReplayWorld(app('replayed', { seen: joined.to(seen) }))
  world.append(events, 0, [{ at: 10, id: 1 }])
  world.settle()
  expect(world.read('seen')).toEqual([])
  world.append(prices, 0, [{ at: 5, id: 7 }])
  world.settle()
  expect(world.read('seen')).toEqual([])
  world.advance(200)
  world.settle()
  expect(world.read('seen')).toEqual(['{"event":1,"price":7}'])
})

describe('over a crash', () => {
  const keyed = topic('keyed', { key: text(), value: Event, partitions: 2 })
  const windows = stream(keyed, { eventTime: ({ at: time }) => time })
    .keyBy(() => 'all')
    .window('tens', tumbling(10))
    .aggregate({ n: count() })
  const idling = app('idling', { closed: windows.final().to(closed), lates: windows.late().to(lates) })

  test.each([true, false])(
    'an idle partition stays idle, and a late record stays late (crash: %s)',
    (crash) => {
      const world = driver(idling)
      const inPartition = (wanted: number): string => {
        for (let n = 0; ; n += 1) if (partitionOf(Buffer.from(`${n}`), 2) === wanted) return `${n}`
      }
      world.send(keyed, { at: 1, id: 1 }, { key: inPartition(0) })
      world.send(keyed, { at: 30, id: 2 }, { key: inPartition(1) })
      expect(world.read(closed)).toHaveLength(0)
      world.advance('31s')
      const count0 = world.read(closed).length
      expect(count0).toBeGreaterThan(0)
      if (crash) world.crash()
      expect(world.read(closed)).toHaveLength(count0)
      world.send(keyed, { at: 2, id: 3 }, { key: inPartition(0) })
      expect(world.read(lates).map(({ value }) => value)).toEqual([{ at: 2, id: 3 }])
      if (crash) world.crash()
      world.send(keyed, { at: 3, id: 4 }, { key: inPartition(0) })
      expect(world.read(lates)).toHaveLength(2)
      expect(world.read(closed)).toHaveLength(count0)
    },
  )
})
