import { answered } from '../base/answered.ts'
import type { Offset } from '../base/brands.ts'
import { isMillraceError, MillraceError } from '../base/errors.ts'
import type { PartitionBatch, TopicDescription } from '../broker/broker.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import { partitionOf, refusedPartition } from '../record/partitioner.ts'
import type { Topic } from '../streams/topic.ts'
import type { Sys } from '../sys/sys.ts'
import { CommittedRecords } from './committed-records.ts'
import { encodeRecord, type SendArguments, type SendOptions } from './send-options.ts'
import { TopicsOfSends } from './topics.ts'

const RETRY_MS = 20

interface GatheredBatch {
  readonly topic: TopicDescription
  readonly partition: number
  readonly builder: BatchBuilder
}

/**
 * What a function given to `log.transaction` does: records to send and consumed records that are done. Nothing is
 * written before the function ends; then all of it is, or nothing.
 */
export class Transaction {
  readonly #sys: Sys
  readonly #broker: FullBroker
  readonly #topics: TopicsOfSends
  readonly #batches = new Map<string, GatheredBatch>()
  readonly #committed = new CommittedRecords()
  readonly #sends: Promise<void>[] = []
  #unkeyed: number
  #over = false

  /**
   * Use `log.transaction`.
   * @param turn where records without a key begin: transactions of one record should not all go to one partition.
   */
  constructor(sys: Sys, broker: FullBroker, turn: number) {
    this.#sys = sys
    this.#broker = broker
    this.#topics = new TopicsOfSends(broker)
    this.#unkeyed = turn
  }

  /** Gathers a record; it is written with all others when the function ends. Throws what its serdes throw. */
  send<K, Out, In>(topic: Topic<K, Out, In>, value: NoInfer<In> | null, ...rest: SendArguments<K>): void {
    this.#check()
    const options: SendOptions & { readonly key?: K } = rest[0] ?? {}
    const record = encodeRecord(topic, value, options, this.#sys.clock.now())
    const add = (known: TopicDescription): void => {
      const partition = this.#partitionFor(known, record.key, options.partition)
      const name = `${known.id}/${partition}`
      let batch = this.#batches.get(name)
      if (batch === undefined) {
        batch = { topic: known, partition, builder: new BatchBuilder(1024) }
        this.#batches.set(name, batch)
      }
      batch.builder.append(record.timestamp, record.key, record.value, record.headers)
    }
    const known = this.#topics.get(topic)
    if (known instanceof Promise) {
      const added = known.then(add)
      // If the function fails before, nobody waits for it.
      added.catch(() => undefined)
      this.#sends.push(added)
    } else add(known)
  }

  /** Says that a record of a consumer with `commit: 'manual'` is done, with all before it in its partition. */
  commit(record: object): void {
    this.#check()
    this.#committed.add(record)
  }

  /** Writes everything as one group of the log. */
  async run(): Promise<void> {
    await Promise.all(this.#sends)
    this.#over = true
    const batches = Array.from(this.#batches.values(), ({ topic, partition, builder }): PartitionBatch => {
      return { topic: topic.id, partition, bytes: builder.build() }
    })
    while (!(await this.#commit(batches))) await this.#pause()
    this.#committed.done()
  }

  /** False: nothing was written, since the group of a consumer is between two generations; it will not be for long. */
  async #commit(batches: readonly PartitionBatch[]): Promise<boolean> {
    const positions = this.#committed.requests()
    if (batches.length + positions.length === 0) return true
    try {
      await answered<readonly Offset[]>((answer) =>
        this.#broker.transactions.commitWhole({ batches, positions }, answer),
      )
      return true
    } catch (error) {
      if (isMillraceError(error) && error.code === 'MILLRACE_REBALANCE_IN_PROGRESS') return false
      throw error
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#sys.timers.after(RETRY_MS, resolve))
  }

  /** The function failed: what it gathered is dropped. */
  drop(): void {
    this.#over = true
  }

  #partitionFor(topic: TopicDescription, key: Uint8Array | null, wanted: number | undefined): number {
    if (wanted !== undefined) {
      const refusal = refusedPartition(topic, wanted)
      if (refusal !== undefined) throw refusal
      return wanted
    }
    if (key !== null) return partitionOf(key, topic.partitions)
    this.#unkeyed += 1
    return this.#unkeyed % topic.partitions
  }

  #check(): void {
    if (!this.#over) return
    const problem = 'the transaction has ended: nothing can be added to it any more'
    throw new MillraceError(
      'MILLRACE_INVALID_TRANSACTION_STATE',
      `${problem}; await what the function given to log.transaction does`,
    )
  }
}
