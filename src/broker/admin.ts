import type { DurationMs, Offset, PartitionId, Timestamp, TopicId } from '../base/brands.ts'
import type { TopicSettings } from '../record/topic-settings.ts'
import type { Answer, PartitionBounds, TopicDescription } from './broker.ts'

/** What an operator may do with topics. Nothing throws: every fault is an answer. */
export interface BrokerAdmin {
  /**
   * Changes settings, and adds partitions. Keys move to other partitions then: their earlier records stay where they
   * are. MILLRACE_UNKNOWN_TOPIC; MILLRACE_INVALID_ARGUMENT for fewer partitions, a bad setting, a topic of the system.
   */
  alterTopic(name: string, changes: TopicChanges, answer: Answer<TopicDescription>): void
  /** Deletes a topic and all its records. Its readers get MILLRACE_UNKNOWN_TOPIC. */
  deleteTopic(name: string, answer: Answer<void>): void
  /** Deletes the records before an offset; answers with the new start when that is durable. */
  deleteRecords(topic: TopicId, partition: PartitionId, before: Offset, answer: Answer<Offset>): void
  /** Undefined: there is none of that name. */
  describeTopic(name: string): TopicDetails | undefined
  readonly housekeeping: BrokerHousekeeping
}

/** What is not said stays. */
export type TopicChanges = Partial<Omit<TopicSettings, 'internal'>>

export interface TopicDetails extends TopicDescription {
  /** All of them, with defaults. */
  readonly settings: Required<TopicSettings>
  /** By index. */
  readonly details: readonly PartitionDetails[]
}

export interface PartitionDetails extends PartitionBounds {
  readonly partition: PartitionId
  readonly segments: number
  /** Of the segments, without their indexes. */
  readonly bytes: number
  /** Idempotent and transactional ones that wrote lately. */
  readonly producers: readonly PartitionProducer[]
  readonly openTransactions: readonly PartitionTransaction[]
}

export interface PartitionProducer {
  readonly producerId: number
  readonly producerEpoch: number
  readonly lastSequence: number
  readonly lastWriteAt: Timestamp
}

export interface PartitionTransaction {
  readonly producerId: number
  readonly producerEpoch: number
  readonly firstOffset: Offset
  readonly startedAt: Timestamp
}

/** Retention and compaction. */
export interface BrokerHousekeeping {
  /** Of every partition that has or had such work since the log was opened. */
  status(): readonly HousekeepingStatus[]
  /** Does everything that is due now, without a budget, and answers with what was done. */
  runOnce(answer: Answer<HousekeepingReport>): void
}

export interface HousekeepingStatus extends HousekeepingWork {
  readonly running: boolean
  /** When work ended last; undefined: not yet. */
  readonly lastRun: Timestamp | undefined
}

export interface HousekeepingReport {
  readonly work: readonly HousekeepingWork[]
}

export interface HousekeepingWork {
  readonly topic: string
  readonly partition: PartitionId
  readonly what: 'retention' | 'compaction'
  readonly bytesDone: number
  readonly bytesTotal: number
  /** Why it did not succeed; it is tried again in the next round. */
  readonly error: string | undefined
}

/** How a log looks after itself in the background. */
export interface HousekeepingOptions {
  /** How long after the end of a round the next one begins. Default 30 s. */
  readonly intervalMs?: DurationMs
  /** What may be read, written and removed in a second. Default 32 MiB. */
  readonly bytesPerSecond?: number
}
