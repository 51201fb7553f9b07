import type { Offset } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import { VarintReader } from '../../base/varint.ts'
import {
  BATCH_HEADER_BYTES,
  batchAttributes,
  batchBaseOffset,
  batchIsCompressed,
  batchRecordCount,
  batchSizeBytes,
} from '../../record/batch-header.ts'
import { decompress } from '../../record/compression.ts'

const COMPRESSION_BITS = 0x07
const NOTHING = new Uint8Array(0)

/**
 * Walks the records of a batch as ranges of bytes: what compaction has to know of them, and nothing more. The fields
 * describe the record under the cursor until the next call. The batch's checksum holds.
 */
export class RecordScanner {
  /** What the positions refer to: the batch's bytes, or its records when they were packed. */
  bytes: Uint8Array = NOTHING
  /** The records of the batch. */
  recordsStart = 0
  recordsEnd = 0
  /** Of the record, its length included. */
  start = 0
  end = 0
  offset: Offset = 0
  timestampDelta = 0
  /** Where timestamp delta begins and the offset delta behind it. */
  deltaStart = 0
  deltaEnd = 0
  /** -1 when the key is null. */
  keyStart = -1
  keyEnd = -1
  isTombstone = false

  readonly #cursor = new VarintReader(NOTHING)
  #baseOffset: Offset = 0
  #left = 0

  /** How many records the batch has. */
  count = 0

  /** Goes before the first record of the batch at `at`. */
  open(bytes: Uint8Array, at: number): void {
    const end = at + batchSizeBytes(bytes, at)
    if (batchIsCompressed(bytes, at)) {
      const codec = batchAttributes(bytes, at) & COMPRESSION_BITS
      this.bytes = decompress(bytes.subarray(at + BATCH_HEADER_BYTES, end), codec)
      this.recordsStart = 0
      this.recordsEnd = this.bytes.length
    } else {
      this.bytes = bytes
      this.recordsStart = at + BATCH_HEADER_BYTES
      this.recordsEnd = end
    }
    this.end = this.recordsStart
    this.#cursor.reset(this.bytes, this.recordsStart, this.recordsEnd)
    this.count = batchRecordCount(bytes, at)
    this.#left = this.count
    this.#baseOffset = batchBaseOffset(bytes, at)
  }

  /** Goes before the first of `count` records that begin at `from`, and reach to the end of the bytes. */
  walk(records: Uint8Array, from: number, count: number): void {
    this.bytes = records
    this.recordsStart = from
    this.recordsEnd = records.length
    this.end = from
    this.#cursor.reset(records, from, records.length)
    this.#left = count
    this.#baseOffset = 0
  }

  /** False behind the last record. @throws MillraceError MILLRACE_CORRUPT where lengths lead nowhere. */
  next(): boolean {
    if (this.#left === 0) return false
    this.#left -= 1
    const cursor = this.#cursor
    const start = this.end
    cursor.position = start
    const length = cursor.varint()
    const end = cursor.position + length
    this.start = start
    this.end = end
    // The attributes' byte has no meaning yet.
    this.deltaStart = cursor.position + 1
    cursor.position = this.deltaStart
    this.timestampDelta = cursor.varlong()
    this.deltaEnd = cursor.position
    this.offset = this.#baseOffset + cursor.varint()
    const keyBytes = cursor.varint()
    if (keyBytes < 0) {
      this.keyStart = -1
      this.keyEnd = -1
    } else {
      this.keyStart = cursor.position
      this.keyEnd = cursor.position + keyBytes
      cursor.position = this.keyEnd
    }
    this.isTombstone = cursor.varint() < 0
    if (length < 0 || end > this.recordsEnd || cursor.position >= end) {
      throw new MillraceError(
        'MILLRACE_CORRUPT',
        `the record at offset ${this.offset} ends at ${end} of ${this.recordsEnd}`,
      )
    }
    return true
  }
}
