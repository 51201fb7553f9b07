/**
 * What a remote broker knows without asking: topics and where their partitions begin and end; and of that which only
 * operators ask for (groups, details of topics, transactions) what it was told last.
 *
 * Invariants: an offset never goes back, whatever order responses come in (the ends of a partition never do). A
 * response that was asked for before a topic or group was changed here says nothing of which topics and groups there
 * are: what the change said counts until the next one.
 */

import { assert } from '../../base/assert.ts'
import type { Offset, PartitionId, TopicId } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type { HousekeepingStatus, TopicDetails } from '../admin.ts'
import type { BrokerLimits, PartitionBounds, TopicDescription } from '../broker.ts'
import type { GroupDescription } from '../groups.ts'
import type { TransactionDescription } from '../transactions.ts'
import {
  type BrokerState,
  type PartitionBoundsOf,
  REMOTE_COMMIT_BYTES_MAX,
  type StateChanges,
  type TopicState,
} from './protocol.ts'

interface KnownTopic {
  readonly description: TopicDescription
  readonly bounds: PartitionBounds[]
}

export class RemoteState {
  readonly limits: BrokerLimits
  #byId = new Map<TopicId, KnownTopic>()
  #byName = new Map<string, KnownTopic>()
  readonly #details = new Map<string, TopicDetails>()
  readonly #groups = new Map<string, GroupDescription>()
  #transactions: readonly TransactionDescription[] = []
  #housekeeping: readonly HousekeepingStatus[] = []
  #changes = 0

  /** @param state with all parts. */
  constructor(state: BrokerState) {
    const commitBytesMax = Math.min(state.limits.commitBytesMax, REMOTE_COMMIT_BYTES_MAX)
    this.limits = Object.freeze({ ...state.limits, commitBytesMax })
    this.refresh(state, 0)
  }

  /** How often topics or groups were changed from here. */
  get changes(): number {
    return this.#changes
  }

  get transactions(): readonly TransactionDescription[] {
    return this.#transactions
  }

  get housekeeping(): readonly HousekeepingStatus[] {
    return this.#housekeeping
  }

  topics(): readonly TopicDescription[] {
    return Array.from(this.#byName.values(), ({ description }) => description)
  }

  topic(name: string): TopicDescription | undefined {
    return this.#byName.get(name)?.description
  }

  /** @throws MillraceError MILLRACE_UNKNOWN_TOPIC. */
  bounds(topic: TopicId, partition: PartitionId): PartitionBounds {
    const known = this.#byId.get(topic)
    const bounds = known?.bounds[partition]
    if (bounds !== undefined) return bounds
    const what =
      known === undefined
        ? `there is no topic with the id ${topic}`
        : `${known.description.name} has ${known.bounds.length} partitions`
    throw new MillraceError('MILLRACE_UNKNOWN_TOPIC', `partition ${partition} is wanted, but ${what}`)
  }

  /** Where a partition ends; beyond every offset when it is not there (any more). */
  end(topic: TopicId, partition: PartitionId): Offset {
    return this.#byId.get(topic)?.bounds[partition]?.end ?? Number.POSITIVE_INFINITY
  }

  details(name: string): TopicDetails | undefined {
    const known = this.#details.get(name)
    if (known === undefined) return undefined
    const details = known.details.map((one) => ({
      ...one,
      ...this.#byId.get(known.id)?.bounds[one.partition],
    }))
    return { ...known, details }
  }

  group(name: string): GroupDescription | undefined {
    return this.#groups.get(name)
  }

  /** By name. */
  groups(): readonly GroupDescription[] {
    return [...this.#groups.values()].sort((a, b) => (a.group < b.group ? -1 : 1))
  }

  /** @param changes what `changes` was when it was asked for. */
  refresh(state: BrokerState, changes: number): void {
    const present = changes === this.#changes
    if (present) this.#setTopics(state.topics)
    else for (const { id, bounds } of state.topics) this.#mergeBounds(id, bounds)
    const { whole } = state
    if (whole === undefined || !present) return
    replace(this.#details, whole.details, ({ name }) => name)
    replace(this.#groups, whole.groups, ({ group }) => group)
    this.#transactions = whole.transactions
    this.#housekeeping = whole.housekeeping
  }

  change({ bounds, topics, goneTopics, groups, goneGroups }: StateChanges): void {
    if (topics.length + goneTopics.length + groups.length + goneGroups.length > 0) this.#changes += 1
    for (const name of goneTopics) this.#forgetTopic(name)
    for (const details of topics) this.#setDetails(details)
    for (const group of groups) this.#groups.set(group.group, group)
    for (const group of goneGroups) this.#groups.delete(group)
    for (const each of bounds) this.merge(each)
  }

  merge({ topic, partition, bounds }: PartitionBoundsOf): void {
    const known = this.#byId.get(topic)
    const before = known?.bounds[partition]
    if (known !== undefined && before !== undefined) known.bounds[partition] = later(before, bounds)
  }

  #setTopics(topics: readonly TopicState[]): void {
    const [byId, byName] = [new Map<TopicId, KnownTopic>(), new Map<string, KnownTopic>()]
    for (const { bounds, ...description } of topics) {
      const before = this.#byId.get(description.id)?.bounds ?? []
      const merged = bounds.map((one, index) => later(before[index], one))
      const known: KnownTopic = { description, bounds: merged }
      byId.set(description.id, known)
      byName.set(description.name, known)
    }
    this.#byId = byId
    this.#byName = byName
  }

  #mergeBounds(topic: TopicId, all: readonly PartitionBounds[]): void {
    for (const [partition, bounds] of all.entries()) this.merge({ topic, partition, bounds })
  }

  #setDetails(details: TopicDetails): void {
    const { id, name, partitions, durability, internal } = details
    assert(details.details.length === partitions, () => `${name} is described without all its partitions`)
    const before = this.#byId.get(id)?.bounds ?? []
    const bounds = details.details.map(({ start, lastStable, end, leaderEpoch }, index) =>
      later(before[index], { start, lastStable, end, leaderEpoch }),
    )
    const known: KnownTopic = { description: { id, name, partitions, durability, internal }, bounds }
    const old = this.#byName.get(name)
    if (old !== undefined) this.#byId.delete(old.description.id)
    this.#byId.set(id, known)
    this.#byName.set(name, known)
    this.#details.set(name, details)
  }

  #forgetTopic(name: string): void {
    const known = this.#byName.get(name)
    if (known !== undefined) this.#byId.delete(known.description.id)
    this.#byName.delete(name)
    this.#details.delete(name)
  }
}

function later(before: PartitionBounds | undefined, bounds: PartitionBounds): PartitionBounds {
  if (before === undefined) return bounds
  return {
    start: Math.max(before.start, bounds.start),
    lastStable: Math.max(before.lastStable, bounds.lastStable),
    end: Math.max(before.end, bounds.end),
    leaderEpoch: Math.max(before.leaderEpoch, bounds.leaderEpoch),
  }
}

function replace<T>(map: Map<string, T>, all: readonly T[], nameOf: (one: T) => string): void {
  map.clear()
  for (const one of all) map.set(nameOf(one), one)
}
