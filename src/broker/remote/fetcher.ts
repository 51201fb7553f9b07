/**
 * Fetches for all readers of a remote broker: what they want at the same time goes in one request, which the app
 * answers as soon as it has something for one of them. So a thousand idle partitions need one connection, not a
 * thousand.
 *
 * A reader that wants more while a request waits gets a request of its own; when there are `REQUESTS_MAX`, the oldest
 * one is called back and its wants go with the new ones (a fetch changes nothing: it can be asked again at any time).
 */

import type { HttpCall } from '../../sys/http.ts'
import type { Timers } from '../../sys/sys.ts'
import type { Answer } from '../broker.ts'
import type { FetchRequest, FetchResponse, PartitionBoundsOf } from './protocol.ts'
import type { RemoteReader } from './remote-reader.ts'

const REQUESTS_MAX = 4
const RETRY_MS = 100

export interface FetcherHost {
  readonly timers: Timers
  fetch(request: FetchRequest, answer: Answer<FetchResponse>): HttpCall
  learned(bounds: PartitionBoundsOf): void
}

interface Request {
  readonly readers: readonly RemoteReader[]
  call: HttpCall | undefined
}

export class Fetcher {
  readonly #host: FetcherHost
  /** Under way, the oldest first. */
  readonly #requests: Request[] = []
  readonly #asking = new Set<RemoteReader>()
  #wanting = new Set<RemoteReader>()
  #scheduled = false

  constructor(host: FetcherHost) {
    this.#host = host
  }

  want(reader: RemoteReader): void {
    if (reader.closed || this.#asking.has(reader)) return
    this.#wanting.add(reader)
    this.#schedule(0)
  }

  /** A request that nobody waits for any more is called back. */
  drop(reader: RemoteReader): void {
    this.#wanting.delete(reader)
    this.#asking.delete(reader)
    for (const request of [...this.#requests]) {
      if (request.readers.every(({ closed }) => closed)) this.#callBack(request)
    }
  }

  #schedule(ms: number): void {
    if (this.#scheduled) return
    this.#scheduled = true
    const send = (): void => {
      this.#scheduled = false
      this.#send()
    }
    if (ms === 0) this.#host.timers.soon(send)
    else this.#host.timers.after(ms, send)
  }

  #send(): void {
    if (this.#wanting.size === 0) return
    const oldest = this.#requests[0]
    if (oldest !== undefined && this.#requests.length >= REQUESTS_MAX) {
      this.#callBack(oldest)
      for (const reader of oldest.readers) if (!reader.closed) this.#wanting.add(reader)
    }
    const request: Request = { readers: [...this.#wanting], call: undefined }
    this.#wanting = new Set()
    this.#requests.push(request)
    for (const reader of request.readers) this.#asking.add(reader)
    const wants = request.readers.map(({ wanted }) => wanted)
    request.call = this.#host.fetch({ wants }, (error, response) => {
      this.#end(request)
      if (response === undefined) this.#lost(request, error as Error)
      else this.#took(request, response)
    })
  }

  #took({ readers }: Request, { parts }: FetchResponse): void {
    for (const [index, reader] of readers.entries()) {
      const part = parts[index]
      if (part === undefined) continue
      const { topic, partition } = reader.place
      if (part.bounds !== undefined) this.#host.learned({ topic, partition, bounds: part.bounds })
      if (!reader.closed) reader.take(part)
    }
  }

  #lost({ readers }: Request, error: Error): void {
    // Not at once: the app may be starting again. The flag keeps the readers' wants from leaving earlier.
    this.#schedule(RETRY_MS)
    for (const reader of readers) if (!reader.closed) reader.lose(error)
  }

  #callBack(request: Request): void {
    request.call?.cancel()
    this.#end(request)
  }

  #end(request: Request): void {
    const at = this.#requests.indexOf(request)
    if (at >= 0) this.#requests.splice(at, 1)
    for (const reader of request.readers) this.#asking.delete(reader)
  }
}
