import type { ProducerId, Timestamp } from '../base/brands.ts'
import { readInt32, writeInt32 } from '../base/int64.ts'
import { BatchBuilder } from './batch-builder.ts'
import { BatchReader } from './batch-reader.ts'

/*
 * The marker that ends a producer's transaction in a partition: a batch of one record, control and transactional bits
 * set, no sequence. Numbers are big-endian.
 *
 *   key    version i16 = 0 | type i16 (0 abort, 1 commit; others are not for partitions with transactions)
 *   value  version i16 = 0 | coordinatorEpoch i32
 *
 * A version adds fields behind those that are there, so a reader takes what it knows of any version.
 */
const TYPE_ABORT = 0
const TYPE_COMMIT = 1
const KEY_BYTES = 4
const VALUE_BYTES = 6

export type MarkerKind = 'commit' | 'abort'

export interface EndMarker {
  readonly kind: MarkerKind
  /** Which reign of the transaction coordinator wrote it. */
  readonly coordinatorEpoch: number
}

/** @param producerEpoch the epoch from which on the producer may write; it may be higher than that of the data. */
export function controlBatch(
  producerId: ProducerId,
  producerEpoch: number,
  kind: MarkerKind,
  coordinatorEpoch: number,
  timestamp: Timestamp,
): Uint8Array {
  const key = new Uint8Array(KEY_BYTES)
  key[3] = kind === 'commit' ? TYPE_COMMIT : TYPE_ABORT
  const value = new Uint8Array(VALUE_BYTES)
  writeInt32(value, 2, coordinatorEpoch)
  const builder = new BatchBuilder(128)
  builder.append(timestamp, key, value)
  return builder.build({ producerId, producerEpoch, transactional: true, control: true })
}

/** What the control batch at `at` says; undefined if it ends no transaction (compaction may have emptied it). */
export function readEndMarker(bytes: Uint8Array, at: number): EndMarker | undefined {
  const reader = new BatchReader()
  reader.open(bytes, at)
  if (!reader.control || !reader.next()) return undefined
  const key = reader.key()
  const value = reader.value()
  if (key === null || key.length < KEY_BYTES || value === null || value.length < VALUE_BYTES) return undefined
  const type = ((key[2] as number) << 8) | (key[3] as number)
  if (type > TYPE_COMMIT) return undefined
  return { kind: type === TYPE_COMMIT ? 'commit' : 'abort', coordinatorEpoch: readInt32(value, 2) }
}
