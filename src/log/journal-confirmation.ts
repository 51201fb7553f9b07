import type { Disk } from '../sys/disk.ts'
import { ENTRY_HEAD_BYTES, type JournalEntry, nextEntryPosition } from './journal-entry.ts'
import type { JournalContent } from './journal-reader.ts'
import { journalFolder } from './log-paths.ts'

/**
 * Makes durable what was read of the journal, before anything is cut or removed because of it.
 *
 * After a sync that failed, entries may be in the page cache only, where they look as if they had been written: a later
 * sync leaves them out. So those that were not acknowledged for sure are written again, byte by byte the same, and
 * synced. If the power fails meanwhile, each of them is as it was.
 */
export function confirmJournal(disk: Disk, log: string, { entries, durable }: JournalContent): void {
  const ranges = new Map<string, [first: JournalEntry, last: JournalEntry]>()
  for (const entry of entries) {
    if (entry.number < durable) continue
    const range = ranges.get(entry.file)
    if (range === undefined) ranges.set(entry.file, [entry, entry])
    else range[1] = entry
  }
  for (const [path, [first, last]] of ranges) {
    const { buffer, byteOffset } = first.body
    const length = nextEntryPosition(last) - first.position
    const there = Math.min(length, buffer.byteLength - (byteOffset - ENTRY_HEAD_BYTES))
    const file = disk.open(path, 'write')
    try {
      file.write(new Uint8Array(buffer, byteOffset - ENTRY_HEAD_BYTES, there), first.position)
      file.syncNow()
    } finally {
      file.close()
    }
  }
  if (ranges.size > 0) disk.syncFolder(journalFolder(log))
}
