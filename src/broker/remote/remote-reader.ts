import type { Offset, PartitionId, TopicId } from '../../base/brands.ts'
import { isMillraceError } from '../../base/errors.ts'
import { batchLastOffset, batchPositions } from '../../record/batch-header.ts'
import type { FetchedBatches, Isolation, PartitionReader } from '../broker.ts'
import type { FetchedPart, FetchWant } from './protocol.ts'

export interface RemoteReaderHost {
  /** The reader has room for more: `take` or `lose` follows, unless it is closed. */
  want(reader: RemoteReader): void
  /** The reader is over. */
  drop(reader: RemoteReader): void
  /** Where the partition ends, as far as is known here. */
  end(topic: TopicId, partition: PartitionId): Offset
  /** How long a connection may be lost before a reader fails by it, and the time now: ms. */
  readonly patienceMs: number
  now(): number
}

/** A place to read from. */
export interface ReadPlace {
  readonly topic: TopicId
  readonly partition: PartitionId
  readonly isolation: Isolation
}

/**
 * Reads a partition in another process. What was fetched last waits here for `poll`; when it is taken, the next fetch
 * begins, with as many bytes as that poll wanted. A lost connection is tried again for a while before it is an error.
 */
export class RemoteReader implements PartitionReader {
  readonly place: ReadPlace
  readonly #host: RemoteReaderHost
  readonly #wake: () => void
  #position: Offset
  #bytesMax = 0
  #ready: { readonly fetched: FetchedBatches; readonly next: Offset } | undefined
  #failure: Error | undefined
  /** The last poll found nothing, and nobody was woken since. */
  #starved = false
  #closed = false
  #lostAt: number | undefined

  constructor(host: RemoteReaderHost, place: ReadPlace, from: Offset, wake: () => void) {
    this.#host = host
    this.place = place
    this.#position = from
    this.#wake = wake
  }

  get closed(): boolean {
    return this.#closed
  }

  /** What it wants to be fetched. */
  get wanted(): FetchWant {
    return { ...this.place, from: this.#position, bytesMax: this.#bytesMax }
  }

  poll(bytesMax: number): FetchedBatches | undefined {
    if (this.#closed) return undefined
    if (this.#failure !== undefined) throw this.#failure
    this.#bytesMax = bytesMax
    const ready = this.#ready
    this.#ready = undefined
    if (ready === undefined) this.#starved = true
    else this.#position = ready.next
    this.#host.want(this)
    return ready?.fetched
  }

  atEnd(): boolean {
    const { topic, partition } = this.place
    return this.#ready === undefined && this.#position >= this.#host.end(topic, partition)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#host.drop(this)
  }

  /** What a fetch brought. Nothing: it is wanted on. */
  take({ error, batches, bounds }: FetchedPart): void {
    this.#lostAt = undefined
    if (error !== undefined) this.#fail(error)
    else if (batches === undefined || bounds === undefined) this.#host.want(this)
    else {
      let next = this.#position
      for (const at of batchPositions(batches.bytes)) next = batchLastOffset(batches.bytes, at) + 1
      this.#ready = { fetched: { ...batches, bounds }, next }
      this.#tell()
    }
  }

  /** The fetch itself failed. */
  lose(error: Error): void {
    const now = this.#host.now()
    this.#lostAt ??= now
    const patient = isMillraceError(error) && error.retriable && now - this.#lostAt < this.#host.patienceMs
    if (patient) this.#host.want(this)
    else this.#fail(error)
  }

  #fail(error: Error): void {
    this.#failure = error
    this.#tell()
  }

  #tell(): void {
    if (!this.#starved || this.#closed) return
    this.#starved = false
    this.#wake()
  }
}
