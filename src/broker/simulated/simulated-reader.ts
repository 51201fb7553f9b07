import type { Timers } from '../../sys/sys.ts'
import type { FetchedBatches, PartitionReader } from '../broker.ts'

/** What a reader asks of its simulated broker. */
export interface ReaderHost {
  readonly timers: Timers
  fetchBytes(wanted: number): number
  closed(): void
}

/** Reads through another reader, as from a cluster: fetches may be small or empty. */
export class SimulatedReader implements PartitionReader {
  readonly #inner: PartitionReader
  readonly #host: ReaderHost
  readonly #wake: () => void
  #starved = false
  #closed = false

  constructor(open: (wake: () => void) => PartitionReader, host: ReaderHost, wake: () => void) {
    this.#host = host
    this.#wake = wake
    this.#inner = open(() => this.#mayHaveMore())
  }

  poll(bytesMax: number): FetchedBatches | undefined {
    if (this.#closed) return undefined
    const wanted = this.#host.fetchBytes(bytesMax)
    const fetched = wanted > 0 ? this.#inner.poll(wanted) : undefined
    if (fetched !== undefined) return fetched
    this.#starved = true
    // The caller waits to be woken, and nothing new may ever come.
    if (wanted <= 0) this.#host.timers.after(1, () => this.#mayHaveMore())
    return undefined
  }

  atEnd(): boolean {
    return this.#inner.atEnd()
  }

  close(): void {
    this.#closed = true
    this.#inner.close()
    this.#host.closed()
  }

  #mayHaveMore(): void {
    if (!this.#starved || this.#closed) return
    this.#starved = false
    this.#wake()
  }
}
