import type { Model } from '../model/model.ts'
import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/** In a partition the records of one writer lie in the order in which it sent them. */
export class OrderIsKept implements Checker {
  readonly name = 'order-is-kept'

  check(seen: Seen, model: Model): string | undefined {
    for (const view of seen.changed) {
      const last = new Map<string, number>()
      let before = -1
      for (const { id, stored } of view.all) {
        if (stored.offset <= before) return `${view.name}@${stored.offset} comes after ${before}`
        before = stored.offset
        const writer = model.records.get(id)?.writer
        if (writer === undefined) continue
        const earlier = last.get(writer) ?? -1
        if (id < earlier)
          return `${view.name}@${stored.offset}: record ${id} of ${writer} comes after ${earlier}`
        last.set(writer, id)
      }
    }
    return undefined
  }
}
