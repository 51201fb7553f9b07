import type { PartitionId, TopicId } from '../base/brands.ts'
import type { TopicDescription } from '../broker/broker.ts'
import { partitionOf, StickyPartitioner } from '../record/partitioner.ts'

/** Records without a key go to the next partition when a batch has so many bytes. */
const STICKY_BYTES = 16 * 1024

/** The partition of a record whose sender names none: by its key; without one partition after the other, a batch each. */
export class PartitionChoice {
  readonly #sticky = new Map<TopicId, { readonly partitioner: StickyPartitioner; bytes: number }>()

  /** @param bytes of key and value. */
  of(topic: TopicDescription, key: Uint8Array | null, bytes: number): PartitionId {
    if (topic.partitions === 1) return 0
    if (key !== null) return partitionOf(key, topic.partitions)
    let sticky = this.#sticky.get(topic.id)
    if (sticky === undefined) {
      sticky = { partitioner: new StickyPartitioner(topic.partitions), bytes: 0 }
      this.#sticky.set(topic.id, sticky)
    }
    if (sticky.bytes > STICKY_BYTES) {
      sticky.partitioner.nextBatch()
      sticky.bytes = 0
    }
    sticky.bytes += bytes
    return sticky.partitioner.current
  }
}
