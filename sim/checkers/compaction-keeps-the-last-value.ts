import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/** Of every key the last committed record is there; if it deletes the key, at least for the time that the topic says. */
export class CompactionKeepsTheLastValue implements Checker {
  readonly name = 'compaction-keeps-the-last-value'

  check(seen: Seen): string | undefined {
    for (const view of seen.changed) {
      for (const [key, { record, firstSeen }] of seen.keys.of(view.place)) {
        const { offset, value } = record.stored
        if (offset < view.start || view.committedAt.get(offset)?.id === record.id) continue
        if (value === null && seen.now - firstSeen >= view.deleteRetentionMs) continue
        const what =
          value === null ? `the tombstone, seen ${seen.now - firstSeen} ms ago,` : `record ${record.id}`
        return `${view.name}: the last of key ${key}, ${what} at ${offset}, is gone`
      }
    }
    return undefined
  }
}
