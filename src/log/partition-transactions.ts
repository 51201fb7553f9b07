/**
 * Producers and transactions of one partition: what its batches say about them, and the indexes of its segments.
 *
 * A partition without them costs nothing: the states are made with the first batch that has a producer.
 * An index that a crash left behind wrong is made again from the heads of all batches of the partition, when a reader
 * needs it; that is rare, and needs a crash shortly after an abort.
 */
import type { Offset, Timestamp } from '../base/brands.ts'
import { BATCH_HEADER_BYTES, CONTROL_BIT, TRANSACTIONAL_BIT } from '../record/batch-header.ts'
import type { AbortedEntry } from './aborted-index.ts'
import type { ProducerRecord } from './producer-entry.ts'
import { type ProducerLimits, ProducerStates, UNLIMITED } from './producer-states.ts'
import type { AbortedTransaction, OpenTransaction, ProducerState } from './producers.ts'
import type { Segment } from './segment.ts'
import type { AbortedRecord } from './shape-entries.ts'

const NONE: readonly AbortedTransaction[] = Object.freeze([])

export interface TransactionsHost {
  readonly producerLimits: ProducerLimits
  readonly now: () => Timestamp
}

export class PartitionTransactions {
  readonly #host: TransactionsHost
  readonly #name: string
  /** The partition's own list. */
  readonly #segments: readonly Segment[]
  #states: ProducerStates | undefined
  /** Some segment has an abort marker. */
  #anyAborted = false

  constructor(
    host: TransactionsHost,
    name: string,
    segments: readonly Segment[],
    producers: readonly ProducerRecord[],
    aborted: readonly AbortedRecord[],
  ) {
    this.#host = host
    this.#name = name
    this.#segments = segments
    if (producers.length > 0) this.#states = new ProducerStates(name, host.producerLimits, producers)
    for (const [base, count, crc] of aborted) {
      segments.find((segment) => segment.base === base)?.transactions.expect({ count, crc })
      this.#anyAborted = true
    }
  }

  /** For an append of a batch that has a producer. */
  states(): ProducerStates {
    this.#states ??= new ProducerStates(this.#name, this.#host.producerLimits)
    return this.#states
  }

  /** All that was appended is in the segments and in the journal. */
  placed(): void {
    if (this.#states === undefined) return
    for (const entry of this.#states.placed()) {
      this.#anyAborted = true
      this.#segments.findLast(({ base }) => base <= entry.lastOffset)?.transactions.add(entry)
    }
  }

  /** What was appended and is not placed was refused. */
  giveBack(): void {
    this.#states?.backTo(0)
  }

  acknowledged(end: Offset): void {
    this.#states?.acknowledged(end)
  }

  /** Of readers: they know what is between start and end. */
  lastStable(start: Offset, end: Offset): Offset {
    return this.#states === undefined ? end : Math.max(start, Math.min(end, this.#states.firstUnstable))
  }

  /** Those with a record from `from` on and before `to`, which is at most the last stable offset. */
  aborted(from: Offset, to: Offset): readonly AbortedTransaction[] {
    if (!this.#anyAborted || from >= to) return NONE
    const found: AbortedTransaction[] = []
    for (const segment of this.#segments) {
      if (segment.next <= from || !segment.transactions.any) continue
      const entries = this.#abortedOf(segment)
      for (let index = firstFrom(entries, from); index < entries.length; index += 1) {
        const { producerId, firstOffset, lastOffset, lastStable } = entries[index] as AbortedEntry
        if (firstOffset < to) found.push({ producerId, firstOffset, lastOffset })
        // All below had ended then: those that come later began later.
        if (lastStable >= to) return found
      }
    }
    return found
  }

  openTransactions(): readonly OpenTransaction[] {
    return this.#states?.openTransactions() ?? []
  }

  producers(): readonly ProducerState[] {
    return this.#states?.producers(this.#host.now()) ?? []
  }

  /** As of the last append: for an entry that comes behind it in the journal. */
  appended(): readonly ProducerRecord[] {
    return this.#states?.appended() ?? []
  }

  /** As of the last flush. */
  record(): { readonly producers: readonly ProducerRecord[]; readonly aborted: readonly AbortedRecord[] } {
    const aborted: AbortedRecord[] = []
    if (this.#anyAborted) {
      for (const { base, transactions } of this.#segments) {
        const summary = transactions.summary()
        if (summary !== undefined) aborted.push([base, summary.count, summary.crc])
      }
    }
    return { producers: this.#states?.record(this.#host.now()) ?? [], aborted }
  }

  #abortedOf(segment: Segment): readonly AbortedEntry[] {
    const known = segment.transactions.entries()
    if (known !== undefined) return known
    const entries = abortedBySegment(this.#name, this.#segments)
    for (const [index, each] of this.#segments.entries()) each.transactions.replace(entries[index] ?? [])
    return segment.transactions.entries() ?? []
  }
}

/** The first entry that ends at `from` or later: entries are in the order of their markers. */
function firstFrom(entries: readonly AbortedEntry[], from: Offset): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((entries[middle] as AbortedEntry).lastOffset < from) low = middle + 1
    else high = middle
  }
  return low
}

/** The aborted transactions of each segment, as the batches say. Reads the heads of all of them. */
export function abortedBySegment(name: string, segments: readonly Segment[]): AbortedEntry[][] {
  const states = new ProducerStates(name, UNLIMITED)
  const head = new Uint8Array(BATCH_HEADER_BYTES)
  return segments.map((segment) => {
    const entries: AbortedEntry[] = []
    segment.scan(0, segment.sizeBytes, ({ position, sizeBytes, first, attributes }) => {
      if ((attributes & (TRANSACTIONAL_BIT | CONTROL_BIT)) === 0) return false
      // Only a marker's record matters.
      const bytes = (attributes & CONTROL_BIT) === 0 ? head : new Uint8Array(sizeBytes)
      segment.read(bytes, position)
      states.replay(bytes, 0, first, 0)
      entries.push(...states.placed())
      return false
    })
    states.acknowledged(segment.next)
    return entries
  })
}
