import type { LeaderEpoch, Offset, ProducerId, Timestamp } from '../base/brands.ts'
import { crc32c } from '../base/crc32c.ts'
import { MillraceError, messageOf } from '../base/errors.ts'
import { readInt32, readInt64, writeInt32, writeInt64 } from '../base/int64.ts'

/*
 * The head of a Kafka record batch, magic 2; numbers are big-endian.
 *
 *    0 baseOffset i64 | 8 batchLength i32 (of what follows) | 12 partitionLeaderEpoch i32 | 16 magic i8 = 2
 *   17 crc u32 (CRC-32C of all from 21 on) | 21 attributes i16 | 23 lastOffsetDelta i32
 *   27 baseTimestamp i64 | 35 maxTimestamp i64 | 43 producerId i64 | 51 producerEpoch i16 | 53 baseSequence i32
 *   57 recordCount i32 | 61 records, one compressed blob if attributes say so
 *
 * Base offset and leader epoch lie outside the checksum, so that a log gives a batch its place without touching the
 * rest; therefore damage to these 12 bytes cannot be found here: the log compares them with what it expects.
 */
export const BATCH_HEADER_BYTES = 61
export const BATCH_MAGIC = 2
/** What `batchLength` does not count: base offset and the length itself. */
export const BATCH_PREFIX_BYTES = 12
/** Where the checksum lies, and where the bytes that it covers begin. */
export const BATCH_CRC_AT = 17
export const BATCH_ATTRIBUTES_AT = 21

export const TIMESTAMP_TYPE_BIT = 0x08
export const TRANSACTIONAL_BIT = 0x10
export const CONTROL_BIT = 0x20
/** Compaction saw tombstones or a marker here: the base timestamp is when these may go. */
export const DELETE_HORIZON_BIT = 0x40
const COMPRESSION_BITS = 0x07
const KNOWN_BITS = 0x7f

/** Producer id, epoch and sequence of a batch that no idempotent producer wrote: Kafka's own mark on the wire. */
export const NO_PRODUCER_ID: ProducerId = -1
export const NO_PRODUCER_EPOCH = -1
export const NO_SEQUENCE = -1

export type CompressionName = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
/** By their number in the attributes. */
export const COMPRESSION_NAMES: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Who set the timestamps: the producer of each record, or the log for the whole batch. */
export type TimestampType = 'createTime' | 'logAppendTime'

export interface BatchHeader {
  readonly baseOffset: Offset
  /** The whole batch, its head and the length field included. */
  readonly sizeBytes: number
  readonly leaderEpoch: LeaderEpoch
  readonly crc: number
  readonly attributes: number
  readonly compression: CompressionName
  readonly timestampType: TimestampType
  readonly transactional: boolean
  readonly control: boolean
  readonly lastOffset: Offset
  readonly baseTimestamp: Timestamp
  readonly maxTimestamp: Timestamp
  readonly producerId: ProducerId
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
}

/** All of a head. The caller has verified the batch, or made it. Throws MILLRACE_CORRUPT where it is cut off. */
export function readBatchHeader(bytes: Uint8Array, at: number): BatchHeader {
  if (at < 0 || at + BATCH_HEADER_BYTES > bytes.length) {
    throw new MillraceError(
      'MILLRACE_CORRUPT',
      `a record batch's head needs ${BATCH_HEADER_BYTES} bytes at ${at}, but there are ${Math.max(0, bytes.length - at)}`,
    )
  }
  const attributes = batchAttributes(bytes, at)
  return {
    baseOffset: batchBaseOffset(bytes, at),
    sizeBytes: batchSizeBytes(bytes, at),
    leaderEpoch: batchLeaderEpoch(bytes, at),
    crc: readInt32(bytes, at + BATCH_CRC_AT) >>> 0,
    attributes,
    compression: COMPRESSION_NAMES[attributes & COMPRESSION_BITS] ?? unknownCompression(attributes),
    timestampType: (attributes & TIMESTAMP_TYPE_BIT) === 0 ? 'createTime' : 'logAppendTime',
    transactional: (attributes & TRANSACTIONAL_BIT) !== 0,
    control: (attributes & CONTROL_BIT) !== 0,
    lastOffset: batchLastOffset(bytes, at),
    baseTimestamp: batchBaseTimestamp(bytes, at),
    maxTimestamp: batchMaxTimestamp(bytes, at),
    producerId: batchProducerId(bytes, at),
    producerEpoch: batchProducerEpoch(bytes, at),
    baseSequence: batchBaseSequence(bytes, at),
    recordCount: batchRecordCount(bytes, at),
  }
}

// One field each, for loops that need no more: the log's append and read paths never make a BatchHeader.

export function batchBaseOffset(bytes: Uint8Array, at: number): Offset {
  return readInt64(bytes, at)
}

/** Of the whole batch. Needs the first 12 bytes only. */
export function batchSizeBytes(bytes: Uint8Array, at: number): number {
  return BATCH_PREFIX_BYTES + readInt32(bytes, at + 8)
}

export function batchLeaderEpoch(bytes: Uint8Array, at: number): LeaderEpoch {
  return readInt32(bytes, at + 12)
}

export function batchAttributes(bytes: Uint8Array, at: number): number {
  return ((bytes[at + 21] as number) << 8) | (bytes[at + 22] as number)
}

/** Offset of the last record that the batch had when it was written; compaction keeps it. */
export function batchLastOffset(bytes: Uint8Array, at: number): Offset {
  return readInt64(bytes, at) + readInt32(bytes, at + 23)
}

/** Of the last record, counted from the first offset: one less than the offsets that the batch takes. */
export function batchLastOffsetDelta(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at + 23)
}

export function batchBaseTimestamp(bytes: Uint8Array, at: number): Timestamp {
  return readInt64(bytes, at + 27)
}

export function batchMaxTimestamp(bytes: Uint8Array, at: number): Timestamp {
  return readInt64(bytes, at + 35)
}

export function batchProducerId(bytes: Uint8Array, at: number): ProducerId {
  return readInt64(bytes, at + 43)
}

export function batchProducerEpoch(bytes: Uint8Array, at: number): number {
  return (((bytes[at + 51] as number) << 24) >> 16) | (bytes[at + 52] as number)
}

export function batchBaseSequence(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at + 53)
}

export function batchRecordCount(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at + 57)
}

export function batchIsCompressed(bytes: Uint8Array, at: number): boolean {
  return (batchAttributes(bytes, at) & COMPRESSION_BITS) !== 0
}

/** Gives all records of a batch one timestamp: the log's. As Kafka does it, with a new checksum. */
export function stampAppendTime(bytes: Uint8Array, at: number, timestamp: Timestamp): void {
  bytes[at + BATCH_ATTRIBUTES_AT + 1] = (bytes[at + BATCH_ATTRIBUTES_AT + 1] as number) | TIMESTAMP_TYPE_BIT
  writeInt64(bytes, at + 35, timestamp)
  writeInt32(
    bytes,
    at + BATCH_CRC_AT,
    crc32c(bytes, at + BATCH_ATTRIBUTES_AT, at + batchSizeBytes(bytes, at)),
  )
}

/** Gives a batch its place in a partition, in the bytes themselves. The checksum stays as it is. */
export function assignBatch(
  bytes: Uint8Array,
  at: number,
  baseOffset: Offset,
  leaderEpoch: LeaderEpoch,
): void {
  writeInt64(bytes, at, baseOffset)
  writeInt32(bytes, at + 12, leaderEpoch)
}

/**
 * What is wrong with the batch that begins at `at`, in words; undefined when nothing is. Reads nothing at or behind
 * `end`. Costs one pass over the bytes (the checksum). The records inside are not parsed: a writer that seals
 * nonsense with a right checksum is found by the reader.
 */
export function verifyBatch(bytes: Uint8Array, at: number, end: number): string | undefined {
  const available = Math.min(end, bytes.length) - at
  if (available < BATCH_HEADER_BYTES)
    return `truncated: the head needs ${BATCH_HEADER_BYTES} bytes, ${available} are there`
  const sizeBytes = batchSizeBytes(bytes, at)
  if (sizeBytes < BATCH_HEADER_BYTES) return `bad length: ${sizeBytes} bytes are less than a head`
  const magic = bytes[at + 16] as number
  if (magic !== BATCH_MAGIC) return `bad magic: expected ${BATCH_MAGIC}, found ${magic}`
  if (sizeBytes > available) return `truncated: the batch needs ${sizeBytes} bytes, ${available} are there`
  const expected = readInt32(bytes, at + BATCH_CRC_AT) >>> 0
  const actual = crc32c(bytes, at + BATCH_ATTRIBUTES_AT, at + sizeBytes)
  if (actual !== expected)
    return `bad checksum: the head says ${hexadecimal(expected)}, the bytes give ${hexadecimal(actual)}`
  return verifyNumbers(bytes, at, sizeBytes)
}

/** What a right checksum does not promise: that the numbers fit together. */
function verifyNumbers(bytes: Uint8Array, at: number, sizeBytes: number): string | undefined {
  const attributes = batchAttributes(bytes, at)
  if ((attributes & ~KNOWN_BITS) !== 0) return `bad attributes: unknown bits in ${hexadecimal(attributes)}`
  const lastOffsetDelta = readInt32(bytes, at + 23)
  const recordCount = batchRecordCount(bytes, at)
  if (lastOffsetDelta < 0) return `bad counts: the last offset delta is ${lastOffsetDelta}`
  if (recordCount < 0 || recordCount > lastOffsetDelta + 1) {
    return `bad counts: ${recordCount} records with a last offset delta of ${lastOffsetDelta}`
  }
  // The shortest record has 7 bytes: length, attributes, two deltas, null key, null value, no headers.
  if ((attributes & COMPRESSION_BITS) === 0 && recordCount * 7 > sizeBytes - BATCH_HEADER_BYTES) {
    return `bad counts: ${recordCount} records cannot lie in ${sizeBytes - BATCH_HEADER_BYTES} bytes`
  }
  try {
    const baseOffset = batchBaseOffset(bytes, at)
    if (baseOffset < 0 || !Number.isSafeInteger(baseOffset + lastOffsetDelta))
      return `bad base offset: ${baseOffset}`
    batchBaseTimestamp(bytes, at)
    batchMaxTimestamp(bytes, at)
    batchProducerId(bytes, at)
  } catch (error) {
    return `bad number: ${messageOf(error)}`
  }
  return undefined
}

/**
 * The positions of the batches that lie one after the other in `bytes[start, end)`. Trusts their lengths so far that it
 * never leaves the range: throws MILLRACE_CORRUPT where a batch is cut off.
 */
export function* batchPositions(
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
): Generator<number, void, undefined> {
  let at = start
  while (at < end) {
    const left = end - at
    const sizeBytes = left < BATCH_PREFIX_BYTES ? BATCH_HEADER_BYTES : batchSizeBytes(bytes, at)
    if (sizeBytes < BATCH_HEADER_BYTES || sizeBytes > left) {
      throw new MillraceError(
        'MILLRACE_CORRUPT',
        `the record batch at byte ${at} says that it has ${sizeBytes} bytes, but ${left} are left; fetch whole batches`,
      )
    }
    yield at
    at += sizeBytes
  }
}

function unknownCompression(attributes: number): never {
  throw new MillraceError(
    'MILLRACE_UNSUPPORTED',
    `the record batch is compressed with codec ${attributes & COMPRESSION_BITS}; known are 0 to 4 (${COMPRESSION_NAMES.join(', ')})`,
  )
}

function hexadecimal(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}
