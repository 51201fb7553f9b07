import { assert } from '../base/assert.ts'
import type { ProducerId, Timestamp } from '../base/brands.ts'
import { crc32c } from '../base/crc32c.ts'
import { MillraceError } from '../base/errors.ts'
import { writeInt32, writeInt64 } from '../base/int64.ts'
import { varintSize, varlongSize, writeVarint, writeVarlong } from '../base/varint.ts'
import {
  BATCH_ATTRIBUTES_AT,
  BATCH_CRC_AT,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  BATCH_PREFIX_BYTES,
  COMPRESSION_NAMES,
  CONTROL_BIT,
  type CompressionName,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  TIMESTAMP_TYPE_BIT,
  type TimestampType,
  TRANSACTIONAL_BIT,
} from './batch-header.ts'
import { compress } from './compression.ts'
import { NO_HEADERS, type RecordHeader } from './record.ts'
import { SLACK_BYTES, type ValueWriter, WriteTarget } from './write-target.ts'

export interface BatchSettings {
  readonly producerId?: ProducerId
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly transactional?: boolean
  readonly control?: boolean
  /** Default 'none'. */
  readonly compression?: CompressionName
  /** Default 'createTime'. */
  readonly timestampType?: TimestampType
}

/** Batch length is a signed 32-bit number, and a Node buffer has about the same bound. */
const BATCH_BYTES_MAX = 0x7fff_ffff
/** The lengths, deltas and the rest of a record without its key and value. */
const FRAMING_BYTES_MAX = 48
/** Values that are written in place get so much room; when one needs more, the next ones get twice as much. */
const WRITTEN_BYTES_MIN = 1_024
const WRITTEN_BYTES_MAX = 64 * 1_024
/** Up to here a loop over the characters is cheaper than a call into native code. */
const SHORT_TEXT_CHARACTERS = 24

/**
 * Encodes records into one batch. Purpose: the only place where records become bytes, once in their life.
 *
 * State: a growing buffer whose first 61 bytes are kept free for the head, and the records behind it as they will lie
 * on disk. Offsets are deltas from 0, timestamps deltas from the first record's. A builder is reused: `reset` keeps the
 * buffer, so that a steady flow allocates only the exact copies that `build` hands out.
 * Cost: a record's bytes are written once, and copied once in `build`.
 */
export class BatchBuilder {
  #target: WriteTarget
  /** The target's bytes, nearer. */
  #buffer: WriteTarget['bytes']
  #position = BATCH_HEADER_BYTES
  #count = 0
  #baseTimestamp: Timestamp = 0
  #maxTimestamp: Timestamp = 0
  /** What a value is given that is written in place, and how many bytes the last such record's lengths took. */
  #room = WRITTEN_BYTES_MIN
  #bodyLengthBytes = 2
  #valueLengthBytes = 2

  constructor(initialBytes = 16 * 1024) {
    this.#target = new WriteTarget(Math.max(initialBytes, BATCH_HEADER_BYTES))
    this.#buffer = this.#target.bytes
  }

  get count(): number {
    return this.#count
  }

  /** Bytes of the batch if it were built now without compression. */
  get sizeBytes(): number {
    return this.#position
  }

  /** The greatest timestamp so far. Meaningless while `count` is 0. */
  get maxTimestamp(): Timestamp {
    return this.#maxTimestamp
  }

  append(
    timestamp: Timestamp,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly RecordHeader[] = NO_HEADERS,
  ): void {
    const keyBytes = key === null ? -1 : key.length
    const valueBytes = value === null ? -1 : value.length
    const headerBytes = headers.length === 0 ? 1 : sizeOfHeaders(headers)
    let at = this.#begin(timestamp, keyBytes, valueBytes, headerBytes)
    const buffer = this.#buffer
    at = writeVarint(buffer, at, keyBytes)
    if (key !== null) at = writeBytes(buffer, at, key)
    at = writeVarint(buffer, at, valueBytes)
    if (value !== null) at = writeBytes(buffer, at, value)
    this.#position = headers.length === 0 ? writeVarint(buffer, at, 0) : writeHeaders(buffer, at, headers)
  }

  /**
   * As `append`, for a key and a value that are ranges of the same bytes; no view of them is made. `valueStart` is
   * negative for a tombstone.
   */
  appendRanges(
    timestamp: Timestamp,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    const keyBytes = keyEnd - keyStart
    const valueBytes = valueStart < 0 ? -1 : valueEnd - valueStart
    let at = this.#begin(timestamp, keyBytes, valueBytes, 1)
    const buffer = this.#buffer
    at = writeRange(buffer, writeVarint(buffer, at, keyBytes), bytes, keyStart, keyEnd)
    at = writeVarint(buffer, at, valueBytes)
    if (valueStart >= 0) at = writeRange(buffer, at, bytes, valueStart, valueEnd)
    this.#position = writeVarint(buffer, at, 0)
  }

  /**
   * As `append`, for a value (and mostly a key) that is text: it is written straight into the buffer as UTF-8.
   * The length is guessed to be that of ASCII; a wrong guess costs a second write.
   */
  appendText(timestamp: Timestamp, key: string | Uint8Array | null, value: string | null): void {
    const keyBytes = key === null ? -1 : typeof key === 'string' ? sizeOfShortText(key) : key.length
    const guess = value === null ? -1 : value.length
    if (!this.#tryText(timestamp, key, keyBytes, value, guess)) {
      // Not all ASCII. Nothing was kept of the first try: position and count are as before.
      const written = this.#tryText(
        timestamp,
        key,
        keyBytes,
        value,
        Buffer.byteLength(value as string, 'utf8'),
      )
      assert(written, 'the size of a text in UTF-8 is what was written')
    }
  }

  /**
   * As `append`, for a value that a writer writes in its place. False, and nothing was appended: it needs more than
   * `valueBytesMax`, or more room than it was given; append it another way. What the writer throws passes through.
   */
  appendWritten<V>(
    timestamp: Timestamp,
    key: string | Uint8Array | null,
    value: V,
    writer: ValueWriter<V>,
    valueBytesMax: number,
  ): boolean {
    // Short keys are nearly always ASCII: their bytes are not counted before they are written.
    const short = typeof key === 'string' && key.length <= SHORT_TEXT_CHARACTERS
    let keyBytes = key === null ? -1 : typeof key === 'string' && !short ? sizeOfShortText(key) : key.length
    const room = valueBytesMax < this.#room ? valueBytesMax : this.#room
    const keyRoom = short ? keyBytes * 3 : keyBytes
    const needed = this.#position + FRAMING_BYTES_MAX + (keyRoom < 0 ? 0 : keyRoom) + room + SLACK_BYTES
    if (needed > this.#buffer.length) this.#grow(needed)
    const delta = this.#deltaOf(timestamp)
    const buffer = this.#buffer
    // The two lengths come before what they count: they are given as many bytes as they took last time.
    const body = this.#position + this.#bodyLengthBytes
    buffer[body] = 0
    let at = writeVarint(buffer, writeVarlong(buffer, body + 1, delta), this.#count)
    const keyAt = at
    at = writeVarint(buffer, keyAt, keyBytes)
    if (short && writeShortAscii(buffer, at, key)) {
      at += keyBytes
    } else if (typeof key === 'string') {
      keyBytes = sizeOfShortText(key)
      at = writeText(buffer, writeVarint(buffer, keyAt, keyBytes), key, keyBytes)
    } else if (key !== null) {
      at = writeBytes(buffer, at, key)
    }
    const start = at + this.#valueLengthBytes
    const end = writer.write(this.#target, start, start + room, value)
    if (end < 0) {
      if (room < valueBytesMax) this.#room = Math.min(WRITTEN_BYTES_MAX, room * 2)
      return false
    }
    const valueBytes = end - start
    this.#valueLengthBytes = varintSize(valueBytes)
    if (at + this.#valueLengthBytes !== start) buffer.copyWithin(at + this.#valueLengthBytes, start, end)
    at = writeVarint(buffer, writeVarint(buffer, at, valueBytes) + valueBytes, 0)
    this.#bodyLengthBytes = varintSize(at - body)
    if (this.#position + this.#bodyLengthBytes !== body)
      buffer.copyWithin(this.#position + this.#bodyLengthBytes, body, at)
    this.#position = writeVarint(buffer, this.#position, at - body) + at - body
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    this.#count += 1
    return true
  }

  #tryText(
    timestamp: Timestamp,
    key: string | Uint8Array | null,
    keyBytes: number,
    value: string | null,
    valueBytes: number,
  ): boolean {
    // Three bytes a character is the most that a guess can be wrong by; the room is there before the write.
    const spare = value === null ? 0 : value.length * 3 - valueBytes
    const count = this.#count
    const baseTimestamp = this.#baseTimestamp
    const maxTimestamp = this.#maxTimestamp
    let at = this.#begin(timestamp, keyBytes, valueBytes, 1, spare)
    const buffer = this.#buffer
    at = writeVarint(buffer, at, keyBytes)
    if (key !== null)
      at = typeof key === 'string' ? writeText(buffer, at, key, keyBytes) : writeBytes(buffer, at, key)
    at = writeVarint(buffer, at, valueBytes)
    if (value !== null) {
      const written = valueBytes === 0 ? 0 : buffer.utf8Write(value, at, valueBytes + spare)
      if (written !== valueBytes) {
        this.#count = count
        this.#baseTimestamp = baseTimestamp
        this.#maxTimestamp = maxTimestamp
        return false
      }
      at += valueBytes
    }
    this.#position = writeVarint(buffer, at, 0)
    return true
  }

  /** Counts a record, makes room for it, writes what comes before its key; returns where the key's length goes. */
  #begin(timestamp: Timestamp, keyBytes: number, valueBytes: number, headerBytes: number, spare = 0): number {
    const delta = this.#deltaOf(timestamp)
    const bodyBytes =
      1 +
      varlongSize(delta) +
      varintSize(this.#count) +
      varintSize(keyBytes) +
      (keyBytes < 0 ? 0 : keyBytes) +
      varintSize(valueBytes) +
      (valueBytes < 0 ? 0 : valueBytes) +
      headerBytes
    const needed = this.#position + varintSize(bodyBytes) + bodyBytes + spare
    if (needed > this.#buffer.length) this.#grow(needed)
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    const buffer = this.#buffer
    let at = writeVarint(buffer, this.#position, bodyBytes)
    buffer[at] = 0
    at = writeVarlong(buffer, at + 1, delta)
    at = writeVarint(buffer, at, this.#count)
    this.#count += 1
    return at
  }

  /** The timestamp as the batch holds it; the first one is the batch's. */
  #deltaOf(timestamp: Timestamp): number {
    if (this.#count === 0) {
      if (!Number.isSafeInteger(timestamp)) throw badTimestamp(timestamp, timestamp)
      this.#baseTimestamp = timestamp
      this.#maxTimestamp = timestamp
    }
    const delta = timestamp - this.#baseTimestamp
    if (Number.isSafeInteger(delta) && Number.isSafeInteger(timestamp)) return delta
    throw badTimestamp(timestamp, this.#baseTimestamp)
  }

  /** The whole batch in bytes of its own, base offset 0 and leader epoch 0. The builder keeps its records. */
  build(settings: BatchSettings = {}): Uint8Array {
    assert(this.#count > 0, 'a batch has at least one record')
    const compression = settings.compression ?? 'none'
    const batch = this.#sized(compression)
    writeInt64(batch, 0, 0)
    writeInt32(batch, 8, batch.length - BATCH_PREFIX_BYTES)
    writeInt32(batch, 12, 0)
    batch[16] = BATCH_MAGIC
    const attributes =
      COMPRESSION_NAMES.indexOf(compression) |
      (settings.timestampType === 'logAppendTime' ? TIMESTAMP_TYPE_BIT : 0) |
      (settings.transactional === true ? TRANSACTIONAL_BIT : 0) |
      (settings.control === true ? CONTROL_BIT : 0)
    batch[BATCH_ATTRIBUTES_AT] = 0
    batch[BATCH_ATTRIBUTES_AT + 1] = attributes
    writeInt32(batch, 23, this.#count - 1)
    writeInt64(batch, 27, this.#baseTimestamp)
    writeInt64(batch, 35, this.#maxTimestamp)
    writeInt64(batch, 43, settings.producerId ?? NO_PRODUCER_ID)
    const producerEpoch = settings.producerEpoch ?? NO_PRODUCER_EPOCH
    batch[51] = producerEpoch >> 8
    batch[52] = producerEpoch
    writeInt32(batch, 53, settings.baseSequence ?? NO_SEQUENCE)
    writeInt32(batch, 57, this.#count)
    writeInt32(batch, BATCH_CRC_AT, crc32c(batch, BATCH_ATTRIBUTES_AT, batch.length))
    return batch
  }

  /** Forgets the records and keeps the buffer. */
  reset(): void {
    this.#position = BATCH_HEADER_BYTES
    this.#count = 0
  }

  /** A buffer of the batch's exact size with the records in place, so that nobody keeps more than they asked for. */
  #sized(compression: CompressionName): Uint8Array {
    const records = this.#buffer.subarray(BATCH_HEADER_BYTES, this.#position)
    const packed = compress(records, compression)
    // No Buffer: the `slice` of one shares memory, which a holder of a Uint8Array does not expect.
    const batch = new Uint8Array(Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + packed.length).buffer)
    batch.set(packed, BATCH_HEADER_BYTES)
    return batch
  }

  #grow(needed: number): void {
    if (needed > BATCH_BYTES_MAX) {
      throw new MillraceError(
        'MILLRACE_RECORD_TOO_LARGE',
        `a record batch of ${needed} bytes is more than the format's ${BATCH_BYTES_MAX}; build the batch earlier`,
      )
    }
    const larger = new WriteTarget(Math.min(BATCH_BYTES_MAX, Math.max(needed, this.#buffer.length * 2)))
    larger.bytes.set(this.#buffer.subarray(0, this.#position))
    this.#target = larger
    this.#buffer = larger.bytes
  }
}

function badTimestamp(timestamp: number, base: number): MillraceError {
  return new MillraceError(
    'MILLRACE_BAD_TIMESTAMP',
    `timestamp ${timestamp} cannot stand in a batch that begins with ${base}: both and their difference must be safe integers`,
  )
}

/** UTF-8 bytes of a text; short ASCII, which keys are, without leaving JavaScript. */
function sizeOfShortText(text: string): number {
  const length = text.length
  if (length > SHORT_TEXT_CHARACTERS) return Buffer.byteLength(text, 'utf8')
  for (let index = 0; index < length; index += 1) {
    if (text.charCodeAt(index) > 0x7f) return Buffer.byteLength(text, 'utf8')
  }
  return length
}

/** Writes a short ASCII text; false, and what was written is of no use: it is not one. */
function writeShortAscii(buffer: WriteTarget['bytes'], at: number, text: string): boolean {
  let units = 0
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    units |= unit
    buffer[at + index] = unit
  }
  return units < 0x80
}

/** Writes a text whose UTF-8 size is known; as many bytes as characters means that it is ASCII. */
function writeText(buffer: WriteTarget['bytes'], at: number, text: string, sizeBytes: number): number {
  if (sizeBytes <= SHORT_TEXT_CHARACTERS && sizeBytes === text.length) {
    for (let index = 0; index < sizeBytes; index += 1) buffer[at + index] = text.charCodeAt(index)
  } else {
    buffer.utf8Write(text, at, sizeBytes)
  }
  return at + sizeBytes
}

function writeBytes(buffer: Buffer, at: number, bytes: Uint8Array): number {
  const length = bytes.length
  if (length <= SHORT_TEXT_CHARACTERS) {
    for (let index = 0; index < length; index += 1) buffer[at + index] = bytes[index] as number
  } else {
    buffer.set(bytes, at)
  }
  return at + length
}

/** Up to here a loop is cheaper than a view of the range and a native copy. */
const SHORT_RANGE_BYTES = 96

function writeRange(buffer: Buffer, at: number, bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length <= SHORT_RANGE_BYTES) {
    for (let index = 0; index < length; index += 1) buffer[at + index] = bytes[start + index] as number
  } else {
    buffer.set(bytes.subarray(start, end), at)
  }
  return at + length
}

function sizeOfHeaders(headers: readonly RecordHeader[]): number {
  let total = varintSize(headers.length)
  for (const { key, value } of headers) {
    const keyBytes = Buffer.byteLength(key, 'utf8')
    total += varintSize(keyBytes) + keyBytes
    total += value === null ? varintSize(-1) : varintSize(value.length) + value.length
  }
  return total
}

function writeHeaders(buffer: WriteTarget['bytes'], at: number, headers: readonly RecordHeader[]): number {
  let position = writeVarint(buffer, at, headers.length)
  for (const { key, value } of headers) {
    const keyBytes = Buffer.byteLength(key, 'utf8')
    position = writeText(buffer, writeVarint(buffer, position, keyBytes), key, keyBytes)
    position = writeVarint(buffer, position, value === null ? -1 : value.length)
    if (value !== null) position = writeBytes(buffer, position, value)
  }
  return position
}
