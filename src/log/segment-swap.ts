/**
 * How a cleaned segment takes the place of those that it was made from, so that a power cut leaves the old ones or the
 * new one.
 *
 * The new file is written and synced beside, under its later name with a suffix of its own. Then a journal entry says
 * that it counts. When that is durable, the file gets its name in one step over that of the first old segment, and then
 * the others go. Old files and new one have the same offsets.
 *
 * For a recovery that reads the entry: is the file with the suffix there, then no old file was touched, and the swap is
 * `pending`; it is finished when all before it is durable. Is it gone, then the entry was durable once, and with it all
 * that had been written to the old segments: what earlier entries say of these does not matter any more.
 */
import type { Offset } from '../base/brands.ts'
import type { Disk } from '../sys/disk.ts'
import { segmentPath } from './log-paths.ts'
import type { OpenFiles } from './open-files.ts'
import { SEGMENT_SUFFIXES } from './segment.ts'
import type { PartitionRecord, SegmentSwap } from './shape-entries.ts'

/** What differs from swap to swap, so that a file left behind is never taken for another. */
export function swapSuffix(entryNumber: number): string {
  return `.cleaned-${entryNumber}`
}

export function swapFile(folder: string, { old, suffix }: Pick<SegmentSwap, 'old' | 'suffix'>): string {
  return `${segmentPath(folder, old[0] as Offset)}.log${suffix}`
}

/** Whether the file is one that the swap still needs. */
export function belongsToSwap(path: string, folder: string, swap: SegmentSwap): boolean {
  if (path === swapFile(folder, swap)) return true
  return swap.old.some((base) => path.startsWith(`${segmentPath(folder, base)}.`) && !path.includes('.log.'))
}

/**
 * Does what is left of a swap whose entry is durable. Again, after a power cut in the middle, gives the same. Throws
 * MILLRACE_DISK: it is to be tried again before anything else is done with the partition.
 */
export function finishSwap(disk: Disk, files: OpenFiles, folder: string, swap: SegmentSwap): void {
  const [base, ...others] = swap.old
  const path = segmentPath(folder, base as Offset)
  const file = swapFile(folder, swap)
  for (const suffix of SEGMENT_SUFFIXES) {
    // Indexes of the old segment make no sense with the new one.
    if (suffix === '.log') files.forget(path + suffix)
    else files.remove(path + suffix)
  }
  files.forget(file)
  if (disk.exists(file)) {
    disk.rename(file, `${path}.log`)
    // Before the others go: they are needed while the old file may come back.
    disk.syncFolder(folder)
  }
  for (const other of others) {
    for (const suffix of SEGMENT_SUFFIXES) files.remove(segmentPath(folder, other) + suffix)
  }
}

/** The partition after the swap. */
export function swappedRecord(record: PartitionRecord, swap: SegmentSwap): PartitionRecord {
  const [base] = swap.old
  const old = new Set(swap.old)
  const at = record.segments.findIndex(([each]) => old.has(each))
  const segments = record.segments.filter(([each]) => !old.has(each))
  segments.splice(at, 0, [base as Offset, swap.sizeBytes, swap.next])
  const aborted = record.aborted.filter(([each]) => !old.has(each))
  if (swap.aborted !== null) aborted.push(swap.aborted)
  return { ...record, segments, aborted, swap }
}
