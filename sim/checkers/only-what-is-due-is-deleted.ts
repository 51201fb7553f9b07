import type { Offset } from '../../src/base/brands.ts'
import type { Model } from '../model/model.ts'
import type { SentRecord } from '../model/sent-record.ts'
import { mayBeCommitted } from '../model/sent-transaction.ts'
import type { PartitionView } from '../observation.ts'
import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/**
 * Records go only by a request, because they are older or more than the topic's retention says, or because a later
 * record of their key was committed.
 *
 * That one may itself be gone before any reader of committed records saw it: it was written behind an open transaction,
 * by a producer that had tried for long, so that it was stable, compacted and too old between two looks. Then its age
 * counts in the place of theirs.
 */
export class OnlyWhatIsDueIsDeleted implements Checker {
  readonly name = 'only-what-is-due-is-deleted'
  readonly #before = new Map<string, PartitionView>()

  check(seen: Seen, model: Model): string | undefined {
    for (const view of seen.changed) {
      const before = this.#before.get(view.place)
      this.#before.set(view.place, view)
      if (before === undefined || before.start >= view.start || view.retentionBytes !== null) continue
      const problem = problemOf(seen, before, view, model)
      if (problem !== undefined) return problem
    }
    return undefined
  }
}

function problemOf(seen: Seen, before: PartitionView, view: PartitionView, model: Model): string | undefined {
  const asked = model.topics.get(view.topic)?.cutAsked.get(view.partition) ?? 0
  const passing = view.compacted ? lastPassing(seen, before, view, model) : new Map<string, Offset>()
  for (const { id, stored } of before.committed) {
    const { offset, timestamp, value } = stored
    if (offset < asked || offset >= view.start) continue
    const key = stored.key === null ? null : Buffer.from(stored.key).toString()
    // Compaction took it; what it left was older.
    if (seen.keys.mayBeGone(view, key, offset, value === null)) continue
    if (key !== null && (passing.get(key) ?? -1) > offset) continue
    const age = seen.now - timestamp
    if (view.retentionMs === null || age < view.retentionMs)
      return `${view.name} begins at ${view.start} now: record ${id} at ${offset} is gone, ${age} ms old`
  }
  return undefined
}

/** Of each key the last record that came and went by right without being seen by readers of committed records. */
function lastPassing(
  seen: Seen,
  before: PartitionView,
  view: PartitionView,
  { records, acknowledged }: Model,
): Map<string, Offset> {
  const passing = new Map<string, Offset>()
  const note = (sent: SentRecord | undefined, offset: Offset): void => {
    // Above the last stable offset of then, and below the start of now.
    if (sent === undefined || sent.key === null || offset < before.lastStable || offset >= view.start) return
    if (sent.transaction !== undefined && !mayBeCommitted(sent.transaction)) return
    const age = seen.now - sent.timestamp
    const expired = view.retentionMs !== null && age >= view.retentionMs
    if (!expired && !(sent.tombstone && age >= view.deleteRetentionMs)) return
    passing.set(sent.key, Math.max(offset, passing.get(sent.key) ?? -1))
  }
  for (const { id, stored } of before.all) note(records.get(id), stored.offset)
  for (const sent of acknowledged.get(view.place) ?? []) note(sent, sent.offset ?? -1)
  return passing
}
