import { assert } from '../base/assert.ts'
import type { LeaderEpoch, Offset } from '../base/brands.ts'
import { crc32c } from '../base/crc32c.ts'
import { writeInt32, writeInt64 } from '../base/int64.ts'
import {
  assignBatch,
  BATCH_ATTRIBUTES_AT,
  BATCH_CRC_AT,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  BATCH_PREFIX_BYTES,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
} from './batch-header.ts'

/** Kafka's mark of a batch without a time: no search by time stops at it. */
export const NO_TIMESTAMP = -1
export const LAST_OFFSET_DELTA_MAX = 0x7fff_fffe

/**
 * Fills the bytes with a batch without records that has the offsets from `first` to `last`: where records were, and
 * are gone. So offsets follow each other without a gap, and damage to one of them shows.
 */
export function writeEmptyBatch(bytes: Uint8Array, first: Offset, last: Offset, epoch: LeaderEpoch): void {
  assert(bytes.length >= BATCH_HEADER_BYTES && last >= first, 'an empty batch has a head and an offset')
  assert(last - first <= LAST_OFFSET_DELTA_MAX, 'a segment has less than 2^31 offsets')
  bytes.fill(0)
  writeInt32(bytes, 8, bytes.length - BATCH_PREFIX_BYTES)
  bytes[16] = BATCH_MAGIC
  writeInt32(bytes, 23, last - first)
  writeInt64(bytes, 27, NO_TIMESTAMP)
  writeInt64(bytes, 35, NO_TIMESTAMP)
  writeInt64(bytes, 43, NO_PRODUCER_ID)
  bytes[51] = NO_PRODUCER_EPOCH >> 8
  bytes[52] = NO_PRODUCER_EPOCH
  writeInt32(bytes, 53, NO_SEQUENCE)
  writeInt32(bytes, 57, 0)
  writeInt32(bytes, BATCH_CRC_AT, crc32c(bytes, BATCH_ATTRIBUTES_AT, bytes.length))
  assignBatch(bytes, 0, first, epoch)
}
