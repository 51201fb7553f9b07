import type { Model } from '../model/model.ts'
import { differenceOf } from '../model/sent-record.ts'
import type { PartitionView, SeenRecord } from '../observation.ts'
import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/** Whatever is read was sent, to this place, with these very bytes, and was not refused; positions too. */
export class NothingPhantom implements Checker {
  readonly name = 'nothing-phantom'

  check(seen: Seen, model: Model): string | undefined {
    for (const view of seen.changed) {
      const all = new Map(view.all.map((record) => [record.stored.offset, record.id]))
      for (const record of view.all) {
        const problem = problemOf(view, record, model)
        if (problem !== undefined) return `${view.name}@${record.stored.offset}: ${problem}`
      }
      for (const { id, stored } of view.committed) {
        if (all.get(stored.offset) !== id && view.error === undefined)
          return `${view.name}@${stored.offset}: record ${id} is committed, but not there`
      }
    }
    return this.#positions(seen, model)
  }

  #positions(seen: Seen, model: Model): string | undefined {
    for (const { group, positions } of seen.positions) {
      for (const [place, position] of positions) {
        if (!model.group(group).wasAsked(place, position))
          return `group ${group} has position ${position.offset} '${position.metadata}' in ${place}, which nobody committed`
      }
    }
    return undefined
  }
}

function problemOf(view: PartitionView, { id, stored }: SeenRecord, model: Model): string | undefined {
  const sent = model.records.get(id)
  if (sent === undefined) return `record ${id} was never sent`
  if (sent.topic !== view.topic || (sent.partition ?? view.partition) !== view.partition)
    return `record ${id} was sent to ${sent.topic}/${sent.partition}`
  if (sent.outcome === 'refused') return `record ${id} was refused`
  return differenceOf(sent, stored)
}
