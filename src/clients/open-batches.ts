/**
 * The batches of a producer that fill until they leave: of each partition one that grows, and behind it those that
 * cannot grow any more and wait for their turn.
 */
import type { PartitionId } from '../base/brands.ts'
import type { TopicDescription } from '../broker/broker.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import type { RecordData } from '../record/record.ts'

/** A batch is not made larger than this, whatever waits. */
const BATCH_BYTES_MAX = 512 * 1024
/** So many builders are kept: a batch's memory may have grown to twice BATCH_BYTES_MAX. */
const SPARE_MAX = 4

/** What becomes of one record. */
export type SendAnswer = (error: Error | undefined, partition: PartitionId, offset: number) => void

/** A batch that fills, and who waits for its records. */
export interface OpenBatch {
  readonly topic: TopicDescription
  readonly partition: PartitionId
  readonly builder: BatchBuilder
  readonly answers: SendAnswer[]
  /** What its records count in the buffer. */
  cost: number
}

export class OpenBatches {
  /** By topic and partition, in the order of their first record. */
  #open = new Map<string, OpenBatch>()
  /** In the order of their records. */
  #full: OpenBatch[] = []
  /** The one that the last record went into: mostly the next one goes there too. */
  #last: OpenBatch | undefined
  /** Builders whose memory is used again. */
  readonly #spare: BatchBuilder[] = []

  get count(): number {
    return this.#open.size + this.#full.length
  }

  /**
   * @param cost what the record counts in the buffer.
   * @throws what the builder says of the record, which then leaves no trace.
   */
  append(
    topic: TopicDescription,
    partition: PartitionId,
    { timestamp, key, value, headers }: RecordData,
    cost: number,
    answer: SendAnswer,
  ): void {
    const batch = this.#batchFor(topic, partition)
    const { builder } = batch
    try {
      builder.append(timestamp, key, value, headers)
    } catch (error) {
      // A batch that was begun for it has nothing to send.
      if (builder.count === 0) this.#forget(batch)
      throw error
    }
    batch.answers.push(answer)
    batch.cost += cost
    if (builder.sizeBytes < BATCH_BYTES_MAX) return
    this.#forget(batch)
    this.#full.push(batch)
  }

  /**
   * One batch of each partition that has any, which are the caller's now. Not two of one partition: with more under way
   * than the log remembers a repeated one would look like a new one.
   */
  next(): readonly OpenBatch[] {
    if (this.#full.length === 0) return this.all()
    this.#last = undefined
    const chosen = new Map<string, OpenBatch>()
    this.#full = this.#full.filter((batch) => {
      const name = placeName(batch)
      if (chosen.has(name)) return true
      chosen.set(name, batch)
      return false
    })
    for (const [name, batch] of this.#open) {
      if (chosen.has(name)) continue
      chosen.set(name, batch)
      this.#open.delete(name)
    }
    return [...chosen.values()]
  }

  /** All of them, which are the caller's now. */
  all(): readonly OpenBatch[] {
    const all = [...this.#full, ...this.#open.values()]
    this.#last = undefined
    this.#full = []
    this.#open = new Map()
    return all
  }

  /** The builder of a batch that was built. */
  release(builder: BatchBuilder): void {
    if (this.#spare.length === SPARE_MAX) return
    builder.reset()
    this.#spare.push(builder)
  }

  #batchFor(topic: TopicDescription, partition: PartitionId): OpenBatch {
    const last = this.#last
    // A broker may describe a topic anew each time.
    if (last !== undefined && last.topic.id === topic.id && last.partition === partition) return last
    const name = placeName({ topic, partition })
    let batch = this.#open.get(name)
    if (batch === undefined) {
      const builder = this.#spare.pop() ?? new BatchBuilder(1024)
      batch = { topic, partition, builder, answers: [], cost: 0 }
      this.#open.set(name, batch)
    }
    this.#last = batch
    return batch
  }

  #forget(batch: OpenBatch): void {
    this.#open.delete(placeName(batch))
    this.#last = undefined
  }
}

/** Of a topic's partition, as a key. */
export function placeName({ topic, partition }: Pick<OpenBatch, 'topic' | 'partition'>): string {
  return `${topic.id}/${partition}`
}
