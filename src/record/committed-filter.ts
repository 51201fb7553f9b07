import type { Offset, ProducerId } from '../base/brands.ts'
import {
  batchAttributes,
  batchLastOffset,
  batchProducerId,
  CONTROL_BIT,
  TRANSACTIONAL_BIT,
} from './batch-header.ts'
import { decodeRecords } from './batch-reader.ts'
import { readEndMarker } from './control-batch.ts'
import type { StoredRecord } from './record.ts'

/** A transaction that was aborted, as a fetch answers it: it ends at its producer's next abort marker. */
export interface AbortedTransaction {
  readonly producerId: ProducerId
  readonly firstOffset: Offset
}

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
      if (readEndMarker(bytes, at)?.kind === 'abort') this.#aborting.delete(producerId)
      return false
    }
    return !this.#aborting.has(producerId)
  }
}

/** The records of a fetch answer that are for users. Copies nothing; for tools and tests. */
export function decodeCommitted(bytes: Uint8Array, aborted: readonly AbortedTransaction[]): StoredRecord[] {
  const filter = new CommittedFilter()
  filter.open(aborted)
  return decodeRecords(bytes, (at) => filter.visible(bytes, at))
}
