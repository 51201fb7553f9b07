import type { Model } from '../model/model.ts'
import type { PartitionView } from '../observation.ts'
import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/** Records go only by a request, or because they are older or more than the topic's retention says. */
export class OnlyWhatIsDueIsDeleted implements Checker {
  readonly name = 'only-what-is-due-is-deleted'
  readonly #before = new Map<string, PartitionView>()

  check(seen: Seen, model: Model): string | undefined {
    for (const view of seen.changed) {
      const before = this.#before.get(view.place)
      this.#before.set(view.place, view)
      if (before === undefined || before.start >= view.start || view.retentionBytes !== null) continue
      const asked = model.topics.get(view.topic)?.cutAsked.get(view.partition) ?? 0
      for (const { id, stored } of before.committed) {
        if (stored.offset < asked || stored.offset >= view.start) continue
        const key = stored.key === null ? null : Buffer.from(stored.key).toString()
        // Compaction took it; what it left was older.
        if (seen.keys.mayBeGone(view, key, stored.offset, stored.value === null)) continue
        const age = seen.now - stored.timestamp
        if (view.retentionMs === null || age < view.retentionMs)
          return `${view.name} begins at ${view.start} now: record ${id} at ${stored.offset} is gone, ${age} ms old`
      }
    }
    return undefined
  }
}
