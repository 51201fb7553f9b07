import { app, count, json, max, session, stream, sum, text, topic, tumbling, view } from 'millrace'
import { driver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { END_OF_TEST } from './naive-time.ts'

const events = topic('events', { value: z.object({ user: z.string(), at: z.number() }) })
const results = topic('results', { key: text(), value: json() })
const SECOND = 1_000
const MINUTE = 60 * SECOND
const DAY = 24 * 60 * MINUTE

const byUser = stream(events, { eventTime: ({ at }) => at, idleAfter: false }).keyBy(({ user }) => user)

describe('watermark holds', () => {
  const perMinute = byUser.window('minutes', tumbling('1m'), { allowedLateness: '30s' }).count()

  test('windows over the results of windows that wait for late records: none of them is late', () => {
    const perTen = perMinute
      .final()
      .keyBy(() => 'all')
      .window('tens', tumbling('1m'))
      .aggregate({ users: count(), clicks: sum((row) => row.count), last: max((row) => row.window.end) })
    const world = driver(app('held', { results: perTen.final().to(results) }))
    for (const [user, seconds] of [
      ['ann', 10],
      ['bob', 50],
      ['ann', 70],
      // 55 s is late by the watermark and in time by the 30 s.
      ['bob', 55],
      ['ann', 200],
    ] as const) {
      world.send(events, { user, at: seconds * SECOND })
    }
    world.advance(END_OF_TEST)
    expect(world.status().late).toBe(0)
    expect(world.read(results).map(({ value }) => value)).toMatchObject([
      { window: { start: 0 }, users: 2, clicks: 3 },
      { window: { start: MINUTE }, users: 1, clicks: 1 },
      { window: { start: 3 * MINUTE }, users: 1, clicks: 1 },
    ])
  })

  test('holds add up along a path', () => {
    const twice = perMinute
      .final()
      .keyBy(({ key }) => key)
      .window('again', tumbling('1m'), { allowedLateness: '20s' })
      .count()
      .final()
      .keyBy(() => 'all')
      .window('third', session('90s'))
      .count()
    const world = driver(app('twice', { results: twice.final().to(results) }))
    for (let second = 0; second < 600; second += 25) world.send(events, { user: 'ann', at: second * SECOND })
    world.advance(END_OF_TEST)
    expect(world.status().late).toBe(0)
    expect(world.read(results).map(({ value }) => value)).toMatchObject([{ count: 10 }])
  })
})

describe('how long rows of windows are kept in a view', () => {
  const windows = byUser.window('windows', tumbling('1m')).count()
  const world = () =>
    driver(
      app('kept', {
        week: view(windows.updates()),
        hour: view(windows.updates(), { retention: '1h' }),
        totals: view(byUser.count('totals')),
      }),
    )
  const starts = (rows: readonly { readonly window: { readonly start: number } }[]) =>
    rows.map(({ window }) => window.start)

  test('an hour where it is said, else seven days; what has no window stays', () => {
    const running = world()
    for (const at of [0, 30 * MINUTE, 61 * MINUTE - 1]) running.send(events, { user: 'ann', at })
    expect(starts(running.views.hour.list())).toEqual([0, 30 * MINUTE, 60 * MINUTE])
    // The first window ends at 1 min: its row goes an hour later, not before.
    running.send(events, { user: 'ann', at: 62 * MINUTE })
    expect(starts(running.views.hour.list())).toEqual([30 * MINUTE, 60 * MINUTE, 62 * MINUTE])
    expect(running.views.week.list()).toHaveLength(4)
    running.send(events, { user: 'ann', at: 8 * DAY })
    expect(starts(running.views.week.list())).toEqual([8 * DAY])
    expect(running.views.totals.list()).toEqual([{ key: 'ann', count: 5 }])
  })

  test('the same after a power cut', () => {
    const running = world()
    running.send(events, { user: 'ann', at: 0 })
    running.crash()
    running.send(events, { user: 'bob', at: 30 * MINUTE })
    running.crash()
    running.send(events, { user: 'bob', at: 62 * MINUTE })
    expect(starts(running.views.hour.list())).toEqual([30 * MINUTE, 62 * MINUTE])
    running.crash()
    expect(starts(running.views.hour.list())).toEqual([30 * MINUTE, 62 * MINUTE])
    expect(running.views.week.list()).toHaveLength(3)
  })
})
