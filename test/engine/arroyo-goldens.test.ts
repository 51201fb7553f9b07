import {
  app,
  count,
  countDistinct,
  hopping,
  json,
  max,
  min,
  session,
  stream,
  sum,
  text,
  top,
  topic,
  tumbling,
} from 'millrace'
import { afterAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { App } from '../../src/streams/app.ts'
import { seed } from './seed.ts'
import { SimWorld } from './sim-world.ts'
import { jsonLines } from './vectors.ts'

/** Golden results of Arroyo's own tests, over its inputs. */
const GOLDEN = 'vectors/arroyo/golden_'

const Car = z.object({ timestamp: z.string(), driver_id: z.number(), event_type: z.string() })
const cars = topic('cars', { value: Car })
const Impulse = z.object({ timestamp: z.string(), counter: z.number() })
const impulses = topic('impulses', { value: Impulse })
const results = topic('results', { key: text(), value: json() })
const byUser = topic('results', { key: z.number(), value: json() })

interface Row {
  readonly key: string
  readonly window: { readonly start: number; readonly end: number }
  readonly [field: string]: unknown
}

/** All of an input in one batch, through the app to its end. */
function run<V>(given: App, input: typeof cars | typeof impulses, path: string): readonly Row[] {
  const world = new SimWorld(given, { seed, commitIntervalMs: 50 })
  const values = jsonLines<V>(path).map((value) => ({ value: value as never }))
  world.start()
  world.append(input as typeof cars, values)
  world.runToEnd()
  return (world.read('results')[0] ?? []).map(({ value }) => JSON.parse(value ?? 'null') as Row)
}
const ofCars = (given: App) => run(given, cars, 'vectors/arroyo/input_cars.json')
const ofImpulses = (given: App) => run(given, impulses, 'vectors/arroyo/input_impulse.json')

const carStream = (outOfOrderness: number) =>
  stream(cars, { eventTime: ({ timestamp }) => timestamp, outOfOrderness })
const impulseStream = stream(impulses, { eventTime: ({ timestamp }) => timestamp })

/** Times as the goldens write them. */
function iso(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', '').replace('Z', '')
}
function sorted(rows: readonly unknown[]): readonly string[] {
  return rows.map((row) => JSON.stringify(row)).sort()
}
const golden = (name: string) => jsonLines<Record<string, unknown>>(`${GOLDEN}${name}.json`)

const SKIPPED = {
  active_drivers: 'there is no HAVING over a running aggregate of all',
  windowed_inner_join: 'there is no join of two streams',
  windowed_outer_join: 'there is no join of two streams',
}

describe('golden results of Arroyo', () => {
  test('hourly_by_event_type', () => {
    const hourly = carStream(24 * 3_600_000)
      .keyBy((car) => car.event_type)
      .window('hourly', tumbling('1h'))
      .count()
    const rows = ofCars(app('hourly', { rows: hourly.final().to(results) }))
    expect(sorted(rows.map(({ key, window, count: many }) => [key, iso(window.start), many]))).toEqual(
      sorted(golden('hourly_by_event_type').map((row) => [row['event_type'], row['hour'], row['count']])),
    )
  })

  test('tight_watermark: out of order rows, none of them late for its window', () => {
    const hourly = carStream(0)
      .keyBy(() => 'all')
      .window('hourly', tumbling('1h'))
      .count()
    const rows = ofCars(app('hourly', { rows: hourly.final().to(results) }))
    expect(rows.map(({ window, count: many }) => [iso(window.end), many])).toEqual(
      golden('tight_watermark').map((row) => [row['timestamp'], row['count']]),
    )
  })

  test('month_loose_watermark', () => {
    const monthly = carStream(3_600_000)
      .keyBy(() => 'all')
      .window('monthly', tumbling('30d'))
      .count()
    const rows = ofCars(app('monthly', { rows: monthly.final().to(results) }))
    expect(rows.map(({ window, count: many }) => [iso(window.start), many])).toEqual(
      golden('month_loose_watermark').map((row) => [row['month'], row['count']]),
    )
  })

  test('most_active_driver_last_hour', () => {
    const busiest = carStream(3_600_000)
      .keyBy((car) => car.driver_id)
      .window('last-hour', hopping({ size: '1h', every: '1m' }))
      .count()
      .groupBy('busiest', () => 'all')
      // Equals: the greater driver first.
      .aggregate({ first: top(1, (row) => row.count, { ties: (row) => 0 - row.key }) })
    const rows = ofCars(app('busiest', { rows: busiest.final().to(results) }))
    const shown = rows.map(({ window, first }) => {
      const [driver] = first as readonly { readonly key: number; readonly count: number }[]
      return [iso(window.start), iso(window.end), driver?.key, driver?.count]
    })
    expect(shown).toEqual(
      golden('most_active_driver_last_hour').map((row) => [
        row['start'],
        row['end'],
        row['driver_id'],
        row['count'],
      ]),
    )
  })

  test('sliding_window_end', () => {
    const sliding = impulseStream
      .keyBy(() => 'all')
      .window('sliding', hopping({ size: '10s', every: '2s' }))
      .aggregate({ count: count(), min: min((row) => row.counter), max: max((row) => row.counter) })
    const rows = ofImpulses(app('sliding', { rows: sliding.final().to(results) }))
    const shown = rows.map((row) => [
      iso(row.window.start),
      iso(row.window.end),
      row['count'],
      row['min'],
      row['max'],
    ])
    expect(shown).toEqual(
      golden('sliding_window_end').map((row) => [
        row['start'],
        row['end'],
        row['count'],
        row['min'],
        row['max'],
      ]),
    )
  })

  test('session_window', () => {
    const sessions = impulseStream
      .keyBy(({ counter }) => (counter % 10 === 0 ? 0 : counter))
      .window('sessions', session('20s'))
      .count()
    const rows = ofImpulses(app('sessions', { rows: sessions.final().to(byUser) }))
    const shown = rows.map((row) => [row.key, iso(row.window.start), iso(row.window.end), row['count']])
    expect(sorted(shown)).toEqual(
      sorted(golden('session_window').map((row) => [row['user_id'], row['start'], row['end'], row['rows']])),
    )
  })

  test('global_session_window', () => {
    const sessions = impulseStream
      .keyBy(() => 'all')
      .window('session', session('20s'))
      .count()
    const rows = ofImpulses(app('session', { rows: sessions.final().to(results) }))
    expect(rows.map((row) => [iso(row.window.start), iso(row.window.end), row['count']])).toEqual(
      golden('global_session_window').map((row) => [row['start'], row['end'], row['rows']]),
    )
  })

  test('debezium_agg: a table of orders, grouped by product, each change subtracted and added', () => {
    const Order = z.object({ product_name: z.string(), customer_name: z.string(), quantity: z.number() })
    const orders = topic('orders', { key: z.number(), value: Order })
    const perProduct = stream(orders)
      .toTable('orders')
      .groupBy('products', (order) => order.product_name)
      .aggregate({
        c: count(),
        d: countDistinct((order) => order.customer_name),
        q: sum((order) => order.quantity + 5),
      })
    const world = new SimWorld(app('products', { rows: perProduct.to(results) }), {
      seed,
      commitIntervalMs: 50,
    })
    interface Change {
      readonly before: (z.infer<typeof Order> & { readonly id: number }) | null
      readonly after: (z.infer<typeof Order> & { readonly id: number }) | null
    }
    world.start()
    world.append(
      orders,
      jsonLines<Change>('vectors/arroyo/input_aggregate_updates.json').map(({ before, after }) => ({
        key: after?.id ?? before?.id ?? 0,
        value: after,
      })),
    )
    world.runToEnd()
    const latest = new Map(
      (world.read('results')[0] ?? []).map(({ key, value }) => [key, JSON.parse(value ?? 'null') as Row]),
    )
    const shown = [...latest.values()].map((row) => [
      `p_${row.key}`,
      row['c'],
      row['d'],
      Number(row['q']) + 10,
    ])
    const expected = golden('debezium_agg').map((row) => {
      const after = row['after'] as Record<string, unknown>
      return [after['id'], after['c'], after['d'], after['q']]
    })
    expect(sorted(shown)).toEqual(sorted(expected))
  })

  for (const [name, why] of Object.entries(SKIPPED)) test.skip(`${name}: ${why}`, () => undefined)
  afterAll(() => {
    console.log(`golden results of Arroyo: 8 run, ${Object.keys(SKIPPED).length} skipped with a reason`)
  })
})
