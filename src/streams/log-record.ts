import type { PartitionId, Timestamp } from '../base/brands.ts'
import type { RecordHeader } from '../record/record.ts'

/** A record as a reader of a topic gets it. */
export interface LogRecord<K, V> {
  readonly key: K
  /** Null: a tombstone. */
  readonly value: V
  readonly timestamp: Timestamp
  readonly headers: readonly RecordHeader[]
  readonly topic: string
  readonly partition: PartitionId
  readonly offset: number
}
