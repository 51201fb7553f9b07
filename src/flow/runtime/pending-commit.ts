import type { PartitionId, TopicId } from '../../base/brands.ts'
import type { CommitOutcome, CommittedPosition, PartitionBatch } from '../../broker/broker.ts'
import type { SinkOutputOperator } from '../operators/output-operators.ts'
import type { ViewOperator } from '../operators/view-operator.ts'
import type { ViewChange } from '../output/view-target.ts'

/**
 * A commit that was cut: all of it is encoded, and what happens from here on belongs to the next one. It waits for the
 * marks of sinks, then for the broker. Nothing of it is visible until it is durable (SEMANTICS 6.2).
 */
export interface PendingCommit {
  readonly batches: PartitionBatch[]
  readonly positions: readonly CommittedPosition[]
  readonly views: readonly ViewPart[]
  readonly sinks: readonly SinkOutputOperator[]
  readonly cutAt: number
  /** Sinks that have not said their mark yet. */
  preparing: number
  submitted: boolean
  outcome: CommitOutcome | undefined
}

export interface ViewPart {
  readonly view: ViewOperator
  readonly changes: readonly ViewChange[]
  /** Index in `batches` of the first one of the view's changelog. */
  readonly firstBatch: number
}

/** One string for a partition of a topic. */
export function placeOf(topic: TopicId, partition: PartitionId): string {
  return `${topic}/${partition}`
}
