import type { DurationMs } from '../base/brands.ts'

/** `fsync`: an append answers when it is on the disk. `os`: when the operating system has it. */
export type Durability = 'fsync' | 'os'

export interface TopicSettings {
  readonly partitions: number
  /** Default 'fsync'. */
  readonly durability?: Durability
  /** Made by the system for itself: not listed unless asked for. */
  readonly internal?: boolean
  /** A segment is closed before it grows beyond this. Default 64 MiB. */
  readonly segmentBytes?: number
  /** A segment is closed when a batch is so much later than its first one (by their timestamps). Default 7 days. */
  readonly segmentMs?: DurationMs
  /**
   * What becomes of old records. Default 'delete', as `retentionMs` and `retentionBytes` say. 'compact' keeps the latest
   * one of each key, and refuses records without a key; those that were there before stay.
   */
  readonly cleanup?: 'delete' | 'compact' | 'compact,delete'
  /** A segment whose latest record is older goes. Default null: records stay for ever. */
  readonly retentionMs?: DurationMs | null
  /** The oldest segments of a partition go while it holds more. Default null: no limit. */
  readonly retentionBytes?: number | null
  /** How long compaction keeps a tombstone. Default 24 hours. */
  readonly deleteRetentionMs?: DurationMs
  /** A partition is compacted when this part of it was not yet. Default 0.5. */
  readonly minCleanableDirtyRatio?: number
  /** Younger records are not compacted. Default 0. */
  readonly minCompactionLagMs?: DurationMs
  /** A record is compacted at the latest after this. Default null: when the ratio says so. */
  readonly maxCompactionLagMs?: DurationMs | null
  /** Larger records are refused. Default 1,048,588, Kafka's; no limit for internal topics. */
  readonly recordBytesMax?: number
  /** Whose clock a record's timestamp is. Default 'createTime': the producer's. */
  readonly timestampType?: 'createTime' | 'logAppendTime'
}
