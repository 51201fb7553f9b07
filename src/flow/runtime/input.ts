import type { LeaderEpoch, Offset, PartitionId, Timestamp, TopicId } from '../../base/brands.ts'
import type { SourceLane } from '../task/source-lane.ts'
import type { InputStatus } from './engine-port.ts'

/** Of an input without a record at hand: `later`: there is more, not here yet; `empty`: caught up; `ended`: for good. */
export type InputState = 'ready' | 'later' | 'empty' | 'ended'

/** A partition that a worker reads: a buffer whose first record is decoded, its position, and its lanes. */
export interface Input {
  readonly name: string
  readonly partition: PartitionId
  readonly lanes: readonly SourceLane[]
  /** Tables come before streams at equal timestamps, then the order of the plan (SEMANTICS 1.7). */
  readonly rank: number
  /** A record is at hand; its timestamp is `headTime`. */
  ready: boolean
  headTime: Timestamp
  /** Looks for a record, once after each wake-up. */
  fill(): InputState
  /** Sends the record at hand through the lanes and goes to the next one. Throws what stops the engine. */
  take(): void
  readonly topic: TopicId
  readonly position: Offset
  readonly leaderEpoch: LeaderEpoch
  /** Text of the source itself, stored beside the position; undefined for topics. */
  readonly metadata: string | undefined
  /** When the last record came, in monotonic ms. */
  lastRecordAt: number
  status(): InputStatus
  close(): void
}
