import type { Offset, Timestamp } from '../../base/brands.ts'
import type { MillraceError } from '../../base/errors.ts'
import type { Answer, PartitionBatch } from '../broker.ts'

/**
 * What a coordinator is: a state machine whose durable state changes only by applying records, so that reading its topic
 * builds the same state as living through it. An operation looks at the state and says which records it needs and what
 * to answer; the runtime applies the records at once (the next operation sees them), writes them, and lets the answers
 * out when they are durable.
 */
export interface CoordinatorRecord {
  /** What it is about: JSON text. A later record of the same key replaces it. */
  readonly key: string
  /** JSON text; null removes the key. */
  readonly value: string | null
}

/** What an operation of a pure state machine leaves to its caller. */
export interface Outcome<T> {
  readonly records: readonly CoordinatorRecord[]
  readonly response: T | MillraceError
}

/** The present in both clocks. */
export interface Moment {
  /** Ms since the epoch: what is kept. */
  readonly wall: Timestamp
  /** Ms that never go back: deadlines. */
  readonly steady: number
}

export interface CoordinatorMachine {
  /** @throws MillraceError MILLRACE_CORRUPT, MILLRACE_NEWER_FORMAT. */
  apply(record: CoordinatorRecord): void
  /** Records that build the whole durable state. */
  snapshot(): Iterable<CoordinatorRecord>
  /**
   * A write failed: everything is forgotten, and what the log holds is applied next. Returns whoever waits in the
   * machine: they get the error after that.
   */
  clear(): readonly ((error: Error) => void)[]
}

/** One group of the log. */
export interface CoordinatorWrite {
  readonly groups?: readonly CoordinatorRecord[]
  readonly transactions?: readonly CoordinatorRecord[]
  readonly batches?: readonly PartitionBatch[]
}

export interface CoordinatorRuntime {
  /**
   * Applies the records at once, writes all as one group, and answers with the base offsets of `batches` when that is
   * durable. An empty write answers when all before it is durable. An error: nothing of it was written, or, with
   * `log.failure`, nobody knows; the machines then hold what the log holds.
   * @throws MillraceError for faults of the caller: MILLRACE_UNKNOWN_TOPIC; nothing is applied then.
   */
  write(write: CoordinatorWrite, answer: Answer<readonly Offset[]>): void
  now(): Moment
}
