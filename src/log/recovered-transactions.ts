import type { Offset, Timestamp } from '../base/brands.ts'
import { batchBaseOffset, batchSizeBytes } from '../record/batch-header.ts'
import type { AbortedEntry } from './aborted-index.ts'
import type { OpenFiles } from './open-files.ts'
import type { ProducerRecord } from './producer-entry.ts'
import { concernsProducers, ProducerStates, UNLIMITED } from './producer-states.ts'
import { SegmentTransactions } from './segment-transactions.ts'
import type { AbortedRecord, PartitionRecord } from './shape-entries.ts'

/** What is known of a partition's producers while a journal is played again: as of the checkpoint, then batch by batch. */
export class RecoveredTransactions {
  #record: PartitionRecord
  readonly #now: Timestamp
  #states: ProducerStates | undefined
  #aborted: AbortedEntry[] = []

  /** @param now what the clock says: the time of what is played again is not known, and not long ago. */
  constructor(record: PartitionRecord, now: Timestamp) {
    this.#record = record
    this.#now = now
  }

  /** All that was known at this place. */
  reset(producers: readonly ProducerRecord[]): void {
    this.#states = new ProducerStates('', UNLIMITED, producers)
  }

  /** One segment takes the place of others, with what its index must hold. */
  swapped(
    old: readonly Offset[],
    next: Offset,
    aborted: AbortedRecord | null,
    producers: readonly ProducerRecord[],
  ): void {
    this.reset(producers)
    const [base] = old
    const kept = this.#record.aborted.filter(([each]) => !old.includes(each))
    this.#record = { ...this.#record, aborted: aborted === null ? kept : [...kept, aborted] }
    // Its index has them already.
    this.#aborted = this.#aborted.filter(
      (entry) => entry.lastOffset < (base as Offset) || entry.lastOffset >= next,
    )
  }

  /** Batches of a group that counts. */
  replay(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += batchSizeBytes(bytes, at)) {
      if (!concernsProducers(bytes, at)) continue
      this.#states ??= new ProducerStates('', UNLIMITED, this.#record.producers)
      this.#states.replay(bytes, at, batchBaseOffset(bytes, at), this.#now)
      this.#aborted.push(...this.#states.placed())
    }
  }

  /**
   * Completes the segments' transaction indexes, and gives what the partition's record says from now on.
   *
   * @param unclean files may hold entries of markers that were taken back.
   */
  finish(
    files: OpenFiles,
    segments: readonly { readonly base: number; readonly path: string }[],
    unclean: boolean,
  ): Pick<PartitionRecord, 'producers' | 'aborted'> {
    const covered = new Map(this.#record.aborted.map((each) => [each[0], each]))
    const aborted: AbortedRecord[] = []
    for (const [index, { base, path }] of segments.entries()) {
      const end = segments[index + 1]?.base ?? Number.POSITIVE_INFINITY
      const transactions = new SegmentTransactions(files, path)
      const known = covered.get(base)
      if (known !== undefined) transactions.expect({ count: known[1], crc: known[2] })
      for (const entry of this.#aborted) {
        if (entry.lastOffset >= base && entry.lastOffset < end) transactions.add(entry)
      }
      if (unclean) transactions.entries()
      transactions.save()
      const summary = transactions.summary()
      if (summary !== undefined) aborted.push([base, summary.count, summary.crc])
      else if (unclean) files.remove(transactions.file)
    }
    return { producers: this.#states?.record(this.#now) ?? this.#record.producers, aborted }
  }
}
