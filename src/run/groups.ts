import { answered } from '../base/answered.ts'
import type { Offset, Timestamp } from '../base/brands.ts'
import { timeMs } from '../base/duration.ts'
import { MillraceError } from '../base/errors.ts'
import { shownValue } from '../base/shown-value.ts'
import type { TopicDescription } from '../broker/broker.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import type { GroupDescription, GroupListing, NewPosition } from '../broker/groups.ts'
import { decodeAssignment } from '../clients/consumer-protocol.ts'
import { checkOptionalText, checkOptions, checkPlace, checkText } from './argument-checks.ts'

/** A consumer group, or the positions of an application. */
export interface GroupSummary {
  readonly group: string
  readonly state: GroupListing['state']
  /** 'consumer', 'millrace' for an application, '' when only positions were committed. */
  readonly protocolType: string
  readonly generation: number
  readonly members: readonly GroupMemberSummary[]
  readonly positions: readonly GroupLag[]
}

export interface GroupMemberSummary {
  readonly member: string
  readonly instance: string | null
  readonly client: string
  readonly host: string
  /** Undefined for members that speak another protocol than consumers do. */
  readonly partitions: readonly { readonly topic: string; readonly partition: number }[] | undefined
}

/** Where a group stands in a partition. */
export interface GroupLag {
  readonly topic: string
  readonly partition: number
  /** The next record to process. */
  readonly offset: Offset
  /** Behind the last record that readers see. */
  readonly end: Offset
  /** Offsets between the two; markers and compacted records count. */
  readonly lag: number
  readonly metadata: string
  readonly committedAt: Timestamp
}

/** Where a reset moves a group to. */
export type ResetTo =
  | 'earliest'
  | 'latest'
  | { readonly time: number | Date | string }
  | { readonly offset: number }
  /** So many records forward, or back if negative; never beyond what is there. */
  | { readonly shift: number }

export interface ResetOptions {
  readonly to: ResetTo
  /** Default: all topics in which the group has a position. */
  readonly topic?: string
  /** Of `topic`. Default: all. */
  readonly partition?: number
}

/** What an operator sees of consumer groups, and may do with them. */
export class Groups {
  readonly #broker: FullBroker

  /** Use `log.groups`. */
  constructor(broker: FullBroker) {
    this.#broker = broker
  }

  /** All groups, by name. */
  list(): readonly GroupListing[] {
    return this.#broker.groups.list()
  }

  /** Undefined: there is no such group. */
  describe(group: string): GroupSummary | undefined {
    const description = this.#broker.groups.describe(group)
    if (description === undefined) return undefined
    const { state, protocolType, generation } = description
    return {
      group,
      state,
      protocolType,
      generation,
      members: membersOf(description),
      positions: this.#lags(description),
    }
  }

  /**
   * Moves the positions of a group that nobody is a member of; answers with where it stands then. A position is moved to
   * what the log holds, never outside of it.
   * Throws MILLRACE_GROUP_ACTIVE, MILLRACE_UNKNOWN_GROUP, MILLRACE_UNKNOWN_TOPIC, MILLRACE_INVALID_ARGUMENT.
   */
  async reset(group: string, options: ResetOptions): Promise<GroupSummary> {
    checkText(group, 'the name of the group', 'billing')
    checkOptions(options, 'where a group is reset to')
    const { to, topic, partition } = options
    checkPlace(to, 'to', ['earliest', 'latest'], ['time', 'offset', 'shift'])
    checkOptionalText(topic, 'topic', 'orders')
    const positions: NewPosition[] = []
    for (const place of this.#placesOf(group, topic, partition)) {
      const offset = await this.#target(place, to)
      positions.push({ ...positionAt(place), offset })
    }
    if (positions.length === 0) {
      const problem = `group ${group} has no position${topic === undefined ? '' : ` in ${topic}`}`
      throw new MillraceError('MILLRACE_NO_POSITION', `${problem}: name the topic to give it one`)
    }
    await answered<void>((answer) => this.#broker.groups.reset(group, positions, answer))
    return this.describe(group) as GroupSummary
  }

  /** Removes a group that nobody is a member of. Throws MILLRACE_GROUP_ACTIVE, MILLRACE_UNKNOWN_GROUP. */
  async delete(group: string): Promise<void> {
    checkText(group, 'the name of the group', 'billing')
    await answered<void>((answer) => this.#broker.groups.delete(group, answer))
  }

  #lags({ positions }: GroupDescription): readonly GroupLag[] {
    const names = new Map(this.#broker.topics().map((topic) => [topic.id, topic]))
    const lags: GroupLag[] = []
    for (const { topic, partition, offset, metadata, committedAt } of positions) {
      const known = names.get(topic)
      // The position of a deleted topic goes with the next cleaning.
      if (known === undefined || partition >= known.partitions) continue
      const { lastStable } = this.#broker.bounds(topic, partition)
      const lag = Math.max(0, lastStable - offset)
      lags.push({ topic: known.name, partition, offset, end: lastStable, lag, metadata, committedAt })
    }
    return lags.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
  }

  #placesOf(group: string, topic: string | undefined, partition: number | undefined): readonly Place[] {
    const known = this.#broker.groups.describe(group)
    if (known === undefined && topic === undefined) {
      const names = this.list().map((each) => each.group)
      const problem = `there is no group ${group}; there is: ${names.join(', ') || 'none'}`
      throw new MillraceError(
        'MILLRACE_UNKNOWN_GROUP',
        `${problem}; name a topic to make it with its positions`,
      )
    }
    const committed = new Map(
      known?.positions.map((each) => [`${each.topic}/${each.partition}`, each.offset]),
    )
    const topics = this.#topicsOf(topic, known)
    return topics.flatMap((description) =>
      Array.from({ length: description.partitions }, (_, index): Place => {
        const offset = committed.get(`${description.id}/${index}`)
        return { topic: description, partition: index, offset }
      }).filter((place) => (topic === undefined ? place.offset !== undefined : matches(place, partition))),
    )
  }

  #topicsOf(topic: string | undefined, known: GroupDescription | undefined): readonly TopicDescription[] {
    if (topic === undefined) {
      const ids = new Set(known?.positions.map((each) => each.topic))
      return this.#broker.topics().filter(({ id }) => ids.has(id))
    }
    const description = this.#broker.topic(topic)
    if (description === undefined)
      throw new MillraceError('MILLRACE_UNKNOWN_TOPIC', `there is no topic ${topic}`)
    return [description]
  }

  async #target({ topic, partition, offset }: Place, to: ResetTo): Promise<Offset> {
    const { start, lastStable } = this.#broker.bounds(topic.id, partition)
    if (to === 'earliest') return start
    if (to === 'latest') return lastStable
    if ('time' in to) {
      const time = timeMs(to.time, 'to.time')
      return answered<Offset>((answer) => this.#broker.offsetForTime(topic.id, partition, time, answer))
    }
    const given: unknown = 'offset' in to ? to.offset : to.shift
    if (!Number.isSafeInteger(given)) {
      const message = `a group is moved to a whole number, not to ${shownValue(given)}`
      throw new MillraceError('MILLRACE_INVALID_ARGUMENT', message)
    }
    const wanted = 'offset' in to ? to.offset : (offset ?? start) + to.shift
    return Math.min(Math.max(wanted, start), lastStable)
  }
}

interface Place {
  readonly topic: TopicDescription
  readonly partition: number
  readonly offset: Offset | undefined
}

function matches(place: Place, partition: number | undefined): boolean {
  return partition === undefined || place.partition === partition
}

function positionAt({ topic, partition }: Place): Omit<NewPosition, 'offset'> {
  return { topic: topic.id, partition, leaderEpoch: -1, metadata: '' }
}

function membersOf({ members, protocolType }: GroupDescription): readonly GroupMemberSummary[] {
  return members.map(({ member, instance, client, host, assignment }) => {
    const partitions = protocolType === 'consumer' ? partitionsOf(assignment) : undefined
    return { member, instance, client, host, partitions }
  })
}

function partitionsOf(assignment: Uint8Array): GroupMemberSummary['partitions'] {
  try {
    return decodeAssignment(assignment)
  } catch {
    return undefined
  }
}
