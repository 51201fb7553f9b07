import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/**
 * Of every key the last committed record is there; if it deletes the key, at least for the time that the topic says.
 *
 * That time counts from the first cleaning that sees the tombstone, which may be any time after it was stable. A step
 * may take seconds, in which the log tidies by itself: so all that is known is that the tombstone was not there, and not
 * cleaned, at the look before the one that found it.
 */
export class CompactionKeepsTheLastValue implements Checker {
  readonly name = 'compaction-keeps-the-last-value'

  check(seen: Seen): string | undefined {
    for (const view of seen.changed) {
      for (const [key, { record, after }] of seen.keys.of(view.place)) {
        const { offset, value } = record.stored
        if (offset < view.start || view.committedAt.get(offset)?.id === record.id) continue
        if (value === null && seen.now - after >= view.deleteRetentionMs) continue
        const what =
          value === null ? `the tombstone, not there ${seen.now - after} ms ago,` : `record ${record.id}`
        return `${view.name}: the last of key ${key}, ${what} at ${offset}, is gone`
      }
    }
    return undefined
  }
}
