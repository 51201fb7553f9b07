import type { LogPartition } from '../../log/log.ts'
import type { PartitionBounds } from '../broker.ts'

/** The log has no open transactions: all that was acknowledged is stable. */
export function boundsOf({ start, end, leaderEpoch }: LogPartition): PartitionBounds {
  return { start, lastStable: end, end, leaderEpoch }
}
