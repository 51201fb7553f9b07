import type { Model } from '../model/model.ts'
import type { PartitionView } from '../observation.ts'
import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/**
 * Start, last stable offset and end of a partition only grow while the log is open, in this order; the start that was
 * acknowledged stays also over a crash.
 */
export class LastStableOffsetNeverGoesBack implements Checker {
  readonly name = 'last-stable-offset-never-goes-back'
  readonly #before = new Map<string, PartitionView>()
  #life = -1

  check(seen: Seen, model: Model): string | undefined {
    if (seen.life !== this.#life) this.#before.clear()
    this.#life = seen.life
    for (const view of seen.changed) {
      const { start, lastStable, end, name } = view
      const before = this.#before.get(view.place)
      this.#before.set(view.place, view)
      if (start > lastStable || lastStable > end) return `${name} has ${start}, ${lastStable}, ${end}`
      const cut = model.topics.get(view.topic)?.cutDone.get(view.partition) ?? 0
      if (start < cut) return `the start of ${name} is ${start}, but records before ${cut} were deleted`
      if (before === undefined) continue
      if (start < before.start) return `the start of ${name} was ${before.start} and is ${start}`
      if (lastStable < before.lastStable)
        return `the last stable offset of ${name} was ${before.lastStable} and is ${lastStable}`
      if (end < before.end) return `the end of ${name} was ${before.end} and is ${end}`
    }
    return undefined
  }
}
