import type { Offset, PartitionId, TopicId } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type { Log, LogPartition, LogTopic } from '../../log/log.ts'
import type {
  BrokerAdmin,
  BrokerHousekeeping,
  PartitionDetails,
  TopicChanges,
  TopicDetails,
} from '../admin.ts'
import type { Answer, TopicDescription } from '../broker.ts'
import { boundsOf } from './bounds.ts'
import { guarded } from './guarded.ts'

export interface LocalAdminHost {
  /** Throws MILLRACE_UNKNOWN_TOPIC. */
  readonly partition: (topic: TopicId, partition: PartitionId) => LogPartition
  readonly describe: (topic: LogTopic) => TopicDescription
  /** A topic is gone: what the broker knew of it goes as well. */
  readonly deleted: (topic: TopicId) => void
  /** Topics that the broker keeps its own state in. */
  readonly ownTopics: readonly string[]
}

/** The operator's side of the broker over the log of this process. */
export class LocalAdmin implements BrokerAdmin {
  readonly #log: Log
  readonly #host: LocalAdminHost

  constructor(log: Log, host: LocalAdminHost) {
    this.#log = log
    this.#host = host
  }

  get housekeeping(): BrokerHousekeeping {
    return this.#log.housekeeping
  }

  alterTopic(name: string, changes: TopicChanges, answer: Answer<TopicDescription>): void {
    guarded(answer, (once) => {
      this.#refuseOwn(name)
      this.#log.alterTopic(name, changes, (error, topic) =>
        once(error, topic === undefined ? undefined : this.#host.describe(topic)),
      )
    })
  }

  deleteTopic(name: string, answer: Answer<void>): void {
    guarded(answer, (once) => {
      this.#refuseOwn(name)
      const topic = this.#log.topic(name)
      this.#log.deleteTopic(name, (error) => {
        if (error === undefined && topic !== undefined) this.#host.deleted(topic.id)
        once(error, undefined)
      })
    })
  }

  deleteRecords(topic: TopicId, partition: PartitionId, before: Offset, answer: Answer<Offset>): void {
    guarded(answer, (once) => {
      const found = this.#host.partition(topic, partition)
      this.#refuseOwn(found.topic.name)
      if (!Number.isSafeInteger(before)) {
        const message = `${found.topic.name}-${partition}: ${before} is no offset; give an integer from ${found.start} to ${found.end}`
        throw new MillraceError('MILLRACE_INVALID_ARGUMENT', message)
      }
      found.cutBefore(before, once)
    })
  }

  describeTopic(name: string): TopicDetails | undefined {
    const topic = this.#log.topic(name)
    if (topic === undefined) return undefined
    return {
      ...this.#host.describe(topic),
      settings: topic.settings,
      details: topic.partitions.map(detailsOf),
    }
  }

  #refuseOwn(name: string): void {
    if (!this.#host.ownTopics.includes(name)) return
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `topic ${name} holds the state of groups and transactions: use the commands for groups`,
    )
  }
}

function detailsOf(partition: LogPartition): PartitionDetails {
  return {
    ...boundsOf(partition),
    partition: partition.index,
    segments: partition.segmentCount,
    bytes: partition.sizeBytes,
    producers: partition.producers().map(({ producerId, producerEpoch, lastSequence, lastWriteAt }) => {
      return { producerId, producerEpoch, lastSequence, lastWriteAt }
    }),
    openTransactions: partition.openTransactions(),
  }
}
