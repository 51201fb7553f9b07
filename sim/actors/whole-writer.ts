import type { Offset } from '../../src/base/brands.ts'
import type { SentTransaction } from '../model/sent-transaction.ts'
import type { Actor, World } from '../world.ts'
import { buildBatch, drawRecords, drawTopic } from './record-maker.ts'

/** Writes transactions that are one group of the log, with nothing to mark them. */
export class WholeWriter implements Actor {
  readonly name = 'whole'
  readonly #world: World
  readonly #flying = new Set<SentTransaction>()

  constructor(world: World) {
    this.#world = world
  }

  act(): void {
    const { random, model, broker } = this.#world
    const transaction = model.beginTransaction(this.name)
    transaction.wanted = 'commit'
    const parts = Array.from({ length: 1 + random.below(4) }, () => {
      const topic = drawTopic(this.#world)
      if (topic === undefined) return []
      const partition = random.below(topic.partitions)
      const records = drawRecords(this.#world, this.name, topic, partition, 1 + random.below(3), transaction)
      return [{ topic: topic.id, partition, records, bytes: buildBatch(this.#world, records) }]
    }).flat()
    if (parts.length === 0) return
    this.#flying.add(transaction)
    const batches = parts.map(({ topic, partition, bytes }) => ({ topic, partition, bytes }))
    broker.transactions.commitWhole(
      { batches, positions: [] },
      this.#world.answer<readonly Offset[]>((error, offsets) => {
        this.#flying.delete(transaction)
        const ids = transaction.records.map(({ id }) => id)
        this.#world.note(
          `whole: t${transaction.id} records ${ids.join()}: ${error?.message ?? offsets?.join()}`,
        )
        if (offsets === undefined) {
          const refused = this.#world.isRefusal(error as Error)
          transaction.ended = refused ? 'aborted' : 'unknown'
          for (const sent of transaction.records) model.settle(sent, refused ? 'refused' : 'unknown')
          return
        }
        transaction.ended = 'committed'
        for (const [index, { partition, records }] of parts.entries()) {
          for (const [delta, sent] of records.entries())
            model.acknowledge(sent, partition, (offsets[index] ?? -1) + delta)
        }
      }),
    )
  }

  lost(): void {
    for (const transaction of this.#flying) {
      transaction.ended = 'unknown'
      for (const sent of transaction.records) this.#world.model.settle(sent, 'unknown')
    }
    this.#flying.clear()
  }
}
