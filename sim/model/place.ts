import type { PartitionId, TopicId } from '../../src/base/brands.ts'

/** Names a partition: of each topic that ever was, also of one that had the name before. */
export function placeOf(topic: TopicId, partition: PartitionId): string {
  return `${topic}/${partition}`
}
