import type { Offset } from '../../base/brands.ts'
import { BATCH_HEADER_BYTES, verifyBatch } from '../../record/batch-header.ts'
import type { Partition } from '../partition.ts'
import type { BatchPlace, Segment } from '../segment.ts'

const CHUNK_BYTES = 1024 * 1024

/**
 * The batches of a sealed segment one after the other, each of them checked: what compaction writes gets a new
 * checksum, and must not make damage look whole.
 */
export class SegmentBatches {
  bytes: Uint8Array = new Uint8Array(0)
  /** Of the batch under the cursor, in `bytes`. */
  at = 0
  readonly #partition: Partition
  readonly #segment: Segment
  #chunk: Uint8Array = new Uint8Array(0)
  /** Where `bytes` begins in the file. */
  #bytesAt = 0
  #position = 0
  #expected: Offset

  constructor(partition: Partition, segment: Segment) {
    this.#partition = partition
    this.#segment = segment
    this.#expected = segment.base
  }

  /** Behind the batch under the cursor, in the file. */
  get position(): number {
    return this.#position
  }

  /** Undefined behind the last batch. @throws MillraceError MILLRACE_CORRUPT with file and position. */
  next(): BatchPlace | undefined {
    const segment = this.#segment
    const limit = segment.sizeBytes
    if (this.#position >= limit) return undefined
    let at = this.#position - this.#bytesAt
    if (at + BATCH_HEADER_BYTES > this.bytes.length) at = this.#read(CHUNK_BYTES)
    if (this.bytes.length < BATCH_HEADER_BYTES) throw segment.damage(this.#position, 'a batch is cut off')
    let batch = segment.head(this.bytes, at, this.#position, limit, this.#expected)
    if (at + batch.sizeBytes > this.bytes.length) {
      at = this.#read(Math.max(CHUNK_BYTES, batch.sizeBytes))
      batch = segment.head(this.bytes, at, this.#position, limit, this.#expected)
    }
    this.#partition.checkEpoch(segment, batch)
    const wrong = verifyBatch(this.bytes, at, this.bytes.length)
    if (wrong !== undefined) throw segment.damage(this.#position, wrong)
    this.at = at
    this.#position += batch.sizeBytes
    this.#expected = batch.last + 1
    return batch
  }

  /** Reads from the position on. Returns where that is in the bytes. */
  #read(wanted: number): number {
    const count = Math.min(wanted, this.#segment.sizeBytes - this.#position)
    if (this.#chunk.length < count)
      this.#chunk = new Uint8Array(Math.max(count, Math.min(CHUNK_BYTES, this.#segment.sizeBytes)))
    this.bytes = this.#chunk.subarray(0, count)
    this.#bytesAt = this.#position
    this.#segment.read(this.bytes, this.#position)
    return 0
  }
}
