import type { LogPartition } from '../../log/log.ts'
import type { PartitionBounds } from '../broker.ts'

export function boundsOf({ start, lastStable, end, leaderEpoch }: LogPartition): PartitionBounds {
  return { start, lastStable, end, leaderEpoch }
}
