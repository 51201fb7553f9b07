import type { DurationMs, LeaderEpoch, Offset, PartitionId, Timestamp, TopicId } from '../base/brands.ts'
import type { TopicSettings } from '../record/topic-settings.ts'
import type { Housekeeping, HousekeepingOptions } from './housekeeping.ts'
import type { AbortedTransaction, OpenTransaction, ProducerState } from './producers.ts'

/**
 * The durable partitioned log on one disk (ARCHITECTURE, SEMANTICS 7). One process at a time holds it.
 *
 * Nothing returns a promise. What must be durable first takes an `answer` that is called once, perhaps before the
 * call returns (a disk in memory syncs at once). The log may be called from inside an answer.
 */
export interface Log {
  readonly folder: string
  /** What opening had to repair. */
  readonly recovery: RecoveryReport
  /** Every topic, by name. */
  topics(): readonly LogTopic[]
  topic(name: string): LogTopic | undefined
  topicById(id: TopicId): LogTopic | undefined
  /** Answers with the topic, also when it is there with the same number of partitions; else MILLRACE_TOPIC_EXISTS. */
  createTopic(name: string, settings: TopicSettings, answer: Answer<LogTopic>): void
  /** Retention and compaction. In the background only where the options say so. */
  readonly housekeeping: Housekeeping
  /**
   * Changes settings, and adds partitions (there are never fewer again). Answers with the topic when it is durable; the
   * object that is known already shows it then. MILLRACE_UNKNOWN_TOPIC, MILLRACE_INVALID_ARGUMENT.
   */
  alterTopic(name: string, changes: Partial<Omit<TopicSettings, 'internal'>>, answer: Answer<LogTopic>): void
  /**
   * Deletes a topic and all its records. From this call on nothing is appended to it, and reads throw
   * MILLRACE_UNKNOWN_TOPIC; its files go after the answer. A new topic of that name has another id.
   */
  deleteTopic(name: string, answer: Answer<void>): void
  /**
   * Appends all batches or none. Offsets are assigned at once and in order and are returned (and handed to the answer
   * again); they count only if the answer comes without an error. Readers see the batches when the answer comes.
   *
   * The log writes base offset and leader epoch into the given bytes and keeps them until the answer: the caller hands
   * them over. One item may hold several batches, one after the other.
   *
   * Batches with a producer id are checked, as Kafka does. One of the producer's last five in that partition is not
   * written again: its offset is the first one, and the answer comes when that is durable. Refused, and nothing is
   * written: MILLRACE_OUT_OF_ORDER_SEQUENCE (a gap), MILLRACE_FENCED (an older epoch),
   * MILLRACE_INVALID_TRANSACTION_STATE. Transactional batches open their producer's transaction in the partition,
   * control batches (record/control-batch.ts) end it.
   *
   * An error: MILLRACE_DISK with `log.failure` undefined means that nothing was written and the log goes on (a full
   * disk); with `log.failure` set, whether the group was written is known only after reopening. Throws only for
   * faults of the caller: MILLRACE_UNKNOWN_TOPIC, MILLRACE_INVALID_ARGUMENT, MILLRACE_RECORD_TOO_LARGE.
   */
  append(batches: readonly LogBatch[], answer: Answer<readonly Offset[]>): readonly Offset[]
  /** Why the log takes nothing any more until it is opened again: a sync failed. Reads of what is there still work. */
  readonly failure: Error | undefined
  /** Waits for what was appended, makes all of it durable, releases the lock. Idempotent. */
  close(answer: Answer<void>): void
}

/** Called once, with an error or a value. */
export type Answer<T> = (error: Error | undefined, value: T | undefined) => void

export interface LogTopic {
  readonly id: TopicId
  readonly name: string
  readonly settings: Required<TopicSettings>
  /** Grows when the topic is altered. */
  readonly partitions: readonly LogPartition[]
}

/** Encoded record batches for one partition. Base offset and leader epoch are set by the log. */
export interface LogBatch {
  readonly topic: TopicId
  readonly partition: PartitionId
  readonly bytes: Uint8Array
}

export interface LogPartition {
  readonly topic: LogTopic
  readonly index: PartitionId
  /** Its topic is deleted: reads throw MILLRACE_UNKNOWN_TOPIC. */
  readonly removed: boolean
  /** The first offset that readers may ask for. */
  readonly start: Offset
  /** Behind the last acknowledged record: what readers may see. */
  readonly end: Offset
  /**
   * What readers of committed records may see: the first offset of a transaction of which no marker was acknowledged,
   * else `end`. At least `start`.
   */
  readonly lastStable: Offset
  /** Files of records. */
  readonly segmentCount: number
  /** Of all segments together, without their indexes. */
  readonly sizeBytes: number
  /** Behind the last record that has an offset, durable or not. */
  readonly appended: Offset
  readonly leaderEpoch: LeaderEpoch
  /** By epoch, ascending: the first offset of each. */
  readonly epochs: readonly EpochStart[]
  /**
   * Whole batches from the one that holds `from`, about `bytesMax` bytes but at least one batch; undefined when `from`
   * is the end. Batches that begin at `until` or later are left out; default: the end.
   * The bytes are the caller's own. The first batch may begin before `from`: the caller skips.
   * Throws MILLRACE_OFFSET_OUT_OF_RANGE below the start and above the end, MILLRACE_CORRUPT with file and position.
   * The checksum is checked here only if the log was opened with `verifyReads`.
   */
  read(from: Offset, bytesMax: number, until?: Offset): ReadBatches | undefined
  /** Transactions that were aborted and have records from `from` on and before `to`, at most the last stable offset. */
  aborted(from: Offset, to: Offset): readonly AbortedTransaction[]
  /** By first offset, with those that are not acknowledged yet. */
  openTransactions(): readonly OpenTransaction[]
  /** Idempotent and transactional ones that wrote lately, by id. */
  producers(): readonly ProducerState[]
  /** The base offset of the first batch with a record of `timestamp` or later, at least `start`; else `end`. */
  offsetForTime(timestamp: Timestamp): Offset
  /** Calls `listener` after each acknowledged append, until the returned function is called. */
  follow(listener: () => void): () => void
  /**
   * Moves the start to `offset`, at most the end, never back. Whole segments below it go as soon as that is durable;
   * then `answer` gets the start. Throws MILLRACE_OFFSET_OUT_OF_RANGE, MILLRACE_UNKNOWN_TOPIC.
   */
  cutBefore(offset: Offset, answer?: Answer<Offset>): void
}

export interface EpochStart {
  readonly epoch: LeaderEpoch
  readonly start: Offset
}

export interface ReadBatches {
  readonly bytes: Uint8Array
  /** Base offset of the first batch. */
  readonly from: Offset
  /** Behind the last record of the last batch: where to read next. */
  readonly next: Offset
}

export interface LogOptions {
  /** Check the checksum of every batch that is read. Default false: whoever decodes a batch verifies it. */
  readonly verifyReads?: boolean
  /** The journal is cut at about this size. Default 64 MiB. */
  readonly journalBytesMax?: number
  /**
   * From this many bytes for one partition in one sync on, the segment is synced instead of the bytes journaled; from
   * a quarter of it on where the journal would have to grow for them. Default 256 KiB: below, the second write costs
   * less than the second sync.
   */
  readonly segmentFirstBytes?: number
  /** Runs it in the background. Default undefined: only `housekeeping.runOnce` does it. */
  readonly housekeeping?: HousekeepingOptions | undefined
  /** What compaction may take for the keys of a partition; for more of them it goes several times. Default 128 MiB. */
  readonly compactionBytesMax?: number
  /** Files that are kept open. Default 256. */
  readonly openFilesMax?: number
  /** Indexes of segments that are kept in memory, those in use apart. Default 32 MiB; 64 MiB of records take up to 0.4. */
  readonly indexBytesMax?: number
  /** An idempotent producer that wrote nothing to a partition for so long is forgotten there. Default 1 day. */
  readonly producerExpirationMs?: DurationMs
  /** Producers that a partition remembers; beyond, the longest idle ones are forgotten. Default 10,000. */
  readonly producersMax?: number
}

export interface RecoveryReport {
  /** The log had been closed: no data was read. */
  readonly clean: boolean
  /** Journal entries that were played again. */
  readonly entriesReplayed: number
  readonly tailsCut: readonly TailCut[]
  readonly ms: number
}

/** Bytes that a crash left behind the last durable append: nobody was told that they were there. */
export interface TailCut {
  readonly file: string
  readonly from: number
  readonly to: number
  readonly why: string
}
