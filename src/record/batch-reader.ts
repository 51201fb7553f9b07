import type { Offset, Timestamp } from '../base/brands.ts'
import { MillraceError, messageOf } from '../base/errors.ts'
import { VarintReader } from '../base/varint.ts'
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchAttributes,
  batchBaseOffset,
  batchBaseTimestamp,
  batchMaxTimestamp,
  batchPositions,
  batchRecordCount,
  batchSizeBytes,
  CONTROL_BIT,
  TIMESTAMP_TYPE_BIT,
} from './batch-header.ts'
import { decompress } from './compression.ts'
import { NO_HEADERS, type RecordHeader, type StoredRecord } from './record.ts'
import type { TextSource } from './serde.ts'

const COMPRESSION_BITS = 0x07
/** Of the text made at once. More than 128 KiB would be a large object, whose fresh pages cost six times the copy. */
const WINDOW_BYTES = 32 * 1024
const NOTHING = new Uint8Array(0)

/**
 * Reads the records of one batch after the other, without an object a record.
 *
 * State: the batch's bytes (or its decompressed records) and plain fields that describe the record under the cursor;
 * they hold until the next `next` or `open`. The batch was verified before (`verifyBatch`), but a writer can seal
 * nonsense with a right checksum: every length is checked against the bytes, and nonsense is MILLRACE_CORRUPT.
 *
 * Text: a window of the bytes from the record under the cursor on is one latin1 string, and the text of an ASCII range
 * is a substring of it: one native call for many records. Whether its ranges are ASCII is decided for the window as a
 * whole by counting: bytes above 127 in it, less those in lengths and deltas; if some are left, range by range.
 */
export class BatchReader implements TextSource {
  /** What the positions below refer to. Not the bytes given to `open` when the batch is compressed. */
  bytes: Uint8Array = NOTHING
  /** The same bytes. */
  view: DataView = new DataView(NOTHING.buffer)
  offset: Offset = 0
  timestamp: Timestamp = 0
  /** -1 when the key is null; then `keyEnd` is -1 too. */
  keyStart = -1
  keyEnd = -1
  /** -1 when the value is null (a tombstone); then `valueEnd` is -1 too. */
  valueStart = -1
  valueEnd = -1
  /** Which byte is the first character of what `latin1` returned last. */
  latin1From = 0

  #cursor = new VarintReader(NOTHING)
  #recordsStart = 0
  #recordsEnd = 0
  #recordCount = 0
  #recordsLeft = 0
  #baseOffset: Offset = 0
  #baseTimestamp: Timestamp = 0
  /** The batch's timestamp when the log set it: it then counts for every record. */
  #appendTimestamp: Timestamp | undefined = undefined
  #headersStart = 0
  #recordStart = 0
  #recordEnd = 0
  #control = false
  #window = ''
  #windowEnd = 0
  /** Of all keys and values in the window; undefined: nobody asked. */
  #ascii: boolean | undefined = undefined

  /** True for a marker of the log's own (the end of a transaction): its records are not for users. */
  get control(): boolean {
    return this.#control
  }

  /** How many records the open batch has in all. */
  get recordCount(): number {
    return this.#recordCount
  }

  /** Goes before the first record of the batch at `at`. The bytes must not change while it is read. */
  open(bytes: Uint8Array, at: number): void {
    const left = bytes.length - at
    const sizeBytes = left < BATCH_HEADER_BYTES ? BATCH_HEADER_BYTES : batchSizeBytes(bytes, at)
    if (sizeBytes > left || sizeBytes < BATCH_HEADER_BYTES || bytes[at + 16] !== BATCH_MAGIC) {
      throw new MillraceError(
        'MILLRACE_CORRUPT',
        `no record batch of format ${BATCH_MAGIC} begins at byte ${at}: it says ${sizeBytes} bytes of ${left}, format ${bytes[at + 16]}`,
      )
    }
    const attributes = batchAttributes(bytes, at)
    const codec = attributes & COMPRESSION_BITS
    if (codec === 0) {
      this.bytes = bytes
      this.#recordsStart = at + BATCH_HEADER_BYTES
      this.#recordsEnd = at + sizeBytes
    } else {
      this.bytes = decompress(bytes.subarray(at + BATCH_HEADER_BYTES, at + sizeBytes), codec)
      this.#recordsStart = 0
      this.#recordsEnd = this.bytes.length
    }
    const { buffer, byteOffset, byteLength } = this.bytes
    const { view } = this
    // A chunk has many batches.
    if (view.buffer !== buffer || view.byteOffset !== byteOffset || view.byteLength !== byteLength) {
      this.view = new DataView(buffer, byteOffset, byteLength)
    }
    this.#cursor.reset(this.bytes, this.#recordsStart, this.#recordsEnd)
    this.#recordEnd = this.#recordsStart
    this.#recordCount = batchRecordCount(bytes, at)
    this.#recordsLeft = this.#recordCount
    this.#baseOffset = batchBaseOffset(bytes, at)
    this.#baseTimestamp = batchBaseTimestamp(bytes, at)
    this.#appendTimestamp = (attributes & TIMESTAMP_TYPE_BIT) === 0 ? undefined : batchMaxTimestamp(bytes, at)
    this.#control = (attributes & CONTROL_BIT) !== 0
    this.#windowEnd = 0
  }

  /** Goes to the next record; false behind the last one. */
  next(): boolean {
    if (this.#recordsLeft <= 0) {
      // A batch without records may have room behind its head: a repair put it in the place of something longer.
      if (this.#recordEnd !== this.#recordsEnd && this.#recordCount > 0)
        throw this.#damaged(`${this.#recordsEnd - this.#recordEnd} bytes lie behind the last record`)
      return false
    }
    this.#recordsLeft -= 1
    const cursor = this.#cursor
    cursor.position = this.#recordStart = this.#recordEnd
    const length = cursor.varint()
    const end = cursor.position + length
    if (length < 0 || end > this.#recordsEnd) throw this.#damaged(`a length of ${length} bytes`)
    this.#recordEnd = end
    // The attributes' byte has no meaning yet.
    cursor.position += 1
    const timestampDelta = cursor.varlong()
    this.offset = this.#baseOffset + cursor.varint()
    this.timestamp = this.#appendTimestamp ?? this.#baseTimestamp + timestampDelta
    const keyBytes = cursor.varint()
    if (keyBytes >= 0) {
      this.keyStart = cursor.position
      this.keyEnd = cursor.position = this.keyStart + keyBytes
    } else {
      this.keyStart = this.keyEnd = -1
    }
    // A key that is too long leaves the cursor behind the end: this read then refuses.
    const valueBytes = cursor.varint()
    if (valueBytes >= 0) {
      this.valueStart = cursor.position
      this.valueEnd = cursor.position = this.valueStart + valueBytes
    } else {
      this.valueStart = this.valueEnd = -1
    }
    this.#headersStart = cursor.position
    // At least the number of headers must be left; the headers themselves are checked when someone asks for them.
    if (cursor.position >= end) throw this.#damaged('its parts are longer than the record')
    return true
  }

  /** The key's bytes, not copied: they are the batch's. */
  key(): Uint8Array | null {
    return this.keyStart < 0 ? null : this.bytes.subarray(this.keyStart, this.keyEnd)
  }

  /** The value's bytes, not copied: they are the batch's. */
  value(): Uint8Array | null {
    return this.valueStart < 0 ? null : this.bytes.subarray(this.valueStart, this.valueEnd)
  }

  /** The headers of the record under the cursor, decoded now. Values are not copied. */
  headers(): readonly RecordHeader[] {
    if (this.#headersStart + 1 === this.#recordEnd && this.bytes[this.#headersStart] === 0) return NO_HEADERS
    const cursor = this.#cursor
    cursor.position = this.#headersStart
    const count = cursor.varint()
    // The shortest header, an empty key and a null value, has two bytes.
    if (count < 0 || count * 2 > this.#recordEnd - cursor.position) throw this.#damaged(`${count} headers`)
    const headers: RecordHeader[] = []
    for (let index = 0; index < count; index += 1) {
      const keyBytes = cursor.varint()
      const keyStart = cursor.position
      cursor.position = keyStart + keyBytes
      if (keyBytes < 0 || cursor.position > this.#recordEnd)
        throw this.#damaged(`a header key of ${keyBytes} bytes`)
      const key = utf8(this.bytes, keyStart, cursor.position)
      const valueBytes = cursor.varint()
      const valueStart = cursor.position
      if (valueBytes >= 0) cursor.position = valueStart + valueBytes
      if (cursor.position > this.#recordEnd) throw this.#damaged(`a header value of ${valueBytes} bytes`)
      headers.push({ key, value: valueBytes < 0 ? null : this.bytes.subarray(valueStart, cursor.position) })
    }
    if (cursor.position !== this.#recordEnd) throw this.#damaged('bytes lie behind its headers')
    return headers
  }

  /**
   * The UTF-8 text of bytes [start, end) of the open batch. It may share the memory of the batch's text: parse it now
   * (JSON.parse copies what it returns), or make a copy of what you keep.
   */
  text(start: number, end: number): string {
    if (start < this.#recordStart || end > this.#recordEnd) return utf8(this.bytes, start, end)
    const window = this.latin1(end)
    this.#ascii ??= this.#isWindowAscii()
    if (this.#ascii || isAscii(this.bytes, start, end)) {
      return window.substring(start - this.latin1From, end - this.latin1From)
    }
    return utf8(this.bytes, start, end)
  }

  /**
   * The bytes from `latin1From` to `end` or behind it, each as one character. `end` lies in the record under the
   * cursor, and the text begins with that record or before it. Substrings share its memory.
   */
  latin1(end: number): string {
    if (end > this.#windowEnd) {
      this.latin1From = this.#recordStart
      this.#windowEnd = Math.max(this.#recordEnd, Math.min(this.#recordsEnd, this.latin1From + WINDOW_BYTES))
      this.#window = latin1(this.bytes, this.latin1From, this.#windowEnd)
      this.#ascii = undefined
    }
    return this.#window
  }

  #isWindowAscii(): boolean {
    // Node counts a one-byte string's UTF-8 length with vector instructions: each byte above 127 adds one.
    const high = Buffer.byteLength(this.#window, 'utf8') - this.#window.length
    return high === 0 || high === this.#highBytesOfFraming()
  }

  /**
   * Bytes above 127 in the window's lengths and deltas, -1 where they lead nowhere. Headers are not walked: where they
   * have such bytes, ranges are checked.
   */
  #highBytesOfFraming(): number {
    const bytes = this.bytes
    const windowEnd = this.#windowEnd
    const cursor = new VarintReader(bytes, this.latin1From, this.#recordsEnd)
    let high = 0
    while (cursor.position < windowEnd) {
      const start = cursor.position
      const end = cursor.varint() + cursor.position
      cursor.position += 1
      cursor.varlong()
      cursor.varint()
      const keyBytes = cursor.varint()
      high += highBytes(bytes, start, Math.min(cursor.position, windowEnd))
      if (keyBytes > 0) cursor.position += keyBytes
      const valueAt = cursor.position
      const valueBytes = cursor.varint()
      high += highBytes(bytes, valueAt, Math.min(cursor.position, windowEnd))
      if (valueBytes > 0) cursor.position += valueBytes
      if (cursor.position > end || end > this.#recordsEnd) return -1
      cursor.position = end
    }
    return high
  }

  #damaged(what: string): MillraceError {
    const number = this.#recordCount - this.#recordsLeft
    return new MillraceError(
      'MILLRACE_CORRUPT',
      `record ${number} of ${this.#recordCount} in the batch at offset ${this.#baseOffset} is damaged: ${what}`,
    )
  }
}

/**
 * The records of `bytes` (whole batches, verified), control batches left out, and batches for which `wanted` says no.
 * Copies nothing; for tools and tests.
 */
export function decodeRecords(bytes: Uint8Array, wanted?: (at: number) => boolean): StoredRecord[] {
  const reader = new BatchReader()
  const records: StoredRecord[] = []
  for (const at of batchPositions(bytes)) {
    if (wanted?.(at) === false) continue
    reader.open(bytes, at)
    if (reader.control) continue
    try {
      while (reader.next()) {
        const { offset, timestamp } = reader
        records.push({
          offset,
          timestamp,
          key: reader.key(),
          value: reader.value(),
          headers: reader.headers(),
        })
      }
    } catch (error) {
      throw new MillraceError('MILLRACE_CORRUPT', `the record batch at byte ${at}: ${messageOf(error)}`, {
        cause: error,
      })
    }
  }
  return records
}

function highBytes(bytes: Uint8Array, start: number, end: number): number {
  let high = 0
  for (let at = start; at < end; at += 1) high += (bytes[at] as number) >>> 7
  return high
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  let bits = 0
  for (let at = start; at < end; at += 1) bits |= bytes[at] as number
  return bits < 0x80
}

// Called on the prototype: a plain Uint8Array has no such methods, and wrapping each batch in a Buffer would allocate.
const { latin1Slice, utf8Slice } = Buffer.prototype

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(bytes, start, end)
}

function utf8(bytes: Uint8Array, start: number, end: number): string {
  return utf8Slice.call(bytes, start, end)
}
