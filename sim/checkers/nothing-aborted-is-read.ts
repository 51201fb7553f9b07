import type { Model } from '../model/model.ts'
import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/** A reader of committed records sees none of a transaction that was aborted, or that nobody asked to be committed. */
export class NothingAbortedIsRead implements Checker {
  readonly name = 'nothing-aborted-is-read'

  check(seen: Seen, model: Model): string | undefined {
    for (const view of seen.changed) {
      for (const { id, stored } of view.committed) {
        const transaction = model.records.get(id)?.transaction
        if (transaction === undefined) continue
        const { wanted, ended } = transaction
        if (wanted === 'commit' && ended !== 'aborted') continue
        const why = ended === 'aborted' ? 'was aborted' : 'nobody asked to be committed'
        return `${view.name}@${stored.offset}: record ${id} of transaction ${transaction.id}, which ${why}`
      }
    }
    return undefined
  }
}
