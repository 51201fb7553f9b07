import type { LeaderEpoch, Offset, PartitionId, Timestamp, TopicId } from '../base/brands.ts'
import type { Durability, TopicSettings } from '../record/topic-settings.ts'

/**
 * The port between the engine and a log (ARCHITECTURE D3). Its shapes are Kafka's; nothing above it asks which adapter it
 * has. `contract.ts` is its specification in tests.
 *
 * Nothing here returns a promise: what takes time takes an `answer` that is called once, perhaps before the call
 * returns (a log in memory answers at once, so the test driver is synchronous). A caller must not do its work inside
 * an answer: it notes the outcome and goes on at its own pace (STYLE 23).
 */
export interface Broker {
  readonly limits: BrokerLimits
  /** Every topic, by name, the internal ones too. */
  topics(): readonly TopicDescription[]
  topic(name: string): TopicDescription | undefined
  /** Answers with the topic, also when it exists with the same number of partitions; else MILLRACE_TOPIC_EXISTS. */
  createTopic(name: string, settings: TopicSettings, answer: Answer<TopicDescription>): void
  /** Where a partition begins and ends now. Throws MILLRACE_UNKNOWN_TOPIC. */
  bounds(topic: TopicId, partition: PartitionId): PartitionBounds
  /** The first offset below the last stable one whose record has `timestamp` or a later one; else that one. */
  offsetForTime(topic: TopicId, partition: PartitionId, timestamp: Timestamp, answer: Answer<Offset>): void
  /**
   * A reader from `from` on. `wake` is called when a reader that had nothing may have more. By default it reads what is
   * committed: nothing at or behind the last stable offset, and each fetch names what was aborted.
   */
  read(
    topic: TopicId,
    partition: PartitionId,
    from: Offset,
    wake: () => void,
    isolation?: Isolation,
  ): PartitionReader
  /** Appends outside any membership: what a plain producer does. */
  append(batches: readonly PartitionBatch[], answer: Answer<readonly Offset[]>): void
  /**
   * Takes over the work of `group`: the new membership's generation is higher than any before it, and every commit
   * that names an older one is refused from now on. Answers when that is durable.
   */
  join(group: string, answer: Answer<Membership>): void
  /** The committed positions of a group, by topic id and partition. Only valid after `join` answered. */
  positions(group: string): readonly CommittedPosition[]
  /** All or nothing, durable when it answers (SEMANTICS 6). Never throws for what the log says: that is an outcome. */
  commit(group: CommitGroup, answer: (outcome: CommitOutcome) => void): void
  /** A local snapshot covers a changelog up to here. The local adapter cuts, Kafka's does nothing. */
  releaseChangelog(topic: TopicId, partition: PartitionId, before: Offset): void
  /** Answers when all that was asked before is durable or refused. Idempotent. */
  close(answer: Answer<void>): void
}

/** Called once, with an error or a value. */
export type Answer<T> = (error: Error | undefined, value: T | undefined) => void

/** Which records of transactions a reader sees: those that were committed, or all as soon as they are there. */
export type Isolation = 'read_committed' | 'read_uncommitted'

/** Limits are values that an adapter states. */
export interface BrokerLimits {
  readonly recordBytesMax: number
  /** Of one commit group, all batches together. */
  readonly commitBytesMax: number
  /** Whether `conditions` of a commit are checked. */
  readonly conditions: boolean
}

export interface TopicDescription {
  readonly id: TopicId
  readonly name: string
  readonly partitions: number
  readonly durability: Durability
  readonly internal: boolean
}

export interface PartitionBounds {
  /** The first offset that is still there. */
  readonly start: Offset
  /** Behind the last record that readers of committed records may see. */
  readonly lastStable: Offset
  /** Behind the last record that was acknowledged. */
  readonly end: Offset
  readonly leaderEpoch: LeaderEpoch
}

/** A pull-based reader. It prefetches as its adapter likes, within `bytesMax` of the last poll. */
export interface PartitionReader {
  /**
   * Whole encoded batches that the caller owns and nobody changes; undefined when there are none now. The first
   * batch may begin before the wanted offset: the caller skips. Throws MILLRACE_OFFSET_OUT_OF_RANGE, MILLRACE_CORRUPT.
   */
  poll(bytesMax: number): FetchedBatches | undefined
  /** True when the reader's position has reached the end offset (not only the last stable one): SEMANTICS 1.6. */
  atEnd(): boolean
  close(): void
}

export interface FetchedBatches {
  /** Batches one after the other, in the format of `record/`. */
  readonly bytes: Uint8Array
  readonly from: Offset
  readonly bounds: PartitionBounds
  /** Transactions whose records in `bytes` must be left out. Empty where none was aborted. */
  readonly aborted: readonly AbortedTransaction[]
}

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: Offset
}

/** An encoded batch for a partition; base offset and leader epoch are set by the log. */
export interface PartitionBatch {
  readonly topic: TopicId
  readonly partition: PartitionId
  readonly bytes: Uint8Array
}

export interface Membership {
  readonly group: string
  readonly member: string
  readonly generation: number
}

export interface CommittedPosition {
  readonly topic: TopicId
  readonly partition: PartitionId
  /** The next record to process. */
  readonly offset: Offset
  readonly leaderEpoch: LeaderEpoch
  /** Text of the committer: operator time, the position inside a file. */
  readonly metadata: string
}

export interface CommitGroup {
  readonly batches: readonly PartitionBatch[]
  readonly positions: readonly CommittedPosition[]
  readonly membership: Membership
  readonly conditions: readonly CommitCondition[]
}

/** The partition's end offset must be this one when the commit is taken. */
export interface CommitCondition {
  readonly topic: TopicId
  readonly partition: PartitionId
  readonly end: Offset
}

export type CommitOutcome =
  | {
      readonly kind: 'committed'
      /** One per batch, in their order. */
      readonly baseOffsets: readonly Offset[]
    }
  /** Nothing was written, and the reason says why. `fenced`: another member took over; close at once. */
  | {
      readonly kind: 'refused'
      readonly reason: 'fenced' | 'condition' | 'disk' | 'tooLarge'
      readonly error: Error
    }
  /** It may have been written: close the tasks, join again and restore. */
  | { readonly kind: 'unknown'; readonly error: Error }
