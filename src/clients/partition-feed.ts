import type { Offset, PartitionId } from '../base/brands.ts'
import type { Broker, Isolation, PartitionReader, TopicDescription } from '../broker/broker.ts'
import type { BatchReader } from '../record/batch-reader.ts'
import type { StoredRecord } from '../record/record.ts'
import { FetchedRecords } from './fetched-records.ts'
import { type Ticket, UnfinishedOffsets } from './unfinished-offsets.ts'

/** Where a record in the hands of a consumer's handler is from. */
export interface HandedPlace {
  readonly feed: PartitionFeed
  readonly record: { readonly offset: Offset }
  readonly ticket: Ticket
}

/** A record in the hands of a consumer's handler. */
export interface HandedRecord extends HandedPlace {
  readonly record: StoredRecord
}

/** Records of one partition that were taken together, as their users see them, to be worked on in their order. */
export interface HandedChunk<T extends { readonly offset: Offset }> {
  readonly feed: PartitionFeed
  readonly records: readonly T[]
  readonly ticket: Ticket
  /** Of keys and values together. */
  readonly bytes: number
  /** How many of them are finished. */
  done: number
}

/** How much a chunk holds at most. One record always fits. */
export interface ChunkLimits {
  readonly records: number
  readonly bytes: number
}

/** Makes of the record under the cursor what its users see. May throw: the chunk then ends before that record. */
export type Show<T> = (feed: PartitionFeed, reader: BatchReader) => T

/**
 * One partition that a consumer owns: what was fetched and not handed out, what was handed out and is not finished.
 *
 * It ends in two steps. Stopped: nothing is handed out any more, what waited is dropped (its position was never passed),
 * and `signal` tells handlers that the partition is going to somebody else; their work may still end and be committed.
 * Gone: it is somebody else's.
 */
export class PartitionFeed {
  readonly topic: TopicDescription
  readonly partition: PartitionId
  /** 'orders-0' */
  readonly name: string
  /** Position that the coordinator is known to have; undefined: none. */
  committed: Offset | undefined
  /** Records, or chunks of them, that were taken and whose work has not ended. */
  #working = 0
  #gone = false
  readonly #unfinished: UnfinishedOffsets
  readonly #reader: PartitionReader
  readonly #revoked = new AbortController()
  readonly #fetched: FetchedRecords
  /** Behind the last batch that was fetched. */
  #fetchedTo: Offset
  readonly #from: Offset

  constructor(
    broker: Broker,
    topic: TopicDescription,
    partition: PartitionId,
    from: Offset,
    wake: () => void,
    isolation: Isolation,
  ) {
    this.topic = topic
    this.partition = partition
    this.name = `${topic.name}-${partition}`
    this.#from = from
    this.#fetchedTo = from
    this.#fetched = new FetchedRecords(this.name)
    this.#unfinished = new UnfinishedOffsets(from)
    this.#reader = broker.read(topic.id, partition, from, wake, isolation)
  }

  /** Aborted when the feed is stopped. */
  get signal(): AbortSignal {
    return this.#revoked.signal
  }

  get stopped(): boolean {
    return this.#revoked.signal.aborted
  }

  /** Lowest offset that is not finished. */
  get position(): Offset {
    return this.#unfinished.position
  }

  /**
   * Records that are in somebody's hands. Not the same as unfinished ones: a handler that fails or that commits later
   * lets go of a record which stays unfinished.
   */
  get working(): number {
    return this.#working
  }

  /** The consumer may commit nothing for the partition any more. */
  get gone(): boolean {
    return this.#gone
  }

  /** The next record is here already. */
  get hasBuffered(): boolean {
    return this.#fetched.more
  }

  /** The next record, in the order of offsets; undefined when there is none now. Throws MILLRACE_CORRUPT. */
  take(bytesMax: number): HandedRecord | undefined {
    if (this.stopped || !this.#seek(bytesMax)) return undefined
    const { reader } = this.#fetched
    const { offset, timestamp } = reader
    const record = { offset, timestamp, key: reader.key(), value: reader.value(), headers: reader.headers() }
    this.#fetched.pass()
    this.#working += 1
    return { feed: this, record, ticket: this.#unfinished.take(offset) }
  }

  /**
   * The next records of what was fetched, at least one; undefined when there is none now. Throws MILLRACE_CORRUPT and
   * what `show` throws, when that is met at the first record: until then the records before it go out.
   */
  takeChunk<T extends { readonly offset: Offset }>(
    bytesMax: number,
    limits: ChunkLimits,
    show: Show<T>,
  ): HandedChunk<T> | undefined {
    if (this.stopped || !this.#seek(bytesMax)) return undefined
    const { reader } = this.#fetched
    const records: T[] = []
    const first = reader.offset
    let last = first
    let bytes = 0
    try {
      do {
        records.push(show(this, reader))
        last = reader.offset
        bytes += reader.keyEnd - reader.keyStart + reader.valueEnd - reader.valueStart
        this.#fetched.pass()
      } while (records.length < limits.records && bytes < limits.bytes && this.#fetched.seek())
    } catch (error) {
      if (records.length === 0) throw error
    }
    this.#working += 1
    return { feed: this, records, ticket: this.#unfinished.takeAll(first, last), bytes, done: 0 }
  }

  /** The first `done` records of the chunk are finished. */
  progress(chunk: HandedChunk<{ readonly offset: Offset }>, done: number): void {
    chunk.done = done
    const next = chunk.records[done]
    if (next === undefined) this.#unfinished.finish(chunk.ticket)
    else this.#unfinished.moveTo(chunk.ticket, next.offset)
  }

  finish(ticket: Ticket): void {
    this.#unfinished.finish(ticket)
  }

  /** The work on a record, or a chunk, has ended, well or not. Once for each that was taken. */
  release(): void {
    this.#working -= 1
  }

  /** Finishes everything that was handed out up to the record of the ticket. */
  finishTo(ticket: Ticket): void {
    this.#unfinished.finishTo(ticket)
  }

  /** The partition is somebody else's. Idempotent. */
  leave(): void {
    this.stop()
    this.#gone = true
  }

  /** Nothing is handed out any more; what was may still be finished and committed. Idempotent. */
  stop(): void {
    if (this.stopped) return
    this.#reader.close()
    this.#fetched.clear()
    this.#revoked.abort()
  }

  /** Goes to the next record, and fetches when everything that was fetched is handed out. */
  #seek(bytesMax: number): boolean {
    while (!this.#fetched.seek()) {
      // Only when everything up to here was handed out may holes be passed.
      this.#unfinished.readTo(this.#fetchedTo)
      const fetched = this.#reader.poll(bytesMax)
      if (fetched === undefined) return false
      this.#fetchedTo = this.#fetched.open(fetched, this.#from)
    }
    return true
  }
}
