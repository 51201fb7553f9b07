import type { Model } from '../model/model.ts'
import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/** However often a batch is sent, its records are there once, and every acknowledgement names the same place. */
export class NoDuplicateFromIdempotentProducer implements Checker {
  readonly name = 'no-duplicate-from-idempotent-producer'

  check(seen: Seen, model: Model): string | undefined {
    const [contradiction] = model.contradictions
    if (contradiction !== undefined) return contradiction
    for (const view of seen.changed) {
      const offsets = new Map<number, number>()
      for (const { id, stored } of view.all) {
        const other = offsets.get(id)
        if (other !== undefined) return `${view.name} has record ${id} at ${other} and at ${stored.offset}`
        offsets.set(id, stored.offset)
      }
    }
    return undefined
  }
}
