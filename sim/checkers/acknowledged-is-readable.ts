import type { Model } from '../model/model.ts'
import type { SentRecord } from '../model/sent-record.ts'
import type { PartitionView } from '../observation.ts'
import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/** Whatever was acknowledged is there, at the offset that was named, for as long as nobody had it deleted. */
export class AcknowledgedIsReadable implements Checker {
  readonly name = 'acknowledged-is-readable'

  check(seen: Seen, model: Model): string | undefined {
    for (const view of seen.changed) {
      if (view.error !== undefined) return `${view.name} cannot be read: ${view.error.message}`
      const all = new Map(view.all.map((record) => [record.stored.offset, record.id]))
      for (const sent of model.acknowledged.get(view.place) ?? []) {
        const problem = problemOf(seen, view, all, sent)
        if (problem !== undefined)
          return `record ${sent.id} was acknowledged at ${view.name}@${sent.offset}, ${problem}`
      }
    }
    return undefined
  }
}

function problemOf(
  seen: Seen,
  view: PartitionView,
  all: ReadonlyMap<number, number>,
  sent: SentRecord,
): string | undefined {
  const offset = sent.offset ?? -1
  if (offset < view.start) return undefined
  if (offset >= view.end) return `but the end is ${view.end}`
  const { transaction } = sent
  // What is not (or not surely) committed may not stay: compaction leaves aborted records out.
  if (transaction !== undefined && transaction.ended !== 'committed') return undefined
  const found = offset < view.lastStable ? view.committedAt.get(offset)?.id : all.get(offset)
  if (found === sent.id || (found === undefined && seen.keys.mayBeGoneSent(view, sent))) return undefined
  return found === undefined ? 'but it is not there' : `but record ${found} is there`
}
