import { PROCESSORS } from '../actors/processor.ts'
import type { Model } from '../model/model.ts'
import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/** Exactly once: the records that the processors copied are those below their positions, each of them one time. */
export class EachRecordIsProcessedOnce implements Checker {
  readonly name = 'each-record-is-processed-once'

  check(seen: Seen, model: Model): string | undefined {
    const output = seen.topics.find(({ name }) => name === 'out')
    if (output === undefined) return undefined
    const copied = new Map<string, number>()
    let settled = true
    for (const view of seen.views.values()) {
      if (view.topic !== output.id) continue
      settled &&= view.lastStable === view.end
      for (const { id } of view.committed) {
        const source = model.records.get(id)?.copyOf
        if (source === undefined) continue
        const other = copied.get(source)
        if (other !== undefined) return `${source} was copied twice, as records ${other} and ${id}`
        copied.set(source, id)
      }
    }
    return settled ? this.#missing(seen, copied) : undefined
  }

  #missing(seen: Seen, copied: ReadonlyMap<string, number>): string | undefined {
    for (const { group, positions } of seen.positions) {
      if (group !== PROCESSORS) continue
      for (const [place, { offset: position }] of positions) {
        for (const { stored } of seen.views.get(place)?.committed ?? []) {
          if (stored.offset < position && !copied.has(`${place}@${stored.offset}`))
            return `${place}@${stored.offset} was never copied, but the position is ${position}`
        }
      }
    }
    return undefined
  }
}
