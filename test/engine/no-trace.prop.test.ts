import fc from 'fast-check'
import {
  app,
  average,
  collect,
  count,
  countDistinct,
  custom,
  deadLetter,
  hopping,
  json,
  max,
  min,
  session,
  stream,
  sum,
  top,
  topic,
  tumbling,
  view,
} from 'millrace'
import { driver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { seed, tries } from './seed.ts'

/**
 * A record whose aggregate throws goes to the dead letter and leaves no trace in the state (SEMANTICS 9): all that
 * comes out is what would without it, whichever of the aggregates threw, behind whichever others.
 */
const Event = z.object({ key: z.string(), at: z.number(), amount: z.number(), bad: z.number() })
type Event = z.infer<typeof Event>
const events = topic('events', { value: Event })
const closed = topic('closed', { value: json() })
const met = topic('met', { value: json() })

/** The amount, unless the record is bad for the aggregate of this number. */
function amount(number: number): (event: Event) => number {
  return (event) => {
    if (event.bad === number) throw new Error('bad on purpose')
    return event.amount
  }
}

const AGGREGATES = 9

function aggregates() {
  return {
    n: count(),
    total: sum(amount(1)),
    least: min(amount(2)),
    values: collect(amount(3)),
    best: top(3, amount(4)),
    most: max(amount(5)),
    mean: average(amount(6)),
    kinds: countDistinct(amount(7)),
    product: custom({
      name: 'product',
      create: () => [1],
      add: ([product = 1], event: Event) => [(product * (amount(8)(event) + 1)) % 1_009],
      merge: ([left = 1], [right = 1]) => [(left * right) % 1_009],
      result: ([product]) => product,
    }),
    again: max(amount(9)),
  }
}

function appOf(onlyGood: boolean) {
  const all = stream(events, { eventTime: ({ at }) => at, outOfOrderness: 20 })
  const wanted = onlyGood ? all.filter(({ bad }) => bad === 0) : all
  const keyed = wanted.keyBy(({ key }) => key)
  const tens = keyed.window('tens', tumbling(10)).aggregate(aggregates())
  const panes = keyed.window('panes', hopping({ size: 10, every: 5 })).aggregate(aggregates())
  const visits = keyed.window('visits', session(3)).aggregate(aggregates())
  const running = keyed.aggregate('running', aggregates())
  const failed = deadLetter('failed')
  return app('no-trace', {
    running: view(running),
    // A table has no policy of its own: that of the step behind it counts.
    met: keyed
      .filter(({ bad }) => bad === 0)
      .join(running, (_, row) => row.n)
      .onError(failed)
      .to(met),
    tens: view(tens.updates()),
    tensClosed: tens.final().onError(failed).to(closed),
    panes: view(panes.updates()),
    panesClosed: panes.final().onError(failed).to(closed),
    visits: view(visits.updates()),
    visitsClosed: visits.final().onError(failed).to(closed),
  })
}

describe(`records that fail in an aggregate, seed ${seed}`, () => {
  test('leave nothing behind, in running aggregates, windows and sessions, also over a crash', () => {
    const event = fc.record({
      key: fc.constantFrom('a', 'b'),
      at: fc.integer({ min: 0, max: 40 }),
      amount: fc.integer({ min: 0, max: 5 }),
      bad: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: AGGREGATES })),
    })
    const property = fc.property(fc.array(event, { maxLength: 25 }), fc.boolean(), (history, crash) => {
      const [all, good] = [driver(appOf(false)), driver(appOf(true))]
      for (const one of history) for (const world of [all, good]) world.send(events, one)
      if (crash) all.crash()
      for (const world of [all, good]) world.send(events, { key: 'a', at: 200, amount: 1, bad: 0 })
      for (const name of ['running', 'tens', 'panes', 'visits'] as const) {
        expect([...all.views[name].entries()], name).toEqual([...good.views[name].entries()])
      }
      for (const topicOfResults of [closed, met]) {
        const values = (world: typeof all) => world.read(topicOfResults).map(({ value }) => value)
        expect(values(all)).toEqual(values(good))
      }
    })
    fc.assert(property, tries(40))
  })
})
