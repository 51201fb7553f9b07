import type { StandardSchemaV1 } from '@standard-schema/spec'
import { app, count, stream, sum, text, topic, tumbling, view } from 'millrace'

/** What the benches' events hold. Not validated: the limit is JSON.parse alone. */
export interface BenchEvent {
  readonly user: string
  readonly page: string
  readonly amount: number
  readonly at: number
}

const unchecked = asIs<BenchEvent>()
export const events = topic('events', { value: unchecked })
export const partitionedEvents = topic('partitioned-events', { value: unchecked, partitions: 4 })
export const piped = topic('piped', { value: asIs<{ page: string; cents: number }>() })
interface Row {
  readonly key: string
  readonly window: { readonly start: number; readonly end: number }
  readonly events: number
  readonly amount: number
}
export const counted = topic('counted', { key: text(), value: asIs<Row>() })

export const pipeApp = app('bench-pipe', {
  piped: stream(events)
    .filter((event) => event.amount > 1_000)
    .map((event) => ({ page: event.page, cents: event.amount * 100 }))
    .to(piped),
})

export const windowApp = app('bench-window', {
  counted: stream(events, { eventTime: (event) => event.at, outOfOrderness: '1s' })
    .keyBy((event) => event.user)
    .window('per-minute', tumbling('1m'))
    .aggregate({ events: count(), amount: sum((event) => event.amount) })
    .final()
    .to(counted),
})

export const totalsApp = app('bench-totals', {
  totals: view(
    stream(events, { eventTime: (event) => event.at })
      .keyBy((event) => event.user)
      .aggregate('totals', { events: count(), amount: sum((event) => event.amount) }),
  ),
})

/** A schema that takes everything as it is: JSON and nothing else. */
function asIs<T>(): StandardSchemaV1<T, T> {
  return { '~standard': { version: 1, vendor: 'bench', validate: (value) => ({ value: value as T }) } }
}
