import type { Offset, PartitionId } from '../base/brands.ts'
import type { Broker, Isolation, PartitionReader, TopicDescription } from '../broker/broker.ts'
import { batchLastOffset, batchPositions } from '../record/batch-header.ts'
import { decodeCommitted } from '../record/committed-filter.ts'
import type { StoredRecord } from '../record/record.ts'
import { type Ticket, UnfinishedOffsets } from './unfinished-offsets.ts'

/** A record in the hands of a consumer's handler. */
export interface HandedRecord {
  readonly feed: PartitionFeed
  readonly record: StoredRecord
  readonly ticket: Ticket
}

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
  /** Records that were taken and whose work has not ended. */
  #working = 0
  #gone = false
  readonly #unfinished: UnfinishedOffsets
  readonly #reader: PartitionReader
  readonly #revoked = new AbortController()
  /** Fetched, from `#at` on not handed out. */
  #records: readonly StoredRecord[] = []
  #at = 0
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
    return this.#at < this.#records.length
  }

  /** The next record, in the order of offsets; undefined when there is none now. Throws MILLRACE_CORRUPT. */
  take(bytesMax: number): HandedRecord | undefined {
    if (this.stopped) return undefined
    while (this.#at === this.#records.length) {
      // Only when everything up to here was handed out may holes be passed.
      this.#unfinished.readTo(this.#fetchedTo)
      if (!this.#fetch(bytesMax)) return undefined
    }
    const record = this.#records[this.#at] as StoredRecord
    this.#at += 1
    this.#working += 1
    return { feed: this, record, ticket: this.#unfinished.take(record.offset) }
  }

  finish(ticket: Ticket): void {
    this.#unfinished.finish(ticket)
  }

  /** The work on a record has ended, well or not. Once for each record that was taken. */
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
    this.#records = []
    this.#at = 0
    this.#revoked.abort()
  }

  #fetch(bytesMax: number): boolean {
    const fetched = this.#reader.poll(bytesMax)
    if (fetched === undefined) return false
    // The first batch may begin before the wanted offset.
    this.#records = decodeCommitted(fetched.bytes, fetched.aborted).filter(
      ({ offset }) => offset >= this.#from,
    )
    this.#at = 0
    for (const at of batchPositions(fetched.bytes)) this.#fetchedTo = batchLastOffset(fetched.bytes, at) + 1
    return true
  }
}
