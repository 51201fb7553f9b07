import type { Offset } from '../../base/brands.ts'
import type { LogPartition } from '../../log/log.ts'
import type { FetchedBatches, Isolation, PartitionReader } from '../broker.ts'
import { boundsOf } from './bounds.ts'

const NONE_ABORTED: FetchedBatches['aborted'] = Object.freeze([])

/** Reads a partition of the log on this machine. It fetches nothing ahead: the page cache does. */
export class LocalReader implements PartitionReader {
  readonly #partition: LogPartition
  readonly #wake: () => void
  readonly #committedOnly: boolean
  #position: Offset
  /** The last poll found nothing, and nobody was woken since. */
  #starved = false
  #stopFollowing: (() => void) | undefined

  constructor(partition: LogPartition, from: Offset, wake: () => void, isolation: Isolation) {
    this.#partition = partition
    this.#position = from
    this.#wake = wake
    this.#committedOnly = isolation === 'read_committed'
    this.#stopFollowing = partition.follow(() => this.#mayHaveMore())
  }

  poll(bytesMax: number): FetchedBatches | undefined {
    if (this.#stopFollowing === undefined) return undefined
    const partition = this.#partition
    const read = partition.read(this.#position, bytesMax, this.#limit())
    if (read === undefined) {
      this.#starved = true
      return undefined
    }
    this.#position = read.next
    const aborted = this.#committedOnly ? partition.aborted(read.from, read.next) : NONE_ABORTED
    return { bytes: read.bytes, from: read.from, bounds: boundsOf(partition), aborted }
  }

  atEnd(): boolean {
    return this.#position >= this.#partition.end
  }

  close(): void {
    this.#stopFollowing?.()
    this.#stopFollowing = undefined
  }

  #limit(): Offset {
    return this.#committedOnly ? this.#partition.lastStable : this.#partition.end
  }

  /** Something was acknowledged: records, the end of a transaction that held us back, or the end of the topic. */
  #mayHaveMore(): void {
    if (!this.#starved || (this.#position >= this.#limit() && !this.#partition.removed)) return
    this.#starved = false
    this.#wake()
  }
}
