/**
 * Who reads which partition: balanced first, then with as few moves as possible (Kafka's sticky assignor).
 *
 * Rules: each partition of a subscribed topic has exactly one reader, if anybody subscribes to its topic. No reader has
 * two partitions more than another that could take one of them. Among such assignments one that leaves readers what
 * they have is taken: a partition moves only to fill a reader that has less than its share.
 *
 * The function is pure and its answer depends on nothing but its arguments, in any order: whoever leads computes the
 * same. Cost: O(partitions x log partitions + moves x members).
 */
import type { TopicPartition } from './consumer-protocol.ts'

export interface AssigningMember {
  readonly member: string
  readonly topics: readonly string[]
  readonly owned: readonly TopicPartition[]
  /** The generation of `owned`; -1: none. */
  readonly generation: number
}

export type Assignments = ReadonlyMap<string, readonly TopicPartition[]>

interface Reader {
  readonly member: string
  readonly topics: ReadonlySet<string>
  readonly partitions: TopicPartition[]
}

/** @param partitionCounts of every topic that exists; topics that do not are nobody's. */
export function assignSticky(
  members: readonly AssigningMember[],
  partitionCounts: ReadonlyMap<string, number>,
): Assignments {
  const readers = inOrder(members).map(
    ({ member, topics }): Reader => ({ member, topics: new Set(topics), partitions: [] }),
  )
  const taken = keepOwned(members, readers, partitionCounts)
  // Partitions of topics with few readers first: they have the least choice.
  for (const partition of free(readers, partitionCounts, taken)) {
    const reader = leastLoaded(readers, partition.topic)
    reader?.partitions.push(partition)
  }
  balance(readers)
  return new Map(readers.map(({ member, partitions }) => [member, partitions.sort(byPlace)]))
}

/**
 * What each member gets in this generation of a cooperative rebalance: its part of `target`, but nothing that another
 * member still holds. That one sees that it lost it, lets go, and joins again; then it is given out.
 */
export function withoutOwned(target: Assignments, members: readonly AssigningMember[]): Assignments {
  const owners = new Map<string, string>()
  for (const { partition, member } of claims(members)) owners.set(nameOf(partition), member)
  return new Map(
    Array.from(target, ([member, partitions]) => [
      member,
      partitions.filter((partition) => (owners.get(nameOf(partition)) ?? member) === member),
    ]),
  )
}

export function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}

/** Leaves readers what they rightly claim. */
function keepOwned(
  members: readonly AssigningMember[],
  readers: readonly Reader[],
  partitionCounts: ReadonlyMap<string, number>,
): Set<string> {
  const byMember = new Map(readers.map((reader) => [reader.member, reader]))
  const taken = new Set<string>()
  for (const { partition, member } of claims(members)) {
    const reader = byMember.get(member)
    const exists = partition.partition < (partitionCounts.get(partition.topic) ?? 0)
    if (reader === undefined || !exists || !reader.topics.has(partition.topic)) continue
    reader.partitions.push(partition)
    taken.add(nameOf(partition))
  }
  return taken
}

/** One claim a partition: that of the newest generation; two of the same generation are nobody's. */
function claims(
  members: readonly AssigningMember[],
): readonly { readonly partition: TopicPartition; readonly member: string }[] {
  const newest = new Map<string, { partition: TopicPartition; member: string; generation: number }>()
  const disputed = new Set<string>()
  for (const { member, owned, generation } of inOrder(members)) {
    for (const partition of owned) {
      const name = nameOf(partition)
      const known = newest.get(name)
      if (known === undefined || known.generation < generation) {
        newest.set(name, { partition, member, generation })
        disputed.delete(name)
      } else if (known.generation === generation) {
        disputed.add(name)
      }
    }
  }
  return [...newest.entries()].filter(([name]) => !disputed.has(name)).map(([, claim]) => claim)
}

function inOrder(members: readonly AssigningMember[]): readonly AssigningMember[] {
  return members.toSorted((a, b) => (a.member < b.member ? -1 : 1))
}

function free(
  readers: readonly Reader[],
  partitionCounts: ReadonlyMap<string, number>,
  taken: ReadonlySet<string>,
): TopicPartition[] {
  const interested = new Map<string, number>()
  for (const { topics } of readers) {
    for (const topic of topics) interested.set(topic, (interested.get(topic) ?? 0) + 1)
  }
  return [...interested]
    .sort(([a, left], [b, right]) => left - right || (a < b ? -1 : 1))
    .flatMap(([topic]) =>
      Array.from({ length: partitionCounts.get(topic) ?? 0 }, (_, partition) => ({ topic, partition })),
    )
    .filter((partition) => !taken.has(nameOf(partition)))
}

/** The one with the fewest partitions; among equals the one with fewer of this topic, then the first by name. */
function leastLoaded(readers: readonly Reader[], topic: string): Reader | undefined {
  let best: Reader | undefined
  let bestOfTopic = 0
  for (const reader of readers) {
    if (!reader.topics.has(topic)) continue
    const fewer = best === undefined || reader.partitions.length < best.partitions.length
    if (!fewer && reader.partitions.length > (best as Reader).partitions.length) continue
    const ofTopic = countOf(reader, topic)
    if (!fewer && ofTopic >= bestOfTopic) continue
    best = reader
    bestOfTopic = ofTopic
  }
  return best
}

function countOf({ partitions }: Reader, topic: string): number {
  return partitions.reduce((count, partition) => (partition.topic === topic ? count + 1 : count), 0)
}

/** Moves one partition after the other from who has most to who has least, as long as two or more lie between. */
function balance(readers: readonly Reader[]): void {
  while (moveOne([...readers].sort((a, b) => b.partitions.length - a.partitions.length))) {}
}

/** @param byLoad the most loaded first. Returns false when no move makes it more even. */
function moveOne(byLoad: readonly Reader[]): boolean {
  for (const giver of byLoad) {
    for (const taker of byLoad.toReversed()) {
      if (giver.partitions.length - taker.partitions.length <= 1) break
      // The last it got, so that what it has had for long stays.
      const at = giver.partitions.findLastIndex(({ topic }) => taker.topics.has(topic))
      if (at < 0) continue
      taker.partitions.push(...giver.partitions.splice(at, 1))
      return true
    }
  }
  return false
}

function byPlace(a: TopicPartition, b: TopicPartition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1
  return a.partition - b.partition
}
