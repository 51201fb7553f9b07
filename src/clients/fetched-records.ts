/**
 * A cursor over the records of one fetch that are for users: no markers, nothing of aborted transactions, nothing before
 * the wanted offset. It stands on one record at a time, or behind the last one.
 *
 * Nothing is made of a record before it is asked for; whoever decodes it on the spot uses `reader`, which turns many
 * records into text at once.
 */
import type { Offset } from '../base/brands.ts'
import { MillraceError, messageOf } from '../base/errors.ts'
import type { FetchedBatches } from '../broker/broker.ts'
import {
  batchAttributes,
  batchBaseOffset,
  batchLastOffset,
  batchPositions,
  batchRecordCount,
  CONTROL_BIT,
} from '../record/batch-header.ts'
import { BatchReader } from '../record/batch-reader.ts'
import { CommittedFilter } from '../record/committed-filter.ts'

const NOTHING = new Uint8Array(0)

export class FetchedRecords {
  /** Shows the record under the cursor, while `here`. */
  readonly reader = new BatchReader()
  readonly #name: string
  readonly #filter = new CommittedFilter()
  #bytes: Uint8Array = NOTHING
  /** Positions of the batches with something for users. */
  #batches: number[] = []
  /** Of the next batch in `#batches`. */
  #next = 0
  /** Records of the open batch behind the cursor. */
  #left = 0
  #here = false
  #from: Offset = 0
  #damage: Error | undefined

  /** @param name of the partition, for messages. */
  constructor(name: string) {
    this.#name = name
  }

  /**
   * Begins another fetch; the cursor stands before its first record.
   * @param from records before it are passed: the first batch may begin before the wanted offset.
   * @returns the offset behind its last batch.
   */
  open({ bytes, aborted }: FetchedBatches, from: Offset): Offset {
    this.clear()
    this.#bytes = bytes
    this.#from = from
    this.#filter.open(aborted)
    let end = from
    for (const at of batchPositions(bytes)) {
      end = batchLastOffset(bytes, at) + 1
      // The filter must see every batch, the markers too.
      const isVisible = this.#filter.visible(bytes, at) && (batchAttributes(bytes, at) & CONTROL_BIT) === 0
      if (isVisible && batchRecordCount(bytes, at) > 0) this.#batches.push(at)
    }
    return end
  }

  /** Drops what was fetched. */
  clear(): void {
    this.#bytes = NOTHING
    this.#batches = []
    this.#next = 0
    this.#left = 0
    this.#here = false
  }

  /** There is a record under the cursor or behind it. */
  get more(): boolean {
    return this.#here || this.#left > 0 || this.#next < this.#batches.length
  }

  /**
   * Goes to the next record if the one under the cursor was passed; false when there is none.
   * Throws MILLRACE_CORRUPT, again and again: nothing behind damage is handed out.
   */
  seek(): boolean {
    if (this.#damage !== undefined) throw this.#damage
    try {
      while (!this.#here) {
        if (this.#left === 0 && !this.#openNext()) return false
        this.#left -= 1
        this.#here = this.reader.next() && this.reader.offset >= this.#from
      }
      return true
    } catch (error) {
      this.#damage = this.#damaged(error)
      throw this.#damage
    }
  }

  /** The record under the cursor was handed out. */
  pass(): void {
    this.#here = false
  }

  #openNext(): boolean {
    const at = this.#batches[this.#next]
    if (at === undefined) return false
    this.#next += 1
    this.reader.open(this.#bytes, at)
    this.#left = this.reader.recordCount
    return true
  }

  #damaged(error: unknown): MillraceError {
    const at = this.#batches[this.#next - 1] ?? 0
    const place = `${this.#name}@${batchBaseOffset(this.#bytes, at)}`
    return new MillraceError('MILLRACE_CORRUPT', `the record batch at ${place}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
