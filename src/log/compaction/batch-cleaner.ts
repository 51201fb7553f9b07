/**
 * Decides what of a batch stays, and makes the batch that has only that.
 *
 * A record stays if it is the last one of its key in the section, or has none; a tombstone besides only until the time
 * that its batch got when it was first cleaned. Records of aborted transactions go, a marker goes after the batches of
 * its transaction and after such a time. A batch keeps its offsets, epoch, producer and sequences; one that loses
 * nothing keeps its bytes.
 *
 * Cost: a hash and a look-up for each record. Bytes are copied only from the first record on that goes.
 */
import type { DurationMs, Offset, Timestamp } from '../../base/brands.ts'
import { crc32c } from '../../base/crc32c.ts'
import { writeInt32, writeInt64 } from '../../base/int64.ts'
import { varintSize, varlongSize, writeVarint, writeVarlong } from '../../base/varint.ts'
import {
  BATCH_ATTRIBUTES_AT,
  BATCH_CRC_AT,
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  batchBaseTimestamp,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
  batchSizeBytes,
  COMPRESSION_NAMES,
  CONTROL_BIT,
  type CompressionName,
  DELETE_HORIZON_BIT,
  NO_PRODUCER_ID,
  TIMESTAMP_TYPE_BIT,
  TRANSACTIONAL_BIT,
} from '../../record/batch-header.ts'
import { compress } from '../../record/compression.ts'
import { NO_TIMESTAMP } from '../../record/empty-batch.ts'
import type { BatchPlace } from '../segment.ts'
import type { CleanedTransactions } from './cleaned-transactions.ts'
import { HASH_WORDS, type KeyHasher } from './key-hash.ts'
import type { KeyOffsetMap } from './key-offset-map.ts'
import { RecordScanner } from './record-scanner.ts'
import { RECORD_KIND, RecordTable } from './record-table.ts'

const COMPRESSION_BITS = 0x07

export interface CleaningRules {
  readonly hash: KeyHasher
  readonly map: KeyOffsetMap
  /** The map knows what lies before; records from here on stay. */
  readonly upTo: Offset
  readonly transactions: CleanedTransactions
  readonly now: Timestamp
  readonly deleteRetentionMs: DurationMs
}

/** `unchanged`: as it is; `gone`: nothing of it stays; else its new bytes, which hold until the next call. */
export type CleanedBatch = 'unchanged' | 'gone' | Uint8Array

export class BatchCleaner {
  /** The highest offset of a tombstone whose time had come; -1: there was none. */
  removedTombstone: Offset = -1
  /** Offsets of markers that stay. */
  markers = new Set<Offset>()
  readonly #rules: CleaningRules
  readonly #scanner = new RecordScanner()
  readonly #table = new RecordTable()
  /** Of each record of the table: the last offset of its key. */
  #latest = new Float64Array(0)
  #target: Uint8Array = new Uint8Array(64 * 1024)
  /** What of the present batch's records stays. */
  #records: Uint8Array = new Uint8Array(64 * 1024)

  constructor(rules: CleaningRules) {
    this.#rules = rules
  }

  /** Of another segment. */
  begin(): void {
    this.removedTombstone = -1
    this.markers = new Set()
  }

  clean(bytes: Uint8Array, at: number, batch: BatchPlace): CleanedBatch {
    const { attributes } = batch
    if ((attributes & CONTROL_BIT) !== 0) return this.#cleanMarker(bytes, at, batch)
    if (batchRecordCount(bytes, at) === 0) return this.#emptied(bytes, at, batch)
    if ((attributes & TRANSACTIONAL_BIT) !== 0) {
      const aborted = this.#rules.transactions.data(batchProducerId(bytes, at), batch.first)
      if (aborted) return this.#emptied(bytes, at, batch)
    }
    return batch.first >= this.#rules.upTo ? 'unchanged' : this.#cleanData(bytes, at, batch)
  }

  #cleanMarker(bytes: Uint8Array, at: number, batch: BatchPlace): CleanedBatch {
    const { transactions, now } = this.#rules
    const mayGo = transactions.marker(batchProducerId(bytes, at))
    if (batchRecordCount(bytes, at) === 0) return this.#emptied(bytes, at, batch)
    const horizon = horizonOf(bytes, at, batch.attributes)
    if (mayGo && horizon !== undefined && horizon <= now) return this.#emptied(bytes, at, batch)
    this.markers.add(batch.last)
    if (!mayGo || horizon !== undefined) return 'unchanged'
    this.#scanner.open(bytes, at)
    return this.#withHorizon(bytes, at, batch, this.#scanner.bytes, this.#scanner.recordsStart, 1)
  }

  #cleanData(bytes: Uint8Array, at: number, batch: BatchPlace): CleanedBatch {
    const { hash, map, now } = this.#rules
    const horizon = horizonOf(bytes, at, batch.attributes)
    const expired = horizon !== undefined && horizon <= now
    const table = this.#table
    table.load(bytes, at, hash)
    const { count, hashes, offsets, kinds } = table
    if (this.#latest.length < count) this.#latest = new Float64Array(2 * count)
    const latest = this.#latest
    for (let index = 0; index < count; index += 1) {
      latest[index] = kinds[index] === RECORD_KIND.keyless ? -1 : map.get(hashes, index * HASH_WORDS)
    }
    let kept = 0
    let tombstones = false
    let delta = Number.NEGATIVE_INFINITY
    /** Bytes in `#records`; negative: all records so far stay. */
    let length = -1
    for (let index = 0; index < count; index += 1) {
      const offset = offsets[index] as number
      let stays = (latest[index] as number) <= offset
      if (stays && kinds[index] === RECORD_KIND.tombstone) {
        if (expired) {
          stays = false
          this.removedTombstone = Math.max(this.removedTombstone, offset)
        } else tombstones = true
      }
      const start = table.starts[index] as number
      if (stays) {
        kept += 1
        delta = Math.max(delta, table.timestampDeltas[index] as number)
        if (length >= 0) length = this.#keep(table.bytes, start, table.ends[index] as number, length)
      } else if (length < 0) length = this.#keep(table.bytes, table.recordsStart, start, 0)
    }
    if (kept === 0) return this.#emptied(bytes, at, batch)
    const dated = tombstones && horizon === undefined
    if (length < 0 && !dated) return 'unchanged'
    const maxTimestamp =
      (batch.attributes & TIMESTAMP_TYPE_BIT) === 0
        ? batchBaseTimestamp(bytes, at) + delta
        : batch.maxTimestamp
    const cleaned = { ...batch, maxTimestamp }
    if (!dated) return this.#build(bytes, at, cleaned, kept, length)
    if (length < 0) return this.#withHorizon(bytes, at, cleaned, table.bytes, table.recordsStart, kept)
    return this.#withHorizon(bytes, at, cleaned, this.#records.slice(0, length), 0, kept)
  }

  #keep(bytes: Uint8Array, start: number, end: number, length: number): number {
    const needed = length + end - start
    if (needed > this.#records.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#records.length))
      larger.set(this.#records.subarray(0, length))
      this.#records = larger
    }
    this.#records.set(bytes.subarray(start, end), length)
    return needed
  }

  /** No record stays. */
  #emptied(bytes: Uint8Array, at: number, batch: BatchPlace): CleanedBatch {
    const producerId = batchProducerId(bytes, at)
    const control = (batch.attributes & CONTROL_BIT) !== 0
    const epoch = batchProducerEpoch(bytes, at)
    if (
      producerId === NO_PRODUCER_ID ||
      !this.#rules.transactions.isLast(producerId, batch.last, epoch, control)
    )
      return 'gone'
    if (batchRecordCount(bytes, at) === 0) return 'unchanged'
    const attributes = batch.attributes & ~(COMPRESSION_BITS | DELETE_HORIZON_BIT)
    return this.#build(bytes, at, { ...batch, attributes, maxTimestamp: NO_TIMESTAMP }, 0, 0, NO_TIMESTAMP)
  }

  /**
   * Notes in the batch when its tombstones, or its marker, may go: in the place of the base timestamp, as Kafka does,
   * from which the records' timestamps then count.
   */
  #withHorizon(
    bytes: Uint8Array,
    at: number,
    batch: BatchPlace,
    records: Uint8Array,
    from: number,
    count: number,
  ): Uint8Array {
    const horizon = this.#rules.now + this.#rules.deleteRetentionMs
    const shift = batchBaseTimestamp(bytes, at) - horizon
    const scanner = new RecordScanner()
    scanner.walk(records, from, count)
    let length = 0
    while (scanner.next()) {
      const delta = scanner.timestampDelta + shift
      const rest = scanner.end - scanner.deltaEnd
      const body = 1 + varlongSize(delta) + rest
      length = this.#room(length, varintSize(body) + body)
      let position = writeVarint(this.#records, length, body)
      this.#records[position] = 0
      position = writeVarlong(this.#records, position + 1, delta)
      this.#records.set(records.subarray(scanner.deltaEnd, scanner.end), position)
      length = position + rest
    }
    const attributes = batch.attributes | DELETE_HORIZON_BIT
    return this.#build(bytes, at, { ...batch, attributes }, count, length, horizon)
  }

  /** `#records` takes so many more bytes. Returns `length`. */
  #room(length: number, more: number): number {
    if (length + more > this.#records.length) {
      const larger = new Uint8Array(2 * (length + more))
      larger.set(this.#records.subarray(0, length))
      this.#records = larger
    }
    return length
  }

  /** The head of the batch at `at` over the first `length` bytes of `#records`, packed as they were. */
  #build(
    bytes: Uint8Array,
    at: number,
    { attributes, maxTimestamp }: BatchPlace,
    count: number,
    length: number,
    baseTimestamp?: Timestamp,
  ): Uint8Array {
    const codec = COMPRESSION_NAMES[attributes & COMPRESSION_BITS] as CompressionName
    const body = this.#records.subarray(0, length)
    const packed = codec === 'none' ? body : compress(body, codec)
    const sizeBytes = BATCH_HEADER_BYTES + packed.length
    if (this.#target.length < sizeBytes) this.#target = new Uint8Array(2 * sizeBytes)
    const target = this.#target
    target.set(bytes.subarray(at, at + BATCH_HEADER_BYTES), 0)
    target.set(packed, BATCH_HEADER_BYTES)
    writeInt32(target, 8, sizeBytes - BATCH_PREFIX_BYTES)
    target[BATCH_ATTRIBUTES_AT] = attributes >> 8
    target[BATCH_ATTRIBUTES_AT + 1] = attributes
    if (baseTimestamp !== undefined) writeInt64(target, 27, baseTimestamp)
    writeInt64(target, 35, maxTimestamp)
    writeInt32(target, 57, count)
    writeInt32(target, BATCH_CRC_AT, crc32c(target, BATCH_ATTRIBUTES_AT, sizeBytes))
    return target.subarray(0, batchSizeBytes(target, 0))
  }
}

/** When the batch's tombstones or marker may go; undefined while no cleaning has seen them. */
function horizonOf(bytes: Uint8Array, at: number, attributes: number): Timestamp | undefined {
  return (attributes & DELETE_HORIZON_BIT) === 0 ? undefined : batchBaseTimestamp(bytes, at)
}
