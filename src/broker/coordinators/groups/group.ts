import type { GroupStateName } from '../../groups.ts'
import type { StoredGroup, StoredMember } from './group-record.ts'
import { Member } from './member.ts'
import { Positions } from './positions.ts'

/** The protocol type of the engine's groups: one member, no sessions, each join takes over. */
export const TAKEOVER = 'millrace'

/**
 * One group. Durable is what the last `StoredGroup` says, and the positions; the phase of a rebalance, sessions and
 * waiting answers live as long as the process, as in Kafka: after a restart members find an old generation or wait
 * for nobody, and join again.
 *
 * Invariants: members wait with `join` only while the state is PreparingRebalance, with `sync` only while it is
 * CompletingRebalance; the generation never goes back while the group exists; `instances` names only members.
 */
export class Group {
  readonly name: string
  state: GroupStateName = 'Empty'
  protocolType = ''
  generation = 0
  /** '' while none is chosen. */
  protocol = ''
  /** The member that assigns; of a takeover group the one that may commit. '' when there is none. */
  leader = ''
  readonly members = new Map<string, Member>()
  /** Static members: their member ids by instance id. */
  readonly instances = new Map<string, string>()
  /** Member ids that were given out and whose join has not come, with their deadlines. */
  readonly reserved = new Map<string, number>()
  /** Members whose sync has not come in this generation. */
  readonly unsynced = new Set<string>()
  /** When the join phase ends even if members are missing; in the other phases, when late syncs are given up. */
  phaseDeadline = Number.POSITIVE_INFINITY
  /** Of a takeover group: its member showed itself in this process. */
  active = false
  /** Since then, on the steady clock, nobody was a member or committed. */
  idleSince = 0
  /** The value of the last record about the group itself. */
  storedText: string | undefined
  readonly positions: Positions

  constructor(name: string) {
    this.name = name
    this.positions = new Positions(name)
  }

  get isTakeover(): boolean {
    return this.protocolType === TAKEOVER
  }

  /** Those that a reset has to wait for. */
  get memberCount(): number {
    return this.isTakeover ? Number(this.active) : this.members.size
  }

  get isGone(): boolean {
    const unused = this.storedText === undefined && this.state === 'Empty' && this.reserved.size === 0
    return unused && this.positions.isEmpty
  }

  /** The state as people see it. */
  get stateName(): GroupStateName {
    return this.isTakeover && this.active ? 'Stable' : this.state
  }

  add(member: Member): void {
    this.members.set(member.id, member)
    if (member.instance !== null) this.instances.set(member.instance, member.id)
    if (this.leader === '') this.leader = member.id
  }

  remove(member: Member): void {
    this.members.delete(member.id)
    this.unsynced.delete(member.id)
    if (member.instance !== null && this.instances.get(member.instance) === member.id) {
      this.instances.delete(member.instance)
    }
    if (this.leader === member.id) this.leader = this.members.keys().next().value ?? ''
  }

  /** All known members wait for the next generation, and no id is out. */
  get allJoined(): boolean {
    if (this.reserved.size > 0) return false
    for (const { join } of this.members.values()) if (join === undefined) return false
    return true
  }

  get rebalanceTimeoutMs(): number {
    let longest = 0
    for (const { rebalanceTimeoutMs } of this.members.values())
      longest = Math.max(longest, rebalanceTimeoutMs)
    return longest
  }

  /** The protocols that every member knows, in the order of the first member. */
  get commonProtocols(): readonly string[] {
    const [first, ...others] = this.members.values()
    if (first === undefined) return []
    return first.protocols
      .map(({ name }) => name)
      .filter((name) => others.every(({ protocols }) => protocols.some((known) => known.name === name)))
  }

  /** Each member votes for the first of its protocols that all know; the most votes win. */
  vote(): string {
    const votes = new Map(this.commonProtocols.map((name) => [name, 0]))
    for (const { protocols } of this.members.values()) {
      const choice = protocols.find(({ name }) => votes.has(name))
      if (choice !== undefined) votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1)
    }
    let winner = ''
    for (const [name, count] of votes) if (winner === '' || count > (votes.get(winner) ?? 0)) winner = name
    return winner
  }

  /** What would be stored if the members had these assignments. */
  toStored(assignments?: ReadonlyMap<string, Uint8Array>): StoredGroup {
    const { protocolType, generation, protocol, leader } = this
    const members: StoredMember[] = []
    for (const member of this.members.values()) {
      const stored = member.toStored(protocol)
      const assignment = assignments?.get(member.id)
      members.push(assignment === undefined ? stored : { ...stored, assignment })
    }
    return { protocolType, generation, protocol, leader, members }
  }

  /**
   * Takes over a stored state. In the life of a group members that are there keep their sessions: the state is then
   * the one that the operation already has in mind.
   */
  apply(stored: StoredGroup, now: number): void {
    const wasEmpty = this.state === 'Empty'
    this.protocolType = stored.protocolType
    this.generation = stored.generation
    this.protocol = stored.protocol
    const wanted = new Set(stored.members.map(({ member }) => member))
    for (const member of [...this.members.values()]) if (!wanted.has(member.id)) this.remove(member)
    for (const member of stored.members) {
      const known = this.members.get(member.member)
      if (known === undefined) this.add(Member.stored(member, stored.protocol, now))
      ;(this.members.get(member.member) as Member).assignment = member.assignment
    }
    this.leader = stored.leader
    this.state = stored.members.length === 0 ? 'Empty' : 'Stable'
    if (this.state === 'Empty' && !wasEmpty) this.idleSince = now
  }

  /** The earliest moment at which time alone changes something, but for the retention of positions. */
  get nextDeadline(): number {
    let next = this.phaseDeadline
    for (const member of this.members.values()) if (!member.waits) next = Math.min(next, member.deadline)
    for (const deadline of this.reserved.values()) next = Math.min(next, deadline)
    return next
  }

  /** The process was held up for `ms` until now: nobody could show a sign of life, and everybody gets the time for it. */
  postpone(ms: number, now: number): void {
    this.phaseDeadline += ms
    for (const member of this.members.values()) {
      member.deadline = Math.max(member.deadline + ms, now + member.sessionTimeoutMs)
    }
    for (const [member, deadline] of this.reserved) this.reserved.set(member, deadline + ms)
  }
}
