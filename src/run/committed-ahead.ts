import { answered } from '../base/answered.ts'
import type { GroupConsumer } from '../clients/group-consumer.ts'
import type { HandedPlace, PartitionFeed } from '../clients/partition-feed.ts'

/**
 * At most once: commits what was taken before any of it is given out. What was lost before it was committed is left to
 * its next owner.
 * @param last of each item the last record.
 */
export async function committedAhead<T extends { readonly feed: PartitionFeed }>(
  consumer: GroupConsumer,
  items: readonly T[],
  last: readonly HandedPlace[],
): Promise<T[]> {
  try {
    await answered<void>((answer) => consumer.commitBehind(last, answer))
  } catch (error) {
    for (const item of items) consumer.release(item)
    throw error
  }
  return items.filter((item) => {
    const isOurs = !item.feed.gone
    if (!isOurs) consumer.release(item)
    return isOurs
  })
}
