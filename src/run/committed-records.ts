import { MillraceError } from '../base/errors.ts'
import type { CommitPositions, NewPosition } from '../broker/groups.ts'
import { type GroupConsumer, goneError } from '../clients/group-consumer.ts'
import { handedOf } from './consumer.ts'

/** Which records of which consumers a transaction says are done. */
export class CommittedRecords {
  readonly #records: object[] = []

  /** @throws MillraceError MILLRACE_INVALID_ARGUMENT for what no consumer of this process handed out. */
  add(record: object): void {
    if (handedOf(record) === undefined) {
      const problem = 'transaction.commit was given something else than a record of a consumer'
      const way = "give it the record that the loop over log.consumer({ commit: 'manual', ... }) gave you"
      throw new MillraceError('MILLRACE_INVALID_ARGUMENT', `${problem}: ${way}`)
    }
    this.#records.push(record)
  }

  /**
   * The positions behind the records, in the names of their consumers. A record counts with all before it in its
   * partition, which must be done: a position has no room for what is still in work before it.
   */
  requests(): readonly CommitPositions[] {
    const byConsumer = new Map<GroupConsumer, Map<string, NewPosition>>()
    for (const each of this.#records) {
      const { consumer, record } = handedOf(each) as NonNullable<ReturnType<typeof handedOf>>
      const { feed } = record
      if (feed.gone) throw goneError(record)
      let positions = byConsumer.get(consumer)
      if (positions === undefined) byConsumer.set(consumer, (positions = new Map()))
      const offset = Math.max(record.record.offset + 1, positions.get(feed.name)?.offset ?? 0)
      const place = { topic: feed.topic.id, partition: feed.partition }
      positions.set(feed.name, { ...place, offset, leaderEpoch: -1, metadata: '' })
    }
    return Array.from(byConsumer, ([consumer, positions]) => {
      return { ...consumer.membership.identity, positions: [...positions.values()] }
    })
  }

  /** The transaction is durable: the consumers know it too. */
  done(): void {
    for (const each of this.#records) {
      const { consumer, record } = handedOf(each) as NonNullable<ReturnType<typeof handedOf>>
      consumer.finishTo(record)
      const { feed } = record
      feed.committed = Math.max(record.record.offset + 1, feed.committed ?? 0)
    }
  }
}
