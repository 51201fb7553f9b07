/**
 * What a partition knows of its producers: which batch comes next, which one came before, and which transactions are
 * open (Kafka's rules; SEMANTICS 7).
 *
 * State: an entry a producer as of the last append; the changes since the last flush, each with the entry that was
 * there before, so that a flush that fails takes them back; transactions whose marker was appended, but not
 * acknowledged: for readers they are still open.
 * Invariants: entries are never changed, only replaced; a batch changes its producer's entry or nothing. What is recorded is the state as of the last flush.
 * Cost: a look-up and about four small objects for each batch that has a producer. The number of producers is bounded:
 * those that wrote nothing for the longest time are forgotten, and like in Kafka an unknown one may begin anywhere.
 */
import type { DurationMs, Offset, ProducerId, Timestamp } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import {
  batchAttributes,
  batchBaseSequence,
  batchLastOffsetDelta,
  batchProducerEpoch,
  batchProducerId,
  CONTROL_BIT,
  TRANSACTIONAL_BIT,
} from '../record/batch-header.ts'
import { readEndMarker } from '../record/control-batch.ts'
import type { AbortedEntry } from './aborted-index.ts'
import {
  entryOfRecord,
  isExpired,
  lastSequenceOf,
  NO_COORDINATOR_EPOCH,
  type ProducerEntry,
  type ProducerRecord,
  recordOfEntry,
  remembered,
  sequenceAfter,
  writtenBatch,
} from './producer-entry.ts'
import type { OpenTransaction, ProducerState } from './producers.ts'

export interface ProducerLimits {
  readonly producerExpirationMs: DurationMs
  readonly producersMax: number
}

/** For what only looks back: who expired goes when something is appended. */
export const UNLIMITED: ProducerLimits = {
  producerExpirationMs: Number.POSITIVE_INFINITY,
  producersMax: Number.POSITIVE_INFINITY,
}

interface Change {
  readonly producerId: ProducerId
  readonly before: ProducerEntry | undefined
}

interface EndedTransaction extends AbortedEntry {
  readonly aborted: boolean
  /** How many changes waited when it had ended; 0: it is in the segment, and not taken back any more. */
  change: number
}

/** The head of a batch, as far as it concerns producers. */
interface Head {
  readonly producerId: ProducerId
  readonly producerEpoch: number
  readonly firstSequence: number
  readonly lastSequence: number
  readonly firstOffset: Offset
  readonly lastOffset: Offset
  readonly transactional: boolean
}

/** Whether the batch has a producer, or says something that only one with a producer may say. One look at two bytes. */
export function concernsProducers(bytes: Uint8Array, at: number): boolean {
  return (
    ((bytes[at + 43] as number) & 0x80) === 0 ||
    ((bytes[at + 22] as number) & (TRANSACTIONAL_BIT | CONTROL_BIT)) !== 0
  )
}

export class ProducerStates {
  readonly #name: string
  readonly #limits: ProducerLimits
  readonly #entries = new Map<ProducerId, ProducerEntry>()
  /** Since the last flush, in their order. */
  readonly #changes: Change[] = []
  /** First offset of each open transaction as of the last append. */
  readonly #open = new Map<ProducerId, Offset>()
  /** Marked, in the order of the markers, not acknowledged. */
  #ended: EndedTransaction[] = []
  /** The least first offset of the two above. */
  #firstUnstable: Offset = Number.POSITIVE_INFINITY
  #nextSweepAt: Timestamp = Number.NEGATIVE_INFINITY
  #sweepAbove: number

  constructor(name: string, limits: ProducerLimits, records: readonly ProducerRecord[] = []) {
    this.#name = name
    this.#limits = limits
    this.#sweepAbove = limits.producersMax
    for (const record of records) this.#put(entryOfRecord(record))
    this.#findUnstable()
  }

  /**
   * Takes the batch at `at`, which gets the offsets from `firstOffset` on, if it may be written. Returns `firstOffset`,
   * or a lower one: the batch is there already, with that offset, and is not to be written.
   * Throws, and takes note of nothing: MILLRACE_OUT_OF_ORDER_SEQUENCE, MILLRACE_FENCED,
   * MILLRACE_INVALID_TRANSACTION_STATE, MILLRACE_INVALID_ARGUMENT.
   */
  append(bytes: Uint8Array, at: number, firstOffset: Offset, now: Timestamp): Offset {
    const head = this.#headOf(bytes, at, firstOffset)
    if ((batchAttributes(bytes, at) & CONTROL_BIT) !== 0) {
      this.#appendMarker(bytes, at, head, now)
      return firstOffset
    }
    this.#sweep(now)
    let entry = this.#entries.get(head.producerId)
    if (entry !== undefined && isExpired(entry, now, this.#limits.producerExpirationMs)) entry = undefined
    if (entry !== undefined) {
      const same = writtenBatch(entry, head.producerEpoch, head.firstSequence, head.lastSequence)
      if (same !== undefined) return same.firstOffset
    }
    this.#checkData(entry, head)
    this.#takeData(entry, head, now)
    return firstOffset
  }

  /** Takes a batch that was written before: nothing is checked. */
  replay(bytes: Uint8Array, at: number, firstOffset: Offset, now: Timestamp): void {
    const head = readHead(bytes, at, firstOffset)
    if (head.producerId < 0) return
    const entry = this.#entries.get(head.producerId)
    if ((batchAttributes(bytes, at) & CONTROL_BIT) === 0) {
      this.#takeData(entry, head, now)
      return
    }
    const marker = readEndMarker(bytes, at)
    if (marker !== undefined)
      this.#takeMarker(entry, head, marker.kind === 'abort', marker.coordinatorEpoch, now)
  }

  /** How many changes wait for a flush: what `backTo` takes. */
  get waiting(): number {
    return this.#changes.length
  }

  /** Takes back all changes but the first `waiting` ones; 0: what a flush that failed would have written. */
  backTo(waiting: number): void {
    if (this.#changes.length === waiting) return
    while (this.#changes.length > waiting) {
      const { producerId, before } = this.#changes.pop() as Change
      if (before === undefined) this.#forget(producerId)
      else this.#put(before)
    }
    this.#ended = this.#ended.filter(({ change }) => change <= waiting)
    this.#findUnstable()
  }

  /** All that was appended is in the segments: gives the aborted transactions that ended since the last time. */
  placed(): readonly AbortedEntry[] {
    this.#changes.length = 0
    const aborted: AbortedEntry[] = []
    for (const ended of this.#ended) {
      if (ended.aborted && ended.change > 0) {
        const { producerId, firstOffset, lastOffset, lastStable } = ended
        aborted.push({ producerId, firstOffset, lastOffset, lastStable })
      }
      ended.change = 0
    }
    return aborted
  }

  /** Everything below `end` is acknowledged: markers there count for readers. */
  acknowledged(end: Offset): void {
    const first = this.#ended[0]
    if (first === undefined || first.lastOffset >= end) return
    this.#ended = this.#ended.filter(({ lastOffset }) => lastOffset >= end)
    this.#findUnstable()
  }

  /** The first offset of a transaction that readers do not know the end of; infinite if there is none. */
  get firstUnstable(): Offset {
    return this.#firstUnstable
  }

  openTransactions(): OpenTransaction[] {
    const open: OpenTransaction[] = []
    for (const { producerId, producerEpoch, transaction } of this.#entries.values()) {
      if (transaction !== undefined) open.push({ producerId, producerEpoch, ...transaction })
    }
    return open.sort((a, b) => a.firstOffset - b.firstOffset)
  }

  producers(now: Timestamp): ProducerState[] {
    return [...this.#entries.values()]
      .filter((entry) => !isExpired(entry, now, this.#limits.producerExpirationMs))
      .map((entry) => ({
        producerId: entry.producerId,
        producerEpoch: entry.producerEpoch,
        coordinatorEpoch: entry.coordinatorEpoch,
        lastSequence: lastSequenceOf(entry),
        lastWriteAt: entry.lastWriteAt,
        transactionStart: entry.transaction?.firstOffset,
      }))
      .sort((a, b) => a.producerId - b.producerId)
  }

  /** As of the last append. */
  appended(): ProducerRecord[] {
    return [...this.#entries.values()].map(recordOfEntry)
  }

  /** As of the last flush, without what has expired. */
  record(now: Timestamp): ProducerRecord[] {
    const entries = new Map(this.#entries)
    for (const { producerId, before } of this.#changes.toReversed()) {
      if (before === undefined) entries.delete(producerId)
      else entries.set(producerId, before)
    }
    return [...entries.values()]
      .filter((entry) => !isExpired(entry, now, this.#limits.producerExpirationMs))
      .map(recordOfEntry)
  }

  #headOf(bytes: Uint8Array, at: number, firstOffset: Offset): Head {
    // Behind the sign, the upper bits must be zero: a larger id is no safe integer.
    if (bytes[at + 43] === 0 ? (bytes[at + 44] as number) > 0x1f : (bytes[at + 43] as number) < 0x80) {
      throw new MillraceError(
        'MILLRACE_INVALID_ARGUMENT',
        `a record batch for ${this.#name} has a producer id above ${Number.MAX_SAFE_INTEGER}`,
      )
    }
    const head = readHead(bytes, at, firstOffset)
    const control = (batchAttributes(bytes, at) & CONTROL_BIT) !== 0
    let wrong: string | undefined
    if (head.producerId < 0) wrong = 'it is transactional or a control batch, but has no producer id'
    else if (head.producerEpoch < 0) wrong = `its producer epoch is ${head.producerEpoch}`
    else if (!control && head.firstSequence < 0) wrong = `its first sequence is ${head.firstSequence}`
    else if (control && !head.transactional) wrong = 'a control batch that is not transactional'
    if (wrong === undefined) return head
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `a record batch of producer ${head.producerId} for ${this.#name} cannot be appended: ${wrong}`,
    )
  }

  #checkData(entry: ProducerEntry | undefined, head: Head): void {
    if (entry === undefined) return
    const { producerEpoch, firstSequence } = head
    if (producerEpoch < entry.producerEpoch) throw this.#fenced(entry, head)
    const renewed = producerEpoch > entry.producerEpoch
    if (entry.transaction !== undefined && (renewed || !head.transactional)) {
      throw new MillraceError(
        'MILLRACE_INVALID_TRANSACTION_STATE',
        `producer ${head.producerId} has a transaction open in ${this.#name} since offset ${entry.transaction.firstOffset}: end it before it writes ${renewed ? 'with a new epoch' : 'outside of it'}`,
      )
    }
    const expected = renewed || entry.batches.length === 0 ? 0 : sequenceAfter(lastSequenceOf(entry), 1)
    if (firstSequence === expected) return
    throw new MillraceError(
      'MILLRACE_OUT_OF_ORDER_SEQUENCE',
      `producer ${head.producerId} epoch ${producerEpoch} continues in ${this.#name} with sequence ${firstSequence}, expected ${expected}: a batch before it is missing, or it came too late; open the producer again`,
    )
  }

  #appendMarker(bytes: Uint8Array, at: number, head: Head, now: Timestamp): void {
    const marker = readEndMarker(bytes, at)
    if (marker === undefined) {
      throw new MillraceError(
        'MILLRACE_INVALID_ARGUMENT',
        `a control batch of producer ${head.producerId} for ${this.#name} is no end of a transaction`,
      )
    }
    const entry = this.#entries.get(head.producerId)
    if (entry !== undefined && head.producerEpoch < entry.producerEpoch) throw this.#fenced(entry, head)
    if (entry !== undefined && marker.coordinatorEpoch < entry.coordinatorEpoch) {
      throw new MillraceError(
        'MILLRACE_FENCED',
        `a marker of producer ${head.producerId} for ${this.#name} comes from coordinator epoch ${marker.coordinatorEpoch}, the present one is ${entry.coordinatorEpoch}`,
      )
    }
    this.#takeMarker(entry, head, marker.kind === 'abort', marker.coordinatorEpoch, now)
  }

  #fenced({ producerEpoch }: ProducerEntry, head: Head): MillraceError {
    return new MillraceError(
      'MILLRACE_FENCED',
      `producer ${head.producerId} writes to ${this.#name} with epoch ${head.producerEpoch}, the present one is ${producerEpoch}: another one took over`,
    )
  }

  #takeData(entry: ProducerEntry | undefined, head: Head, now: Timestamp): void {
    const { producerId, producerEpoch, firstSequence, lastSequence, firstOffset, lastOffset } = head
    const written = { firstSequence, lastSequence, firstOffset, lastOffset }
    const kept = entry?.producerEpoch === producerEpoch ? entry.batches : []
    const begun = head.transactional ? { firstOffset, startedAt: now } : undefined
    this.#change({
      producerId,
      producerEpoch,
      coordinatorEpoch: entry?.coordinatorEpoch ?? NO_COORDINATOR_EPOCH,
      batches: remembered(kept, written),
      transaction: entry?.transaction ?? begun,
      lastWriteAt: now,
    })
  }

  #takeMarker(
    entry: ProducerEntry | undefined,
    head: Head,
    aborted: boolean,
    coordinatorEpoch: number,
    now: Timestamp,
  ): void {
    const { producerId, producerEpoch, lastOffset } = head
    this.#change({
      producerId,
      producerEpoch,
      coordinatorEpoch,
      batches: entry?.producerEpoch === producerEpoch ? entry.batches : [],
      transaction: undefined,
      lastWriteAt: now,
    })
    // A marker without data behind it, perhaps one that came twice, says nothing about any record.
    if (entry?.transaction === undefined) return
    const { firstOffset } = entry.transaction
    const lastStable = Math.min(lastOffset + 1, ...this.#open.values())
    this.#ended.push({
      producerId,
      firstOffset,
      lastOffset,
      lastStable,
      aborted,
      change: this.#changes.length,
    })
    this.#findUnstable()
  }

  #change(entry: ProducerEntry): void {
    this.#changes.push({ producerId: entry.producerId, before: this.#entries.get(entry.producerId) })
    this.#put(entry)
    if (entry.transaction !== undefined)
      this.#firstUnstable = Math.min(this.#firstUnstable, entry.transaction.firstOffset)
  }

  #put(entry: ProducerEntry): void {
    this.#entries.set(entry.producerId, entry)
    if (entry.transaction === undefined) this.#open.delete(entry.producerId)
    else this.#open.set(entry.producerId, entry.transaction.firstOffset)
  }

  #forget(producerId: ProducerId): void {
    this.#entries.delete(producerId)
    this.#open.delete(producerId)
  }

  #findUnstable(): void {
    let first = Number.POSITIVE_INFINITY
    for (const offset of this.#open.values()) first = Math.min(first, offset)
    for (const { firstOffset } of this.#ended) first = Math.min(first, firstOffset)
    this.#firstUnstable = first
  }

  /** Forgets who expired, now and then; and, if there are too many, who wrote nothing for the longest time. */
  #sweep(now: Timestamp): void {
    if (now < this.#nextSweepAt && this.#entries.size < this.#sweepAbove) return
    const { producerExpirationMs, producersMax } = this.#limits
    this.#nextSweepAt = now + producerExpirationMs / 10
    const idle = [...this.#entries.values()]
      .filter(({ transaction }) => transaction === undefined)
      .sort((a, b) => a.lastWriteAt - b.lastWriteAt)
    const expired = idle.findIndex((entry) => !isExpired(entry, now, producerExpirationMs))
    const tooMany =
      this.#entries.size >= producersMax ? this.#entries.size - Math.floor(producersMax * 0.9) : 0
    // A tenth at once, so that looking at all of them is rare.
    const gone = idle.slice(0, Math.max(expired < 0 ? idle.length : expired, tooMany))
    for (const before of gone) {
      this.#changes.push({ producerId: before.producerId, before })
      this.#forget(before.producerId)
    }
    // Those with an open transaction stay, however many they are.
    this.#sweepAbove = Math.max(producersMax, Math.ceil(this.#entries.size * 1.1))
  }
}

function readHead(bytes: Uint8Array, at: number, firstOffset: Offset): Head {
  const lastDelta = batchLastOffsetDelta(bytes, at)
  const firstSequence = batchBaseSequence(bytes, at)
  return {
    producerId: batchProducerId(bytes, at),
    producerEpoch: batchProducerEpoch(bytes, at),
    firstSequence,
    lastSequence: firstSequence < 0 ? firstSequence : sequenceAfter(firstSequence, lastDelta),
    firstOffset,
    lastOffset: firstOffset + lastDelta,
    transactional: (batchAttributes(bytes, at) & TRANSACTIONAL_BIT) !== 0,
  }
}
