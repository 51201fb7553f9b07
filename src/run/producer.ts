import type { Offset, PartitionId } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import type { Broker, PartitionBatch, TopicDescription } from '../broker/broker.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import { partitionOf } from '../record/partitioner.ts'
import type { RecordData } from '../record/record.ts'
import type { Sys } from '../sys/sys.ts'

export interface AppendedRecord {
  readonly partition: PartitionId
  readonly offset: Offset
}

/** Records without a key go to one partition until so many bytes went there, then to the next. */
const STICKY_BYTES = 16 * 1024

/** A batch that waits: its records, and who waits for them. */
interface OpenBatch {
  readonly topic: TopicDescription
  readonly partition: PartitionId
  readonly builder: BatchBuilder
  readonly waiting: ((error: Error | undefined, offset: Offset) => void)[]
}

/**
 * Gathers what is sent in one turn of the event loop into one batch a partition and one append, so that a single
 * send leaves at once and many sends share a sync. While an append is under way the next one fills.
 */
export class Producer {
  readonly #sys: Sys
  readonly #broker: Broker
  readonly #sticky = new Map<string, { partition: PartitionId; bytes: number }>()
  #open = new Map<string, OpenBatch>()
  #scheduled = false
  #inFlight = 0
  #closed = false

  constructor(sys: Sys, broker: Broker) {
    this.#sys = sys
    this.#broker = broker
  }

  /** Resolves when the record is as durable as its topic promises. */
  send(topic: TopicDescription, record: RecordData): Promise<AppendedRecord> {
    if (this.#closed)
      throw new MillraceError('MILLRACE_CLOSED', 'the log is closed: nothing can be sent any more')
    const bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0)
    const { recordBytesMax } = this.#broker.limits
    if (bytes > recordBytesMax) {
      const problem = `a record for ${topic.name} has ${bytes} bytes, the limit is ${recordBytesMax}`
      throw new MillraceError(
        'MILLRACE_RECORD_TOO_LARGE',
        `${problem}: split it, or store it elsewhere and send its name`,
      )
    }
    const partition = this.#partitionFor(topic, record.key, bytes)
    const batch = this.#batchFor(topic, partition)
    const delta = batch.builder.count
    batch.builder.append(record.timestamp, record.key, record.value, record.headers)
    this.#schedule()
    return new Promise((resolve, reject) => {
      batch.waiting.push((error, base) =>
        error === undefined ? resolve({ partition, offset: base + delta }) : reject(error),
      )
    })
  }

  /** Resolves when everything sent so far was answered. */
  async flush(): Promise<void> {
    while (this.#open.size > 0 || this.#inFlight > 0)
      await new Promise<void>((resolve) => this.#sys.timers.soon(resolve))
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.flush()
  }

  #partitionFor(topic: TopicDescription, key: Uint8Array | null, bytes: number): PartitionId {
    if (topic.partitions === 1) return 0
    if (key !== null) return partitionOf(key, topic.partitions)
    let sticky = this.#sticky.get(topic.id)
    if (sticky === undefined) this.#sticky.set(topic.id, (sticky = { partition: 0, bytes: 0 }))
    if (sticky.bytes > STICKY_BYTES) {
      sticky.partition = (sticky.partition + 1) % topic.partitions
      sticky.bytes = 0
    }
    sticky.bytes += bytes
    return sticky.partition
  }

  #batchFor(topic: TopicDescription, partition: PartitionId): OpenBatch {
    const name = `${topic.id}/${partition}`
    let batch = this.#open.get(name)
    if (batch === undefined) {
      batch = { topic, partition, builder: new BatchBuilder(), waiting: [] }
      this.#open.set(name, batch)
    }
    return batch
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#sys.timers.soon(() => this.#append())
  }

  #append(): void {
    this.#scheduled = false
    const open = [...this.#open.values()]
    this.#open = new Map()
    const batches: PartitionBatch[] = open.map(({ topic, partition, builder }) => ({
      topic: topic.id,
      partition,
      bytes: builder.build(),
    }))
    this.#inFlight++
    this.#broker.append(batches, (error, offsets) => {
      this.#inFlight--
      open.forEach(({ waiting }, index) => {
        for (const answer of waiting) answer(error, offsets?.[index] ?? 0)
      })
    })
  }
}
