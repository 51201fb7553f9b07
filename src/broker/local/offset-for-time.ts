import type { Offset, Timestamp } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type { LogPartition } from '../../log/log.ts'
import { batchSizeBytes, verifyBatch } from '../../record/batch-header.ts'
import { BatchReader } from '../../record/batch-reader.ts'

/**
 * The first offset whose record is not before `timestamp`: the log finds the batch, its records say the rest. At most
 * the last stable offset: what comes behind it may still be read from there.
 */
export function offsetForTime(partition: LogPartition, timestamp: Timestamp): Offset {
  const reader = new BatchReader()
  const { lastStable } = partition
  for (let from = partition.offsetForTime(timestamp); from < lastStable; ) {
    const read = partition.read(from, 1, lastStable)
    if (read === undefined) break
    for (let at = 0; at < read.bytes.length; at += batchSizeBytes(read.bytes, at)) {
      const fault = verifyBatch(read.bytes, at, read.bytes.length)
      if (fault !== undefined) {
        const place = `${partition.topic.name}-${partition.index}@${read.from}`
        throw new MillraceError('MILLRACE_CORRUPT', `${place} is damaged: ${fault}`)
      }
      reader.open(read.bytes, at)
      if (reader.control) continue
      while (reader.next()) {
        if (reader.timestamp >= timestamp && reader.offset >= partition.start) return reader.offset
      }
    }
    from = read.next
  }
  return lastStable
}
