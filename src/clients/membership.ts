/**
 * One member of a consumer group, as the client sees it (Kafka's classic protocol, cooperative).
 *
 * States: `joining` (a join is under way) -> `syncing` -> `stable`, and back to `joining` whenever the coordinator or a
 * change of the topics asks for a rebalance. Partitions that are kept are read on all through a rebalance: only those
 * that move stop. A partition that goes to another member is revoked first (its work ends, its position is committed),
 * then the member joins again, and only then the other one gets it.
 *
 * Invariants: `owned` never holds a partition that the member was not given in the generation that it acts in; when the
 * coordinator no longer knows the member, all of them are lost at once and nothing of them is committed.
 *
 * Liveness is the heartbeats alone, which a slow handler does not stop. Everything is callbacks and timers of `Sys`.
 */
import type { DurationMs } from '../base/brands.ts'
import { isMillraceError } from '../base/errors.ts'
import type { GroupMember, GroupPort, JoinedGroup } from '../broker/groups.ts'
import type { Timer, Timers } from '../sys/sys.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type TopicPartition,
} from './consumer-protocol.ts'
import { type AssigningMember, assignSticky, nameOf, withoutOwned } from './sticky-assignor.ts'

/** Kafka's name of this kind of assignment; its Java consumers understand it. */
const PROTOCOL = 'cooperative-sticky'
const PROTOCOL_TYPE = 'consumer'
/** After an error that may pass by itself. */
const RETRY_MS = 100

export interface MembershipOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** Static membership: the same id after a restart gets the same partitions, without a rebalance. */
  readonly instance: string | null
  readonly client: string
  readonly host: string
  readonly sessionTimeoutMs: DurationMs
  readonly heartbeatMs: DurationMs
  readonly rebalanceTimeoutMs: DurationMs
}

export interface MembershipHost {
  readonly groups: GroupPort
  readonly timers: Timers
  /** Of the topics that exist now. */
  partitionCounts(): ReadonlyMap<string, number>
  /** These are the member's from now on. */
  assigned(partitions: readonly TopicPartition[]): void
  /** These go to other members: end their work, commit, and call `done`. */
  revoke(partitions: readonly TopicPartition[], done: () => void): void
  /** These were the member's, and may be another's already: nothing may be committed for them. */
  lost(partitions: readonly TopicPartition[]): void
  /** The membership is over. */
  failed(error: Error): void
}

type Phase = 'idle' | 'joining' | 'syncing' | 'stable' | 'revoking' | 'closed'

export class Membership {
  readonly #options: MembershipOptions
  readonly #host: MembershipHost
  #phase: Phase = 'idle'
  #member = ''
  #generation = -1
  #owned: readonly TopicPartition[] = []
  /** Taken from the member, and not let go of yet: still its own until `revoke` has called back. */
  #leaving: readonly TopicPartition[] = []
  /** The leader's: what it assigned by. Undefined for the others. */
  #assignedBy: string | undefined
  #timer: Timer | undefined
  /** The number of the join, sync or heartbeat that is under way: answers to earlier ones are nobody's. */
  #call = 0
  #isClosing = false
  /** Who waits for the end of `close`; undefined: it has ended. */
  #closing: (() => void)[] | undefined = []

  constructor(options: MembershipOptions, host: MembershipHost) {
    this.#options = options
    this.#host = host
  }

  get owned(): readonly TopicPartition[] {
    return this.#owned
  }

  get phase(): Phase {
    return this.#phase
  }

  /** In whose name positions are committed; a generation of -1 is nobody's: the coordinator would take it for a tool. */
  get identity(): GroupMember {
    const { group, instance } = this.#options
    return { group, member: this.#member, generation: this.#generation, instance }
  }

  join(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'joining'
    this.#timer?.cancel()
    const { group, topics, instance, client, host, sessionTimeoutMs, rebalanceTimeoutMs } = this.#options
    const metadata = encodeSubscription({ topics, owned: this.#owned, generation: this.#generation })
    const request = {
      group,
      member: this.#member,
      instance,
      client,
      host,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
    }
    const call = this.#nextCall()
    this.#host.groups.join(
      { ...request, protocolType: PROTOCOL_TYPE, protocols: [{ name: PROTOCOL, metadata }] },
      (error, joined) => {
        if (call !== this.#call) {
          // Closed in the meantime: the coordinator must not wait for this member.
          if (joined !== undefined && this.#phase === 'closed') this.#leave(joined.member, () => undefined)
        } else if (joined === undefined) {
          this.#refused(error as Error)
        } else {
          this.#sync(joined)
        }
      },
    )
  }

  /** Somebody else's call was refused in the name of this member: a commit with a generation that is over. */
  refused(error: Error): void {
    if (this.#phase === 'stable') this.#refused(error)
  }

  /**
   * Lets go of everything: revokes, leaves the group, and calls `done`. Until the work has ended and is committed the
   * member stays in the group, through rebalances too: otherwise its positions would be refused. A static member does
   * not leave: it keeps its partitions for its return within the session timeout.
   */
  close(done: () => void): void {
    if (this.#closing === undefined) {
      done()
      return
    }
    this.#closing.push(done)
    if (this.#isClosing) return
    this.#isClosing = true
    const held = [...this.#owned, ...this.#leaving]
    if (held.length === 0) this.#depart()
    else this.#host.revoke(held, () => this.#depart())
  }

  #depart(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#nextCall()
    this.#timer?.cancel()
    this.#owned = []
    this.#leaving = []
    if (this.#member === '') this.#tellClosed()
    else this.#leave(this.#member, () => this.#tellClosed())
  }

  #tellClosed(): void {
    const waiting = this.#closing ?? []
    this.#closing = undefined
    for (const done of waiting) done()
  }

  #leave(member: string, done: () => void): void {
    const { group, instance } = this.#options
    // Whatever the coordinator says: a member is gone, at the latest when its session times out.
    if (instance === null) this.#host.groups.leave({ group, members: [{ member, instance }] }, () => done())
    else done()
  }

  #sync(joined: JoinedGroup): void {
    this.#phase = 'syncing'
    this.#member = joined.member
    this.#generation = joined.generation
    const leads = joined.leader === joined.member && !joined.skipAssignment
    const call = this.#nextCall()
    let assignments: readonly { readonly member: string; readonly assignment: Uint8Array }[] = []
    try {
      if (leads) assignments = this.#assign(joined)
    } catch (error) {
      this.#fail(error as Error)
      return
    }
    if (!leads) this.#assignedBy = undefined
    this.#host.groups.sync({ ...this.identity, assignments }, (error, synced) => {
      if (call !== this.#call) return
      if (synced === undefined) this.#refused(error as Error)
      else this.#settle(synced.assignment)
    })
  }

  #assign(joined: JoinedGroup): { member: string; assignment: Uint8Array }[] {
    const members = joined.members.map(({ member, metadata }): AssigningMember => {
      const { topics, owned, generation } = decodeSubscription(metadata)
      return { member, topics, owned, generation }
    })
    const counts = this.#host.partitionCounts()
    this.#assignedBy = signature(
      members.flatMap(({ topics }) => topics),
      counts,
    )
    const given = withoutOwned(assignSticky(members, counts), members)
    return Array.from(given, ([member, partitions]) => ({ member, assignment: encodeAssignment(partitions) }))
  }

  #settle(assignment: Uint8Array): void {
    let given: readonly TopicPartition[]
    try {
      given = decodeAssignment(assignment)
    } catch (error) {
      this.#fail(error as Error)
      return
    }
    const before = new Set(this.#owned.map(nameOf))
    const after = new Set(given.map(nameOf))
    const added = given.filter((partition) => !before.has(nameOf(partition)))
    const revoked = this.#owned.filter((partition) => !after.has(nameOf(partition)))
    const kept = this.#owned.filter((partition) => after.has(nameOf(partition)))
    this.#phase = revoked.length > 0 ? 'revoking' : 'stable'
    const call = this.#nextCall()
    this.#owned = [...kept, ...added]
    this.#leaving = revoked
    this.#beatLater()
    if (added.length > 0 && !this.#isClosing) this.#host.assigned(added)
    if (revoked.length === 0 || call !== this.#call) return
    this.#host.revoke(revoked, () => {
      if (call !== this.#call) return
      this.#leaving = []
      // What was let go of can be given out now.
      this.join()
    })
  }

  #beatLater(): void {
    this.#timer = this.#host.timers.after(this.#options.heartbeatMs, () => this.#beat())
  }

  #beat(): void {
    if (this.#phase !== 'stable' && this.#phase !== 'revoking') return
    // While partitions are being revoked a rebalance is due anyway.
    if (this.#phase === 'stable' && this.#topicsChanged()) {
      this.join()
      return
    }
    const phase = this.#phase
    this.#host.groups.heartbeat(this.identity, (error) => {
      if (this.#phase !== phase) return
      if (error !== undefined && !(phase === 'revoking' && passes(error))) this.#refused(error)
      else this.#beatLater()
    })
  }

  #topicsChanged(): boolean {
    if (this.#assignedBy === undefined) return false
    const names = JSON.parse(this.#assignedBy) as readonly (readonly [string, number])[]
    const topics = names.map(([topic]) => topic)
    return signature(topics, this.#host.partitionCounts()) !== this.#assignedBy
  }

  #refused(error: Error): void {
    const code = isMillraceError(error) ? error.code : undefined
    if (code === 'MILLRACE_REBALANCE_IN_PROGRESS') {
      this.join()
    } else if (code === 'MILLRACE_UNKNOWN_MEMBER' || code === 'MILLRACE_ILLEGAL_GENERATION') {
      // Others may have the partitions already.
      this.#loseAll()
      if (code === 'MILLRACE_UNKNOWN_MEMBER') this.#member = ''
      this.join()
    } else if (isMillraceError(error) && error.retriable) {
      this.#phase = 'joining'
      this.#timer = this.#host.timers.after(RETRY_MS, () => this.join())
    } else {
      this.#fail(error)
    }
  }

  #fail(error: Error): void {
    this.#phase = 'closed'
    this.#nextCall()
    this.#timer?.cancel()
    // The others need not wait until its session has timed out. A static member has its place taken, or comes back.
    if (this.#member !== '') this.#leave(this.#member, () => undefined)
    this.#loseAll()
    this.#tellClosed()
    this.#host.failed(error)
  }

  #loseAll(): void {
    const lost = [...this.#owned, ...this.#leaving]
    this.#owned = []
    this.#leaving = []
    this.#generation = -1
    if (lost.length > 0) this.#host.lost(lost)
  }

  #nextCall(): number {
    this.#call += 1
    return this.#call
  }
}

/** The member joins again anyway, when its partitions are let go of; not before, or another could be given them. */
function passes(error: Error): boolean {
  if (!isMillraceError(error)) return false
  return error.code === 'MILLRACE_REBALANCE_IN_PROGRESS' || error.retriable
}

/** What an assignment depends on beside the members: the partitions of their topics. */
function signature(topics: readonly string[], counts: ReadonlyMap<string, number>): string {
  const names = [...new Set(topics)].sort()
  return JSON.stringify(names.map((topic) => [topic, counts.get(topic) ?? 0]))
}
