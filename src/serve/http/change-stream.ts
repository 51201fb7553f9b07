import type { Sys } from '../../sys/sys.ts'
import type { MaterializedView } from '../../views/materialized-view.ts'
import { positionText } from '../../views/position.ts'
import type { RowChange } from '../../views/subscription.ts'
import type { HttpExchange } from './http-exchange.ts'

/** Proxies and clients give up a quiet connection after 30 to 60 s. */
const HEARTBEAT_MS = 15_000
/** Characters that are written at once. */
const WRITE_CHARACTERS = 64 * 1024

/**
 * Sends the changes of a view as server-sent events: the kind as the event, the position as its id, the change as JSON.
 *
 * A client that does not read fast enough is not waited for by anybody: its socket fills, then its subscription, which
 * folds changes of a key into one. Ends when the client goes, the app ends or the subscription was given up; a client
 * that comes back says the last id it saw, and gets what followed it. Where that is not known any more, and with
 * `from=start`, the event `reset` says that all rows follow as inserts, and that there are no others.
 */
export async function streamChanges(sys: Sys, view: MaterializedView, exchange: HttpExchange): Promise<void> {
  const lastEvent = exchange.request.headers['last-event-id']
  const from = typeof lastEvent === 'string' ? lastEvent : (exchange.query.get('from') ?? 'now')
  const subscription = view.subscribe({ from, signal: exchange.signal })
  exchange.stream('text/event-stream; charset=utf-8')
  // Tells the client that it is connected before anything has changed.
  await exchange.write(': millrace\n\n')
  if (subscription.beginsWithRows) await exchange.write(event('reset', undefined, '{}'))
  let beat = (): void => undefined
  let due = false
  const heart = { timer: sys.timers.after(HEARTBEAT_MS, () => pulse()) }
  const pulse = (): void => {
    due = true
    beat()
    heart.timer = sys.timers.after(HEARTBEAT_MS, () => pulse())
  }
  try {
    while (!exchange.signal.aborted) {
      const text = nextEvents(view.name, () => subscription.take())
      if (text !== '') await exchange.write(text)
      else if (due) await exchange.write(': still here\n\n')
      else if (subscription.ended) break
      else {
        await new Promise<void>((resolve) => {
          beat = resolve
          subscription.whenReady(resolve)
        })
        continue
      }
      due = false
    }
    const { failure } = subscription
    if (failure !== undefined)
      await exchange.write(event('error', undefined, JSON.stringify({ message: failure.message })))
    exchange.response.end()
  } finally {
    heart.timer.cancel()
    subscription.cancel()
  }
}

function nextEvents(view: string, take: () => RowChange | undefined): string {
  let text = ''
  while (text.length < WRITE_CHARACTERS) {
    const change = take()
    if (change === undefined) break
    text += changeEvent(view, change)
  }
  return text
}

/** Rows are passed on as the JSON texts that they are kept as. */
function changeEvent(view: string, change: RowChange): string {
  const { key, timestamp, partition, position, index } = change
  const kind = change.before === undefined ? 'insert' : change.after === undefined ? 'delete' : 'update'
  const id = positionText(view, partition, position, index)
  const rows = `"before":${change.before ?? 'null'},"after":${change.after ?? 'null'}`
  const ends = `"position":${JSON.stringify(id)},"timestamp":${timestamp}`
  return event(kind, id, `{"kind":"${kind}","key":${JSON.stringify(key)},${rows},${ends}}`)
}

/** JSON has no line breaks, so one data line is enough. */
function event(name: string, id: string | undefined, data: string): string {
  return `event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`
}
