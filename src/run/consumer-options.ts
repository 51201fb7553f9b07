import type { Duration } from '../base/duration.ts'
import type { Isolation } from '../broker/broker.ts'
import type { Fallback } from '../clients/start-offset.ts'
import type { LogRecord } from '../streams/log-record.ts'
import type { topicWithAKey } from '../streams/markers.ts'
import type { Topic } from '../streams/topic.ts'

/** Any topic of a list. */
export interface ConsumedTopic {
  readonly name: string
  readonly [topicWithAKey]: boolean
}

/** The records of a topic, or of each topic of a union. */
export type RecordOf<T> = T extends Topic<infer K, infer Out, never> ? LogRecord<K, Out> : never

/** Who moves the positions: `'auto'` what was processed, `'manual'` only `record.commit()` or a transaction. */
export type CommitMode = 'auto' | 'manual'

/** What a consumer hands out. */
export type ConsumerRecord<T, C extends CommitMode> = C extends 'manual'
  ? RecordOf<T> & Committable
  : RecordOf<T>

/** A record whose position its reader commits. */
export interface Committable {
  /**
   * Says that this record, and every one before it in its partition, is done; resolves when that is durable. In
   * `run` with `by: 'key'` it speaks of this record alone.
   */
  commit(): Promise<void>
}

export interface ConsumerOptions<T extends ConsumedTopic, C extends CommitMode> {
  /** Members of one group share the partitions; each group sees every record. */
  readonly group: string
  readonly topics: readonly T[]
  /** Default 'auto': every `commitInterval`, on revoke and on close, what was processed up to there. */
  readonly commit?: C
  /** Default '1s'. */
  readonly commitInterval?: Duration
  /**
   * Where to begin in a partition that this consumer is given for the first time. Default 'committed'.
   * `{ offset }` is for all partitions.
   */
  readonly from?:
    | 'committed'
    | 'earliest'
    | 'latest'
    | { readonly time: number | Date | string }
    | { readonly offset: number }
  /** What 'committed' means where the group never committed. Default 'earliest'. */
  readonly ifNone?: Fallback
  /** What to do when the log no longer has the position: retention passed it. Default 'fail': nothing is skipped silently. */
  readonly ifOutOfRange?: Fallback
  /**
   * 'at-least-once' (default): a record counts when its processing ended; after a crash some are given again.
   * 'at-most-once': it counts before it is given out; after a crash some are never given.
   * Exactly once: `commit: 'manual'` and `log.transaction`, which takes results and position together.
   */
  readonly delivery?: 'at-least-once' | 'at-most-once'
  /** Default 'read_committed'. 'read_uncommitted' gives records of open and of aborted transactions too. */
  readonly isolation?: Isolation
  /** Static membership: a member that comes back under this id within the session timeout keeps its partitions. */
  readonly instance?: string
  /** Without a heartbeat for so long a member in another process is removed. Default '45s'. */
  readonly sessionTimeout?: Duration
  /** A record that takes longer fails the consumer, so that others get its partitions. Default '5m'. */
  readonly maxProcessingTime?: Duration
  /** How long work on a partition that moves to another member may go on. Default '30s'. */
  readonly drainTimeout?: Duration
  /** For people: in listings of groups. Default 'millrace'. */
  readonly client?: string
  /** Ends the consumer as `close` does. */
  readonly signal?: AbortSignal
}

export interface WorkOptions {
  /** Records in work at once, default 1. By partition or key: the order inside each is kept. */
  readonly concurrency?: number | { readonly by: 'partition' | 'key'; readonly limit: number }
}

/** How large an array of `batches` becomes: what is there, up to a number of records or bytes. */
export interface BatchOptions {
  /** Default 500. */
  readonly records?: number
  /** Keys and values as they are stored, together. The last record may pass it. Default 1,048,576. */
  readonly bytes?: number
  /** So long the first record waits for others, if they are too few. Default: not at all. */
  readonly within?: Duration
}

export interface WorkContext {
  /** Aborted when the record's partition goes to another member, or the consumer ends: stop early, it is given again. */
  readonly signal: AbortSignal
}
