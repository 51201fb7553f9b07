import { isMillraceError, MillraceError, messageOf } from '../../base/errors.ts'
import type { FetchedBatches, PartitionReader } from '../../broker/broker.ts'
import { encodeMessage } from '../../broker/remote/message.ts'
import type { FetchedPart, FetchRequest, FetchResponse, FetchWant } from '../../broker/remote/protocol.ts'
import type { AppFacade } from './app-facade.ts'
import { count, fields, list, oneOf, text } from './argument-shapes.ts'
import { gone, messageOfRequest } from './broker-routes.ts'
import type { HttpExchange } from './http-exchange.ts'

/** A fetch that finds nothing answers after so long; the other side asks again. */
const WAIT_MS = 20_000
/** All batches of a response; the last partition may go beyond it. */
const BYTES_MAX = 16 * 1024 * 1024

const fetchRequest = fields({
  wants: list(
    fields({
      topic: text,
      partition: count,
      from: count,
      bytesMax: count,
      isolation: oneOf('read_committed', 'read_uncommitted'),
    }),
  ),
})

/** `POST /broker/fetch`: what is there now for any of the wants; if nothing is, what comes first. */
export async function brokerFetch(app: AppFacade, exchange: HttpExchange): Promise<void> {
  const { wants } = (await messageOfRequest(exchange, fetchRequest)) as FetchRequest
  let rung = (): void => undefined
  const bell = new Promise<void>((resolve) => {
    rung = resolve
  })
  const fetches = wants.map((want) => new WantedBatches(app, want, rung))
  let timer = app.sys.timers.after(WAIT_MS, rung)
  try {
    let parts = poll(fetches)
    if (parts === undefined) {
      await Promise.race([bell, gone(exchange.signal)])
      timer.cancel()
      if (exchange.signal.aborted) {
        exchange.response.destroy()
        return
      }
      // Who rang does its work in the same turn: what it brings is whole after it.
      await new Promise<void>((resolve) => {
        timer = app.sys.timers.after(0, resolve)
      })
      parts = poll(fetches) ?? fetches.map(() => ({}))
    }
    const response: FetchResponse = { parts }
    exchange.message(encodeMessage(response))
  } finally {
    timer.cancel()
    for (const fetch of fetches) fetch.close()
  }
}

/** Undefined: there is nothing for anybody. */
function poll(fetches: readonly WantedBatches[]): readonly FetchedPart[] | undefined {
  let bytes = 0
  let found = false
  const parts = fetches.map((fetch): FetchedPart => {
    const part = bytes < BYTES_MAX ? fetch.poll() : {}
    bytes += part.batches?.bytes.length ?? 0
    if (part.batches !== undefined || part.error !== undefined) found = true
    return part
  })
  return found ? parts : undefined
}

/** One want: a reader while it can be opened, else why not. */
class WantedBatches {
  readonly #bytesMax: number
  #reader: PartitionReader | undefined
  #fault: MillraceError | undefined

  constructor({ broker }: AppFacade, want: FetchWant, wake: () => void) {
    const { topic, partition, from, isolation } = want
    this.#bytesMax = want.bytesMax
    try {
      this.#reader = broker.read(topic, partition, from, wake, isolation)
    } catch (error) {
      this.#fault = faultOf(error)
    }
  }

  poll(): FetchedPart {
    try {
      const fetched = this.#reader?.poll(this.#bytesMax)
      if (fetched !== undefined) return partOf(fetched)
    } catch (error) {
      this.#fault = faultOf(error)
    }
    return this.#fault === undefined ? {} : { error: this.#fault }
  }

  close(): void {
    this.#reader?.close()
  }
}

function partOf({ bytes, from, aborted, bounds }: FetchedBatches): FetchedPart {
  return { batches: { bytes, from, aborted }, bounds }
}

function faultOf(error: unknown): MillraceError {
  return isMillraceError(error) ? error : new MillraceError('MILLRACE_ASSERTION', messageOf(error))
}
