import type { Offset, PartitionId } from '../base/brands.ts'
import { changeBytes, type RowChange } from './subscription.ts'

/** What a view remembers for subscribers that come back. */
const BYTES_MAX = 4 * 1024 * 1024

/**
 * The latest changes of a view in the order of its commits, for a subscriber whose connection broke: it says the last
 * change it saw and gets those behind it. Bounded in bytes; whoever was away for longer begins anew.
 */
export class ChangeHistory {
  readonly #bytesMax: number
  #changes: RowChange[] = []
  /** The first one that is remembered. */
  #head = 0
  #bytes = 0

  constructor(bytesMax: number = BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  add(change: RowChange): void {
    this.#changes.push(change)
    this.#bytes += changeBytes(change)
    while (this.#bytes > this.#bytesMax) this.#bytes -= changeBytes(this.#changes[this.#head++] as RowChange)
    if (this.#head * 2 <= this.#changes.length) return
    this.#changes = this.#changes.slice(this.#head)
    this.#head = 0
  }

  /** The changes behind this one; undefined: it is not remembered. */
  after(partition: PartitionId, position: Offset, index: number): readonly RowChange[] | undefined {
    for (let at = this.#changes.length - 1; at >= this.#head; at--) {
      const change = this.#changes[at] as RowChange
      const same = change.partition === partition && change.position === position && change.index === index
      if (same) return this.#changes.slice(at + 1)
    }
    return undefined
  }
}
