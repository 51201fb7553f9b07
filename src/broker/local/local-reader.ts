import type { Offset } from '../../base/brands.ts'
import type { LogPartition } from '../../log/log.ts'
import type { FetchedBatches, PartitionReader } from '../broker.ts'
import { boundsOf } from './bounds.ts'

const NONE_ABORTED: FetchedBatches['aborted'] = Object.freeze([])

/** Reads a partition of the log on this machine. It fetches nothing ahead: the page cache does. */
export class LocalReader implements PartitionReader {
  readonly #partition: LogPartition
  readonly #wake: () => void
  #position: Offset
  /** The last poll found nothing, and nobody was woken since. */
  #starved = false
  #stopFollowing: (() => void) | undefined

  constructor(partition: LogPartition, from: Offset, wake: () => void) {
    this.#partition = partition
    this.#position = from
    this.#wake = wake
    this.#stopFollowing = partition.follow(() => this.#mayHaveMore())
  }

  poll(bytesMax: number): FetchedBatches | undefined {
    if (this.#stopFollowing === undefined) return undefined
    const read = this.#partition.read(this.#position, bytesMax)
    if (read === undefined) {
      this.#starved = true
      return undefined
    }
    this.#position = read.next
    return { bytes: read.bytes, from: read.from, bounds: boundsOf(this.#partition), aborted: NONE_ABORTED }
  }

  atEnd(): boolean {
    return this.#position >= this.#partition.end
  }

  close(): void {
    this.#stopFollowing?.()
    this.#stopFollowing = undefined
  }

  #mayHaveMore(): void {
    if (!this.#starved) return
    this.#starved = false
    this.#wake()
  }
}
