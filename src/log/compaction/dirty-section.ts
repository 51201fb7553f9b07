import type { Offset, Timestamp } from '../../base/brands.ts'
import type { Partition } from '../partition.ts'
import type { Segment } from '../segment.ts'

/** What of a partition may be compacted. */
export interface CleanableSection {
  /** All that may be written anew, from the first one on. */
  readonly segments: readonly Segment[]
  /** Keys from here on may have records below. */
  readonly from: Offset
  readonly to: Offset
  readonly dirtyBytes: number
  readonly totalBytes: number
}

/**
 * The closed segments of which all is acknowledged, stable and old enough; undefined where none of them holds
 * anything new.
 */
export function cleanableSection(partition: Partition, now: Timestamp): CleanableSection | undefined {
  const { minCompactionLagMs } = partition.topic.settings
  const segments: Segment[] = []
  const { active, lastStable } = partition
  const from = Math.max(partition.cleanedTo, partition.start)
  let dirtyBytes = 0
  let totalBytes = 0
  for (const segment of partition.segments) {
    // Nothing is at or above the last stable offset that is not above the end as well.
    if (segment === active || segment.sizeBytes === 0 || segment.next > lastStable) break
    if (segment.next > from && minCompactionLagMs > 0 && segment.maxTimestamp > now - minCompactionLagMs)
      break
    segments.push(segment)
    totalBytes += segment.sizeBytes
    if (segment.next > from) dirtyBytes += segment.sizeBytes
  }
  const last = segments.at(-1)
  if (last === undefined || dirtyBytes === 0) return undefined
  return {
    segments,
    from: Math.max(from, (segments[0] as Segment).base),
    to: last.next,
    dirtyBytes,
    totalBytes,
  }
}

/** Whether it is time: so much of it is new, or something new is so old. */
export function isDue(partition: Partition, section: CleanableSection, now: Timestamp): boolean {
  const { minCleanableDirtyRatio, maxCompactionLagMs } = partition.topic.settings
  if (section.dirtyBytes >= minCleanableDirtyRatio * section.totalBytes) return true
  if (maxCompactionLagMs === null) return false
  const first = section.segments.find(({ next }) => next > section.from)
  return isOlder(first, now - maxCompactionLagMs)
}

/** Whether the active segment has waited so long that it is to be closed, for its records to be compacted. */
export function mustRoll(partition: Partition, now: Timestamp): boolean {
  const { maxCompactionLagMs } = partition.topic.settings
  return maxCompactionLagMs !== null && isOlder(partition.active, now - maxCompactionLagMs)
}

function isOlder(segment: Segment | undefined, than: Timestamp): boolean {
  return segment?.firstTimestamp !== undefined && segment.firstTimestamp < than
}
