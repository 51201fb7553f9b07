import type { Offset } from '../../base/brands.ts'
import type { Broker, PartitionReader, TopicDescription } from '../../broker/broker.ts'
import { batchLastOffset, batchPositions } from '../../record/batch-header.ts'
import { BatchReader } from '../../record/batch-reader.ts'
import { CommittedFilter } from '../../record/committed-filter.ts'
import { asBuffer } from '../../state/store-codec.ts'

const SLICE_BYTES = 1024 * 1024

/**
 * Reads a partition of a changelog from a position to the end that it had when the restore began, a slice at a time.
 * Restored means position >= end, never "saw the record before the end": there may be holes (SEMANTICS 6.5).
 */
export class RestoreLog {
  readonly end: Offset
  position: Offset
  /** Read so far. */
  bytes = 0
  readonly #reader: PartitionReader
  readonly #apply: (record: BatchReader) => void
  readonly #flush: () => void
  readonly #batch = new BatchReader()
  readonly #filter = new CommittedFilter()

  constructor(
    broker: Broker,
    topic: TopicDescription,
    partition: number,
    from: Offset,
    wake: () => void,
    apply: (record: BatchReader) => void,
    flush: () => void = () => undefined,
  ) {
    const { start, end } = broker.bounds(topic.id, partition)
    this.position = Math.max(from, start)
    this.end = end
    this.#apply = apply
    this.#flush = flush
    this.#reader = broker.read(topic.id, partition, this.position, wake)
  }

  get done(): boolean {
    return this.position >= this.end
  }

  /** False: nothing was there now. */
  step(): boolean {
    const fetched = this.#reader.poll(SLICE_BYTES)
    if (fetched === undefined) {
      if (!this.#reader.atEnd()) return false
      // What is missing up to the end are holes.
      this.position = this.end
      return true
    }
    // Once a slice: what decodes its keys needs a Buffer, and would make one a record.
    const bytes = asBuffer(fetched.bytes)
    this.bytes += bytes.length
    this.#filter.open(fetched.aborted)
    for (const at of batchPositions(bytes)) {
      const batchEnd = batchLastOffset(bytes, at) + 1
      if (batchEnd <= this.position) continue
      if (this.#filter.visible(bytes, at)) {
        this.#batch.open(bytes, at)
        while (this.#batch.next()) if (this.#batch.offset >= this.position) this.#apply(this.#batch)
      }
      this.position = batchEnd
    }
    this.#flush()
    return true
  }

  close(): void {
    this.#reader.close()
  }
}
