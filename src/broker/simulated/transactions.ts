import type { Offset, PartitionId, TopicId } from '../../base/brands.ts'
import type { AbortedTransaction } from '../broker.ts'

interface Transaction {
  readonly producerId: number
  readonly firstOffset: Offset
  /** The marker's offset, when it was aborted. */
  lastOffset: Offset | undefined
}

/**
 * Transactions of other clients, per partition: the open ones hold the last stable offset back, the aborted ones are
 * named in fetches. They belong to a world, not to a broker: a broker that is opened again must know them.
 */
export class Transactions {
  readonly #open = new Map<string, Transaction[]>()
  readonly #aborted = new Map<string, Transaction[]>()
  #producers = 0

  nextProducer(): number {
    this.#producers += 1
    return this.#producers
  }

  begin(topic: TopicId, partition: PartitionId, producerId: number, firstOffset: Offset): void {
    listOf(this.#open, topic, partition).push({ producerId, firstOffset, lastOffset: undefined })
  }

  end(topic: TopicId, partition: PartitionId, producerId: number, aborted: boolean, marker: Offset): void {
    const open = listOf(this.#open, topic, partition)
    const index = open.findIndex((transaction) => transaction.producerId === producerId)
    const [ended] = index < 0 ? [] : open.splice(index, 1)
    if (ended === undefined || !aborted) return
    ended.lastOffset = marker
    listOf(this.#aborted, topic, partition).push(ended)
  }

  /** The first offset that an open transaction still holds back, at most `end`. */
  lastStable(topic: TopicId, partition: PartitionId, end: Offset): Offset {
    return listOf(this.#open, topic, partition).reduce(
      (least, { firstOffset }) => Math.min(least, firstOffset),
      end,
    )
  }

  /** Those aborted that reach into the offsets from `from` on. */
  aborted(topic: TopicId, partition: PartitionId, from: Offset): readonly AbortedTransaction[] {
    return listOf(this.#aborted, topic, partition)
      .filter(({ lastOffset }) => lastOffset !== undefined && lastOffset >= from)
      .map(({ producerId, firstOffset }) => ({ producerId, firstOffset }))
  }
}

function listOf<T>(map: Map<string, T[]>, topic: TopicId, partition: PartitionId): T[] {
  const key = `${topic}/${partition}`
  const list = map.get(key) ?? []
  map.set(key, list)
  return list
}
