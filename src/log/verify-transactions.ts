import type { Offset } from '../base/brands.ts'
import { batchAttributes, batchProducerId, CONTROL_BIT } from '../record/batch-header.ts'
import { readEndMarker } from '../record/control-batch.ts'
import { ABORTED_ENTRY_BYTES, type AbortedEntry } from './aborted-index.ts'
import { concernsProducers, ProducerStates, UNLIMITED } from './producer-states.ts'
import type { Segment } from './segment.ts'

interface IndexFault {
  readonly file: string
  readonly position: number
  readonly what: string
}

/**
 * Compares the transaction indexes of a partition with its batches, which are shown to it one after the other.
 *
 * A transaction may have begun in a segment that is gone, and compaction removes what was aborted: so an index may know
 * of earlier beginnings than the batches, and of transactions without batches; never of one without an abort marker.
 */
export class TransactionVerifier {
  readonly #states = new ProducerStates('', UNLIMITED)
  /** Of the present segment. */
  #aborted: AbortedEntry[] = []
  readonly #markers = new Set<string>()

  note(bytes: Uint8Array, at: number, first: Offset): void {
    if (!concernsProducers(bytes, at)) return
    this.#states.replay(bytes, at, first, 0)
    this.#aborted.push(...this.#states.placed())
    this.#states.acknowledged(first + 1)
    if ((batchAttributes(bytes, at) & CONTROL_BIT) === 0 || readEndMarker(bytes, at)?.kind !== 'abort') return
    this.#markers.add(nameOf(batchProducerId(bytes, at), first))
  }

  /** All batches of the segment were shown. */
  faultOf({ transactions }: Segment): IndexFault | undefined {
    const aborted = this.#aborted
    this.#aborted = []
    const { file } = transactions
    const unread = transactions.fault()
    if (unread !== undefined) return { file, position: 0, what: unread }
    // Known to be lost since a crash: it is made again when it is needed.
    const entries = transactions.entries()
    if (entries === undefined) return undefined
    const index = entries.findIndex((entry) => !this.#markers.has(nameOf(entry.producerId, entry.lastOffset)))
    if (index >= 0) {
      const what = `there is no abort marker at offset ${entries[index]?.lastOffset}; remove the file, it is made again`
      return { file, position: index * ABORTED_ENTRY_BYTES, what }
    }
    const missing = aborted.find((wanted) => !entries.some((entry) => covers(entry, wanted)))
    if (missing === undefined) return undefined
    const what = `the transaction that was aborted at offset ${missing.lastOffset} is missing; remove the file, it is made again`
    return { file, position: entries.length * ABORTED_ENTRY_BYTES, what }
  }
}

function covers(entry: AbortedEntry, wanted: AbortedEntry): boolean {
  return (
    entry.producerId === wanted.producerId &&
    entry.lastOffset === wanted.lastOffset &&
    entry.firstOffset <= wanted.firstOffset &&
    entry.lastStable <= wanted.lastStable
  )
}

function nameOf(producerId: number, offset: Offset): string {
  return `${producerId}@${offset}`
}
