import { assert } from '../base/assert.ts'
import type { Timestamp } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import { VarintReader } from '../base/varint.ts'
import {
  assignBatch,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchIsCompressed,
  batchLastOffset,
  batchRecordCount,
  batchSizeBytes,
  stampAppendTime,
  verifyBatch,
} from '../record/batch-header.ts'
import { requireKeys } from './compaction/required-keys.ts'
import type { Partition } from './partition.ts'
import type { PlacedPart } from './placement.ts'
import { concernsProducers } from './producer-states.ts'

/**
 * What the log itself relies on: whole batches of the known format, no record larger than the topic allows. The
 * checksum is the maker's duty. Returns whether a batch concerns the states of producers. Throws MILLRACE_INVALID_ARGUMENT, MILLRACE_RECORD_TOO_LARGE.
 */
export function checkBatches(partition: Partition, bytes: Uint8Array): boolean {
  const { recordBytesMax, timestampType, cleanup } = partition.topic.settings
  let at = 0
  let ofProducers = false
  let wrong = bytes.length === 0 ? 'there is no batch' : undefined
  while (at < bytes.length && wrong === undefined) {
    if (at + BATCH_HEADER_BYTES > bytes.length) wrong = 'the head is cut off'
    else if (bytes[at + 16] !== BATCH_MAGIC) wrong = `magic is ${bytes[at + 16]}, expected ${BATCH_MAGIC}`
    else {
      const sizeBytes = batchSizeBytes(bytes, at)
      if (sizeBytes < BATCH_HEADER_BYTES || at + sizeBytes > bytes.length)
        wrong = `it says that it has ${sizeBytes} bytes, ${bytes.length - at} are there`
      else if (batchLastOffset(bytes, at) < 0) wrong = 'its last offset is before its first'
      else {
        if (sizeBytes > recordBytesMax) checkRecordSizes(partition, bytes, at, sizeBytes)
        // The log will make a new checksum for its timestamp: over what the maker meant.
        if (timestampType === 'logAppendTime') wrong = verifyBatch(bytes, at, bytes.length)
        if (cleanup !== 'delete') requireKeys(partition.name, bytes, at)
        if (concernsProducers(bytes, at)) ofProducers = true
        at += sizeBytes
      }
    }
  }
  if (wrong === undefined) return ofProducers
  throw new MillraceError(
    'MILLRACE_INVALID_ARGUMENT',
    `the record batch at byte ${at} for ${partition.name} cannot be appended: ${wrong}`,
  )
}

/**
 * Several records may share a batch that is larger than one of them may be. A compressed one counts as a whole, as in
 * Kafka: what is inside is not looked at.
 */
function checkRecordSizes(partition: Partition, bytes: Uint8Array, at: number, sizeBytes: number): void {
  const { recordBytesMax } = partition.topic.settings
  const count = batchRecordCount(bytes, at)
  if (count === 1 || batchIsCompressed(bytes, at)) throw tooLarge(partition, sizeBytes)
  const reader = new VarintReader(bytes, at + BATCH_HEADER_BYTES, at + sizeBytes)
  for (let index = 0; index < count; index += 1) {
    const recordBytes = reader.varint()
    if (recordBytes > recordBytesMax) throw tooLarge(partition, recordBytes)
    reader.position += Math.max(0, recordBytes)
  }
}

function tooLarge(partition: Partition, sizeBytes: number): MillraceError {
  const { recordBytesMax } = partition.topic.settings
  return new MillraceError(
    'MILLRACE_RECORD_TOO_LARGE',
    `a record for ${partition.name} takes ${sizeBytes} bytes, at most ${recordBytesMax} are allowed: split it, or raise recordBytesMax of the topic`,
  )
}

/** Gives the batches their offsets, and their timestamp where the log sets it, in the bytes themselves. */
export function assignBatches(partition: Partition, bytes: Uint8Array, now: Timestamp): PlacedPart {
  const first = partition.appended
  const stamped = partition.topic.settings.timestampType === 'logAppendTime'
  let next = first
  for (let at = 0; at < bytes.length; at += batchSizeBytes(bytes, at)) {
    if (stamped) stampAppendTime(bytes, at, now)
    assignBatch(bytes, at, next, partition.leaderEpoch)
    next = batchLastOffset(bytes, at) + 1
  }
  assert(Number.isSafeInteger(next), () => `${partition.name}: offset ${next} is too large`)
  partition.appended = next
  partition.waitingBytes += bytes.length
  return {
    partition,
    bytes,
    first,
    next,
    segment: undefined,
    position: 0,
    rolled: false,
    segmentFirst: false,
  }
}
