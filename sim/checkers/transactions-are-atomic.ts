import type { Model } from '../model/model.ts'
import { mayBeCommitted, type SentTransaction } from '../model/sent-transaction.ts'
import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/**
 * Of a transaction either everything is seen, in all partitions, with its positions, or nothing. Where nobody knows how
 * it ended, the first thing that is seen of it decides.
 */
export class TransactionsAreAtomic implements Checker {
  readonly name = 'transactions-are-atomic'

  check(seen: Seen, model: Model): string | undefined {
    for (const transaction of model.transactions) {
      if (!mayBeCommitted(transaction)) continue
      const problem = this.#problemOf(seen, model, transaction)
      if (problem !== undefined) return problem
    }
    return this.#positions(seen, model)
  }

  #problemOf(seen: Seen, model: Model, transaction: SentTransaction): string | undefined {
    const { there, missing } = parts(seen, transaction)
    if (there.length > 0 && missing.length > 0)
      return `of transaction ${transaction.id} there are records ${there.join()}, but not ${missing.join()}`
    if (transaction.ended === 'committed' && missing.length > 0)
      return `transaction ${transaction.id} was committed, but its records ${missing.join()} are not there`
    if (there.length > 0 && transaction.ended === 'unknown') {
      transaction.ended = 'committed'
      for (const { group, place, offset } of transaction.positions) model.group(group).raise(place, offset)
    }
    return undefined
  }

  #positions(seen: Seen, model: Model): string | undefined {
    for (const { group, positions } of seen.positions) {
      for (const [place, { metadata, offset }] of positions) {
        const number = /^transaction (\d+)$/.exec(metadata)?.[1]
        const transaction = number === undefined ? undefined : model.transactions[Number(number) - 1]
        if (transaction === undefined) continue
        const where = `position ${offset} of group ${group} in ${place} is of transaction ${transaction.id}`
        if (!mayBeCommitted(transaction)) return `${where}, which was not committed`
        const { missing } = parts(seen, transaction)
        if (missing.length > 0) return `${where}, whose records ${missing.join()} are not there`
      }
    }
    return undefined
  }
}

/** Of the records that must be seen if the transaction was committed, those that are and those that are not. */
function parts(seen: Seen, { records }: SentTransaction): { there: number[]; missing: number[] } {
  const there: number[] = []
  const missing: number[] = []
  for (const sent of records) {
    const view = seen.views.get(`${sent.topic}/${sent.partition}`)
    const offset = sent.offset ?? -1
    if (view === undefined || sent.outcome !== 'acknowledged') continue
    if (offset < view.start || offset >= view.lastStable) continue
    if (view.committedAt.get(offset)?.id === sent.id) there.push(sent.id)
    else if (!seen.keys.mayBeGoneSent(view, sent)) missing.push(sent.id)
  }
  return { there, missing }
}
