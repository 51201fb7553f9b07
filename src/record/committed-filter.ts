import type { Offset, ProducerId } from '../base/brands.ts'
import {
  batchAttributes,
  batchLastOffset,
  batchProducerId,
  CONTROL_BIT,
  TRANSACTIONAL_BIT,
} from './batch-header.ts'
import { BatchReader } from './batch-reader.ts'

/** A transaction that was aborted, as a fetch answers it: it ends at its producer's next abort marker. */
export interface AbortedTransaction {
  readonly producerId: ProducerId
  readonly firstOffset: Offset
}

/** In the key of a control record: version i16, then this i16. */
const CONTROL_TYPE_ABORT = 0

/**
 * Tells which batches of a partition a reader of committed records may see, batch after batch in offset order.
 *
 * State: the aborted transactions that the batches have not reached yet, and the producers whose aborted transaction
 * is open at this place. A producer joins the latter when a batch reaches its first offset, and leaves with the abort
 * marker; what it writes afterwards is a new transaction.
 */
export class CommittedFilter {
  #pending: AbortedTransaction[] = []
  #next = 0
  readonly #aborting = new Set<ProducerId>()
  readonly #reader = new BatchReader()

  /** Begins a fetch answer: its batches, in order, go through `visible`, with its aborted transactions. */
  open(aborted: readonly AbortedTransaction[]): void {
    this.#pending =
      aborted.length < 2 ? [...aborted] : [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
    this.#next = 0
    this.#aborting.clear()
  }

  /** Whether the records of the batch at `at` are for users: neither markers nor of an aborted transaction. */
  visible(bytes: Uint8Array, at: number): boolean {
    const attributes = batchAttributes(bytes, at)
    if ((attributes & (CONTROL_BIT | TRANSACTIONAL_BIT)) === 0) return true
    const lastOffset = batchLastOffset(bytes, at)
    for (let next = this.#pending[this.#next]; next !== undefined; next = this.#pending[this.#next]) {
      if (next.firstOffset > lastOffset) break
      this.#aborting.add(next.producerId)
      this.#next += 1
    }
    const producerId = batchProducerId(bytes, at)
    if ((attributes & CONTROL_BIT) !== 0) {
      if (this.#isAbortMarker(bytes, at)) this.#aborting.delete(producerId)
      return false
    }
    return !this.#aborting.has(producerId)
  }

  #isAbortMarker(bytes: Uint8Array, at: number): boolean {
    this.#reader.open(bytes, at)
    // A compacted control batch may be empty: it marks nothing.
    if (!this.#reader.next()) return false
    const key = this.#reader.key()
    return (
      key !== null &&
      key.length >= 4 &&
      (((key[2] as number) << 8) | (key[3] as number)) === CONTROL_TYPE_ABORT
    )
  }
}
