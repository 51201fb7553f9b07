import type { Offset, Timestamp } from '../base/brands.ts'
import { isMillraceError, type MillraceError } from '../base/errors.ts'
import { batchLastOffsetDelta, batchSizeBytes } from '../record/batch-header.ts'
import { assignBatches } from './append-batches.ts'
import type { LogBatch } from './log.ts'
import type { Partition } from './partition.ts'
import type { PlacedPart } from './placement.ts'
import { concernsProducers } from './producer-states.ts'

/** What a call of `append` writes, and what it answers. */
export interface Assignment {
  readonly parts: readonly PlacedPart[]
  /** One for each of the call's items. */
  readonly offsets: readonly Offset[]
  /** Something that is there already is not acknowledged yet: the answer waits for it. */
  readonly waits: boolean
}

/** Offsets for batches that no producer is known of. */
export function assignAll(
  partitions: readonly Partition[],
  batches: readonly LogBatch[],
  now: Timestamp,
): Assignment {
  const parts = batches.map(({ bytes }, index) => assignBatches(partitions[index] as Partition, bytes, now))
  return { parts, offsets: parts.map(({ first }) => first), waits: false }
}

/**
 * As `assignAll`, and checks what producers wrote: batches that are there already are left out. Returns why the call is
 * refused, if one of its batches is; then all is as it was.
 */
export function assignOfProducers(
  partitions: readonly Partition[],
  batches: readonly LogBatch[],
  now: Timestamp,
): Assignment | MillraceError {
  const before = new Map<Partition, { appended: Offset; waitingBytes: number; waiting: number }>()
  const parts: PlacedPart[] = []
  const offsets: Offset[] = []
  let waits = false
  try {
    for (const [index, { bytes }] of batches.entries()) {
      const partition = partitions[index] as Partition
      if (!before.has(partition)) {
        const { appended, waitingBytes, transactions } = partition
        before.set(partition, { appended, waitingBytes, waiting: transactions.states().waiting })
      }
      const { kept, first } = withoutDuplicates(partition, bytes, now)
      offsets.push(first)
      if (first < partition.appended && first >= partition.end) waits = true
      if (kept.length > 0) parts.push(assignBatches(partition, kept, now))
    }
    return { parts, offsets, waits }
  } catch (error) {
    for (const [partition, { appended, waitingBytes, waiting }] of before) {
      partition.appended = appended
      partition.waitingBytes = waitingBytes
      partition.transactions.states().backTo(waiting)
    }
    if (isMillraceError(error)) return error
    throw error
  }
}

/** The batches that are to be written, and the offset of the first one of all. */
function withoutDuplicates(
  partition: Partition,
  bytes: Uint8Array,
  now: Timestamp,
): { readonly kept: Uint8Array; readonly first: Offset } {
  const states = partition.transactions.states()
  const kept: Uint8Array[] = []
  let first: Offset = -1
  let next = partition.appended
  for (let at = 0; at < bytes.length; ) {
    const sizeBytes = batchSizeBytes(bytes, at)
    const offset = concernsProducers(bytes, at) ? states.append(bytes, at, next, now) : next
    if (first < 0) first = offset
    if (offset === next) {
      next += batchLastOffsetDelta(bytes, at) + 1
      kept.push(bytes.subarray(at, at + sizeBytes))
    }
    at += sizeBytes
  }
  const [only] = kept
  if (only !== undefined && only.length === bytes.length) return { kept: bytes, first }
  return { kept: kept.length === 1 && only !== undefined ? only : joined(kept, bytes), first }
}

/** Several batches whose neighbours were left out, one after the other; all of them: the bytes as they are. */
function joined(kept: readonly Uint8Array[], bytes: Uint8Array): Uint8Array {
  const sizeBytes = kept.reduce((sum, { length }) => sum + length, 0)
  if (sizeBytes === bytes.length) return bytes
  const result = new Uint8Array(sizeBytes)
  let at = 0
  for (const each of kept) {
    result.set(each, at)
    at += each.length
  }
  return result
}
