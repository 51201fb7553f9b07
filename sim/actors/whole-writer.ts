import type { Offset } from '../../src/base/brands.ts'
import type { SentTransaction } from '../model/sent-transaction.ts'
import type { Actor, World } from '../world.ts'
import { buildBatch, drawRecords, drawTopic } from './record-maker.ts'

export interface WholeWriterOptions {
  /** Default: all. */
  readonly topics?: readonly string[]
  /** Transactions one behind the other. Default 1. */
  readonly burst?: number
  /** How often the power is about to fail while it writes. Default: never. */
  readonly powerCuts?: number
}

/** Writes transactions that are one group of the log, with nothing to mark them. */
export class WholeWriter implements Actor {
  readonly name: string
  readonly #world: World
  readonly #options: WholeWriterOptions
  readonly #flying = new Set<SentTransaction>()

  constructor(world: World, name: string, options: WholeWriterOptions = {}) {
    this.#world = world
    this.name = name
    this.#options = options
  }

  act(): void {
    const { random } = this.#world
    const { burst = 1, powerCuts = 0 } = this.#options
    if (powerCuts > 0 && random.chance(powerCuts)) this.#world.armPowerCut()
    for (let count = 1 + random.below(burst); count > 0; count -= 1) this.#write()
  }

  #write(): void {
    const { random, model, broker } = this.#world
    const transaction = model.beginTransaction(this.name)
    transaction.wanted = 'commit'
    const parts = Array.from({ length: 1 + random.below(4) }, () => {
      const topic = drawTopic(this.#world, this.#options.topics)
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
          `${this.name}: t${transaction.id} records ${ids.join()}: ${error?.message ?? offsets?.join()}`,
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
