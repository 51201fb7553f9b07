import type { Model } from '../model/model.ts'
import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/** A group's position passes a record only after some member said that its work was done (at least once). */
export class NothingIsSkipped implements Checker {
  readonly name = 'nothing-is-skipped'

  check(seen: Seen, model: Model): string | undefined {
    for (const { group, positions } of seen.positions) {
      const { finished, byHand } = model.group(group)
      for (const [place, { offset: position }] of positions) {
        const view = seen.views.get(place)
        // What retention takes away may come back with a crash, when its group has passed it.
        if (view === undefined || view.retentionMs !== null || view.retentionBytes !== null) continue
        const cut = model.topics.get(view.topic)?.cutAsked.get(view.partition) ?? 0
        const done = finished.get(place)
        const from = Math.max(cut, byHand.get(place) ?? 0)
        for (const { id, stored } of view.committed) {
          if (stored.offset >= position) break
          if (stored.offset < from || done?.has(stored.offset) === true) continue
          return `group ${group} is at ${view.name}@${position}, but nobody finished record ${id} at ${stored.offset}`
        }
      }
    }
    return undefined
  }
}
