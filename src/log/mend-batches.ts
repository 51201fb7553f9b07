/**
 * Makes a damaged range of a segment readable again without moving anything: what is no good batch is replaced, in its
 * place, by batches without records that have the same offsets. So positions, the journal and the other batches stay
 * as they are, readers skip what is lost, and a repair that is cut off can be done again.
 *
 * A good batch: its checksum holds, it follows in offsets, and its epoch is the one of its offset. Behind damage the
 * next good batch is looked for byte by byte; a checksum that holds by chance is one in four billion.
 */
import { assert } from '../base/assert.ts'
import type { LeaderEpoch, Offset } from '../base/brands.ts'
import { readInt32, readInt64 } from '../base/int64.ts'
import {
  assignBatch,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  BATCH_PREFIX_BYTES,
  batchBaseOffset,
  batchLastOffset,
  batchLeaderEpoch,
  batchSizeBytes,
  verifyBatch,
} from '../record/batch-header.ts'
import { writeEmptyBatch } from '../record/empty-batch.ts'

export interface BatchRange {
  /** Offset of the first batch, at least. */
  readonly first: Offset
  /** Behind the last record. */
  readonly next: Offset
  readonly epochAt: (offset: Offset) => LeaderEpoch
}

export interface MendedRange {
  /** Positions in the bytes. */
  readonly from: number
  readonly to: number
  readonly first: Offset
  readonly next: Offset
  /** What was there. */
  readonly original: Uint8Array
  /** Only a place in a head was wrong: no record is lost. */
  readonly restored: boolean
}

/** A reader takes a batch whole: a long range becomes several. */
const FILLER_BYTES_MAX = 1024 * 1024

/** Mends the bytes in place; they are made to reach from `range.first` to `range.next`. */
export function mendBatches(bytes: Uint8Array, range: BatchRange): MendedRange[] {
  const mended: MendedRange[] = []
  let at = 0
  let offset = range.first
  let before = { at: 0, offset }
  while (at < bytes.length) {
    if (isGood(bytes, at, offset, range)) {
      before = { at, offset }
      offset = batchLastOffset(bytes, at) + 1
      at += batchSizeBytes(bytes, at)
      continue
    }
    const restored = restorePlace(bytes, at, offset, range)
    if (restored !== undefined) {
      mended.push(restored)
      continue
    }
    let to = at + 1
    while (to < bytes.length && !isGood(bytes, to, offset + 1, range, true)) to += 1
    let from = { at, offset }
    const next = to < bytes.length ? batchBaseOffset(bytes, to) : range.next
    // Too little room for a head, or for an offset: the batch before goes along.
    if (to - at < BATCH_HEADER_BYTES || next <= offset) from = before
    const original = bytes.slice(from.at, to)
    fill(bytes.subarray(from.at, to), from.offset, next, range)
    mended.push({ from: from.at, to, first: from.offset, next, original, restored: false })
    at = to
    offset = next
  }
  return mended
}

/** The length of good batches without gaps from the begin on, and where their offsets end. */
export function goodBatches(bytes: Uint8Array, range: BatchRange): { sizeBytes: number; next: Offset } {
  let at = 0
  let next = range.first
  while (at < bytes.length && isGood(bytes, at, next, range)) {
    next = batchLastOffset(bytes, at) + 1
    at += batchSizeBytes(bytes, at)
  }
  return { sizeBytes: at, next }
}

/** @param behind damage: the batch need not follow at once. */
function isGood(bytes: Uint8Array, at: number, expected: Offset, range: BatchRange, behind = false): boolean {
  if (at + BATCH_HEADER_BYTES > bytes.length || bytes[at + 16] !== BATCH_MAGIC) return false
  const sizeBytes = batchSizeBytes(bytes, at)
  if (sizeBytes < BATCH_HEADER_BYTES || at + sizeBytes > bytes.length) return false
  // A number beyond the safe integers would be thrown.
  const high = readInt32(bytes, at)
  if (high < 0 || high >= 0x20_0000) return false
  const first = readInt64(bytes, at)
  if (behind ? first < expected : first !== expected) return false
  if (first + readInt32(bytes, at + 23) >= range.next) return false
  return (
    batchLeaderEpoch(bytes, at) === range.epochAt(first) && verifyBatch(bytes, at, bytes.length) === undefined
  )
}

/** The checksum leaves offset and epoch out: where the rest holds, they are known, and no record is lost. */
function restorePlace(
  bytes: Uint8Array,
  at: number,
  offset: Offset,
  range: BatchRange,
): MendedRange | undefined {
  if (at + BATCH_HEADER_BYTES > bytes.length) return undefined
  const original = bytes.slice(at, at + BATCH_PREFIX_BYTES + 4)
  assignBatch(bytes, at, offset, range.epochAt(offset))
  if (isGood(bytes, at, offset, range)) {
    const next = batchLastOffset(bytes, at) + 1
    return { from: at, to: at + original.length, first: offset, next, original, restored: true }
  }
  bytes.set(original, at)
  return undefined
}

function fill(bytes: Uint8Array, first: Offset, next: Offset, { epochAt }: BatchRange): void {
  assert(bytes.length >= BATCH_HEADER_BYTES && next > first, 'a filler has a head and an offset')
  const count = Math.min(Math.ceil(bytes.length / FILLER_BYTES_MAX), next - first)
  bytes.fill(0)
  for (let index = 0; index < count; index += 1) {
    const from = Math.floor((bytes.length / count) * index)
    const to = Math.floor((bytes.length / count) * (index + 1))
    const last = index === count - 1 ? next - 1 : first + index
    writeEmptyBatch(bytes.subarray(from, to), first + index, last, epochAt(first + index))
  }
}
