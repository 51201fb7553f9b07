import { assert } from '../base/assert.ts'
import type { Offset, Timestamp } from '../base/brands.ts'
import { readInt32, readInt64, writeInt32, writeInt64 } from '../base/int64.ts'

/*
 * The two indexes of a segment, byte for byte as Kafka writes them; numbers are big-endian.
 *
 *   .index      per entry: i32 last offset of a batch, less the segment's base | i32 position of that batch
 *   .timeindex  per entry: i64 greatest timestamp so far | i32 last offset of the batch that has it, less the base
 *
 * An entry of each is due for the first batch that begins more than 4096 bytes after the last entry's; the time index
 * leaves it out where the greatest timestamp did not grow. Both can be made again from the segment.
 */
export const INDEX_INTERVAL_BYTES = 4096
export const OFFSET_ENTRY_BYTES = 8
export const TIME_ENTRY_BYTES = 12

/** The indexes of one segment in memory, growing with it. A few ten thousand numbers for 64 MiB. */
export class SegmentIndex {
  readonly #base: Offset
  /** Pairs: relative offset, position. */
  #offsets = new Int32Array(16)
  #offsetCount = 0
  #timestamps = new Float64Array(8)
  #timeOffsets = new Int32Array(8)
  #timeCount = 0
  #bytesSinceEntry = 0
  #maxTimestamp: Timestamp = Number.MIN_SAFE_INTEGER
  #maxTimestampOffset: Offset

  constructor(base: Offset) {
    this.#base = base
    this.#maxTimestampOffset = base
  }

  get offsetCount(): number {
    return this.#offsetCount
  }

  /** What it takes of memory, roughly. */
  get memoryBytes(): number {
    return 200 + this.#offsets.byteLength + this.#timestamps.byteLength + this.#timeOffsets.byteLength
  }

  get timeCount(): number {
    return this.#timeCount
  }

  /** The greatest timestamp of the segment; MIN_SAFE_INTEGER while it is empty. */
  get maxTimestamp(): Timestamp {
    return this.#maxTimestamp
  }

  /** Takes note of a batch that was appended. */
  add(position: number, sizeBytes: number, lastOffset: Offset, maxTimestamp: Timestamp): void {
    if (maxTimestamp > this.#maxTimestamp) {
      this.#maxTimestamp = maxTimestamp
      this.#maxTimestampOffset = lastOffset
    }
    if (this.#bytesSinceEntry > INDEX_INTERVAL_BYTES) {
      this.#addOffset(lastOffset - this.#base, position)
      this.#addTime()
      this.#bytesSinceEntry = 0
    }
    this.#bytesSinceEntry += sizeBytes
  }

  /** The segment is closed: its greatest timestamp gets an entry, as in Kafka. */
  seal(): void {
    if (this.#maxTimestamp !== Number.MIN_SAFE_INTEGER) this.#addTime()
  }

  /** Where to begin looking for `offset`: at or before the batch that holds it. */
  positionOf(offset: Offset): number {
    const entry = this.#lastAtMost(offset - this.#base)
    return entry < 0 ? 0 : (this.#offsets[2 * entry + 1] as number)
  }

  /** The last offset of the batch at a position that `positionOf` gave; undefined for the segment's begin. */
  lastOffsetAt(offset: Offset): Offset | undefined {
    const entry = this.#lastAtMost(offset - this.#base)
    return entry < 0 ? undefined : this.#base + (this.#offsets[2 * entry] as number)
  }

  /** The last entry of a lower timestamp: up to its offset, everything is earlier. Undefined: none is known to be. */
  lastBefore(timestamp: Timestamp): { readonly timestamp: Timestamp; readonly offset: Offset } | undefined {
    let low = 0
    let high = this.#timeCount
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#timestamps[middle] as number) < timestamp) low = middle + 1
      else high = middle
    }
    if (low === 0) return undefined
    const offset = this.#base + (this.#timeOffsets[low - 1] as number)
    return { timestamp: this.#timestamps[low - 1] as number, offset }
  }

  /** The bytes of the `.index` file from an entry on. */
  offsetBytes(fromEntry = 0): Uint8Array {
    const bytes = new Uint8Array((this.#offsetCount - fromEntry) * OFFSET_ENTRY_BYTES)
    for (let index = 2 * fromEntry; index < 2 * this.#offsetCount; index += 1) {
      writeInt32(bytes, (index - 2 * fromEntry) * 4, this.#offsets[index] as number)
    }
    return bytes
  }

  /** The bytes of the `.timeindex` file from an entry on. */
  timeBytes(fromEntry = 0): Uint8Array {
    const bytes = new Uint8Array((this.#timeCount - fromEntry) * TIME_ENTRY_BYTES)
    for (let entry = fromEntry; entry < this.#timeCount; entry += 1) {
      const at = (entry - fromEntry) * TIME_ENTRY_BYTES
      writeInt64(bytes, at, this.#timestamps[entry] as number)
      writeInt32(bytes, at + 8, this.#timeOffsets[entry] as number)
    }
    return bytes
  }

  /**
   * Takes the entries of index files that lie within the first `sizeBytes` of the segment, up to the first that makes
   * no sense (a crash may have left anything). Returns from where on the segment must be looked at again.
   */
  load(offsetBytes: Uint8Array, timeBytes: Uint8Array, sizeBytes: number): number {
    assert(this.#offsetCount === 0 && this.#bytesSinceEntry === 0, 'an index is loaded when it is new')
    for (let at = 0; at + OFFSET_ENTRY_BYTES <= offsetBytes.length; at += OFFSET_ENTRY_BYTES) {
      const offset = readInt32(offsetBytes, at)
      const position = readInt32(offsetBytes, at + 4)
      const last = this.#offsetCount - 1
      const above =
        last < 0 ||
        (offset > (this.#offsets[2 * last] as number) && position > (this.#offsets[2 * last + 1] as number))
      if (!above || offset < 0 || position <= INDEX_INTERVAL_BYTES || position >= sizeBytes) break
      this.#addOffset(offset, position)
    }
    if (this.#offsetCount === 0) return 0
    const lastOffset = this.#offsets[2 * this.#offsetCount - 2] as number
    for (let at = 0; at + TIME_ENTRY_BYTES <= timeBytes.length; at += TIME_ENTRY_BYTES) {
      // A timestamp beyond the safe integers is damage; the entry then counts as the end.
      const high = readInt32(timeBytes, at)
      if (high >= 0x20_0000 || high < -0x20_0000) break
      const timestamp = readInt64(timeBytes, at)
      const offset = readInt32(timeBytes, at + 8)
      if (offset < 0 || offset > lastOffset) break
      const last = this.#timeCount - 1
      if (last >= 0 && timestamp <= (this.#timestamps[last] as number)) break
      if (last >= 0 && offset <= (this.#timeOffsets[last] as number)) break
      this.#maxTimestamp = timestamp
      this.#maxTimestampOffset = this.#base + offset
      this.#addTime()
    }
    return this.#offsets[2 * this.#offsetCount - 1] as number
  }

  /** After `load`: the batch at the position it returned, which has its entry already. */
  resume(sizeBytes: number, lastOffset: Offset, maxTimestamp: Timestamp): boolean {
    this.#bytesSinceEntry = sizeBytes
    if (maxTimestamp > this.#maxTimestamp) return false
    return lastOffset === this.#base + (this.#offsets[2 * this.#offsetCount - 2] as number)
  }

  #lastAtMost(relative: number): number {
    let low = 0
    let high = this.#offsetCount
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#offsets[2 * middle] as number) <= relative) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  #addOffset(relative: number, position: number): void {
    if (2 * this.#offsetCount === this.#offsets.length) {
      const larger = new Int32Array(this.#offsets.length * 2)
      larger.set(this.#offsets)
      this.#offsets = larger
    }
    this.#offsets[2 * this.#offsetCount] = relative
    this.#offsets[2 * this.#offsetCount + 1] = position
    this.#offsetCount += 1
  }

  #addTime(): void {
    const count = this.#timeCount
    if (count > 0 && this.#maxTimestamp <= (this.#timestamps[count - 1] as number)) return
    if (count === this.#timestamps.length) {
      const timestamps = new Float64Array(count * 2)
      timestamps.set(this.#timestamps)
      this.#timestamps = timestamps
      const offsets = new Int32Array(count * 2)
      offsets.set(this.#timeOffsets)
      this.#timeOffsets = offsets
    }
    this.#timestamps[count] = this.#maxTimestamp
    this.#timeOffsets[count] = this.#maxTimestampOffset - this.#base
    this.#timeCount += 1
  }
}
