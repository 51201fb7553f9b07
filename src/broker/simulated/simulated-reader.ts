import type { Offset } from '../../base/brands.ts'
import { batchBaseOffset, batchSizeBytes } from '../../record/batch-header.ts'
import type { Timers } from '../../sys/sys.ts'
import type { FetchedBatches, PartitionBounds, PartitionReader } from '../broker.ts'

/** What a reader asks of its simulated broker. */
export interface ReaderHost {
  readonly timers: Timers
  fetchBytes(wanted: number): number
  bounds(): PartitionBounds
  aborted(from: Offset): FetchedBatches['aborted']
  closed(): void
}

/**
 * Reads through another reader, as a reader of committed records on Kafka does: fetches may be small or empty, and
 * nothing at or behind the last stable offset is given. What the inner reader gave too early is kept.
 */
export class SimulatedReader implements PartitionReader {
  readonly #inner: PartitionReader
  readonly #host: ReaderHost
  readonly #wake: () => void
  #held: Uint8Array | undefined
  #starved = false
  #closed = false

  constructor(open: (wake: () => void) => PartitionReader, host: ReaderHost, wake: () => void) {
    this.#host = host
    this.#wake = wake
    this.#inner = open(() => this.mayHaveMore())
  }

  poll(bytesMax: number): FetchedBatches | undefined {
    if (this.#closed) return undefined
    const wanted = this.#host.fetchBytes(bytesMax)
    if (wanted <= 0) {
      this.#starved = true
      // The caller waits to be woken, and nothing new may ever come.
      this.#host.timers.after(1, () => this.mayHaveMore())
      return undefined
    }
    const bytes = this.#held ?? this.#inner.poll(wanted)?.bytes
    const bounds = this.#host.bounds()
    const stable = bytes === undefined ? 0 : stableBytes(bytes, bounds.lastStable)
    if (bytes === undefined || stable === 0) {
      this.#held = bytes
      this.#starved = true
      return undefined
    }
    this.#held = stable === bytes.length ? undefined : bytes.slice(stable)
    const from = batchBaseOffset(bytes, 0)
    return { bytes: bytes.slice(0, stable), from, bounds, aborted: this.#host.aborted(from) }
  }

  atEnd(): boolean {
    return this.#held === undefined && this.#inner.atEnd()
  }

  close(): void {
    this.#closed = true
    this.#inner.close()
    this.#host.closed()
  }

  /** There may be more, or the last stable offset moved. */
  mayHaveMore(): void {
    if (!this.#starved || this.#closed) return
    this.#starved = false
    this.#wake()
  }
}

/** Bytes of the batches before the last stable offset. */
function stableBytes(bytes: Uint8Array, lastStable: Offset): number {
  let at = 0
  while (at < bytes.length && batchBaseOffset(bytes, at) < lastStable) at += batchSizeBytes(bytes, at)
  return at
}
