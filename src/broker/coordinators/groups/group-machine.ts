/**
 * The coordinator of consumer groups: Kafka's classic protocol, positions, and the groups of the engine.
 *
 * Purpose: to decide. It knows neither log nor timers: each operation gets a `Step` with the present, and leaves the
 * records to write and the answers to give in it. Joins and syncs of others that it keeps waiting are answered by the
 * step that ends their wait.
 *
 * State: durable is what `apply` sees, and applying the same records builds it again; memberships in the making,
 * sessions and waiting answers are of this process only.
 * Invariants: see `Group` and `rebalance.ts`. After a step its records are applied before the next step begins.
 * Cost: an operation touches one group; the next deadline is found by looking at one group's members, `tick` looks at
 * all groups.
 */
import type { PartitionId, ProducerId, TopicId } from '../../../base/brands.ts'
import type { MillraceError } from '../../../base/errors.ts'
import type { Answer, Membership } from '../../broker.ts'
import type {
  CommitPositions,
  GroupDescription,
  GroupListing,
  GroupMember,
  GroupPosition,
  GroupPositions,
  JoinedGroup,
  JoinGroup,
  LeaveGroup,
  NewPosition,
  SyncedGroup,
  SyncGroup,
} from '../../groups.ts'
import type { CoordinatorMachine, CoordinatorRecord, Moment, Outcome } from '../coordinator.ts'
import { commitRecords, commitRefusal, committedAt, positionFault } from './commits.ts'
import { Group, TAKEOVER } from './group.ts'
import { groupActive, inconsistentProtocol, unknownGroup, unknownMember } from './group-error.ts'
import { groupRecord, pendingRecord, readGroupRecord } from './group-record.ts'
import { join, joinRefusal, newMemberId } from './joining.ts'
import { NO_BYTES } from './member.ts'
import { heartbeat, leave, sync } from './membership.ts'
import { expire, prepareRebalance } from './rebalance.ts'
import { Step } from './step.ts'

export interface GroupMachineOptions {
  /** Positions of a group that is empty, and was for so long while the log was open, are removed. Default 7 days. */
  readonly positionsRetentionMs?: number
}

const POSITIONS_RETENTION_MS = 7 * 24 * 3_600_000
const TAKER = { instance: null, client: TAKEOVER, host: '', metadata: NO_BYTES, assignment: NO_BYTES }
const NO_POSITIONS: GroupPositions = Object.freeze({ positions: [], pending: [] })

export class GroupMachine implements CoordinatorMachine {
  readonly #groups = new Map<string, Group>()
  readonly #retentionMs: number
  readonly #uuid: () => string
  /** The steady clock at the last step; what is applied after a restart begins to live then. */
  #now = 0
  #nextDeadline = Number.POSITIVE_INFINITY

  constructor(uuid: () => string, options: GroupMachineOptions = {}) {
    this.#uuid = uuid
    this.#retentionMs = options.positionsRetentionMs ?? POSITIONS_RETENTION_MS
  }

  /** When `tick` is due on the steady clock; sometimes earlier than anything happens. */
  get nextDeadline(): number {
    return this.#nextDeadline
  }

  begin(now: Moment): Step {
    this.#now = now.steady
    return new Step(now)
  }

  apply(record: CoordinatorRecord): void {
    const read = readGroupRecord(record)
    const group = this.#of(read.group)
    if (read.kind === 'position') {
      group.positions.set(read.topic, read.partition, read.value)
      group.idleSince = this.#now
    } else if (read.kind === 'pending') {
      group.positions.setPending(read.producerId, read.topic, read.partition, read.value)
    } else if (read.value === undefined) {
      // What waits in it (a reserved id) goes on as in a new group.
      group.storedText = undefined
      group.generation = 0
      group.protocolType = ''
      group.leader = ''
    } else {
      group.storedText = record.value as string
      group.apply(read.value, this.#now)
    }
    if (group.isGone) this.#groups.delete(group.name)
    else this.#expect(group)
  }

  *snapshot(): Generator<CoordinatorRecord> {
    for (const { name, storedText, positions } of this.#groups.values()) {
      if (storedText !== undefined) yield { key: groupRecord(name, undefined).key, value: storedText }
      yield* positions.snapshot()
    }
  }

  clear(): readonly ((error: Error) => void)[] {
    const waiting = this.giveUpWaiting()
    this.#groups.clear()
    return waiting
  }

  /** Those who wait in a join or a sync; they do not wait any more. */
  giveUpWaiting(): readonly ((error: Error) => void)[] {
    const waiting: ((error: Error) => void)[] = []
    for (const { members } of this.#groups.values()) {
      for (const member of members.values()) {
        const { join, sync } = member
        member.join = undefined
        member.sync = undefined
        if (join !== undefined) waiting.push((error) => join(error, undefined))
        if (sync !== undefined) waiting.push((error) => sync(error, undefined))
      }
    }
    return waiting
  }

  /** The log was opened: members of the process that had it before are gone with that process. */
  dismissLocalMembers(step: Step): void {
    for (const group of this.#groups.values()) {
      const gone = [...group.members.values()].filter(
        ({ host, instance }) => host === '' && instance === null,
      )
      for (const member of gone) group.remove(member)
      if (gone.length === 0) continue
      // Nothing is written for an empty one: the next start finds it empty in the same way.
      if (group.members.size === 0) group.state = 'Empty'
      else prepareRebalance(group, step)
      this.#expect(group)
    }
  }

  join(request: JoinGroup, answer: Answer<JoinedGroup>, step: Step): void {
    const group = this.#of(request.group)
    join(group, request, answer, this.#uuid(), step)
    this.#keep(group)
  }

  reserveMember(request: JoinGroup, answer: Answer<string>, step: Step): void {
    const group = this.#of(request.group)
    const refusal = joinRefusal(group, request)
    if (refusal === undefined) {
      const member = newMemberId(request, this.#uuid())
      group.reserved.set(member, step.now.steady + request.sessionTimeoutMs)
      step.answer(answer, member)
    } else {
      step.refuse(answer, refusal)
    }
    this.#keep(group)
  }

  sync(request: SyncGroup, answer: Answer<SyncedGroup>, step: Step): void {
    const group = this.#groups.get(request.group)
    if (group === undefined) step.refuse(answer, unknownMember(request.group, request.member))
    else {
      sync(group, request, answer, step)
      this.#expect(group)
    }
  }

  heartbeat(request: GroupMember, answer: Answer<void>, step: Step): void {
    heartbeat(this.#groups.get(request.group), request, answer, step)
  }

  leave(request: LeaveGroup, answer: Answer<readonly (MillraceError | undefined)[]>, step: Step): void {
    const group = this.#groups.get(request.group)
    const outcomes = group?.isTakeover ? this.#release(group, request, step) : leave(group, request, step)
    step.answer(answer, outcomes)
    if (group !== undefined) this.#keep(group)
  }

  commit(request: CommitPositions, step: Step): Outcome<void> {
    const group = this.#of(request.group)
    const refusal = commitRefusal(group, request, false, step.now)
    const records = refusal === undefined ? commitRecords(group, request.positions, step.now) : []
    this.#keep(group)
    return { records, response: refusal }
  }

  /** Positions that count when the producer's transaction commits. */
  commitPending(producerId: ProducerId, request: CommitPositions, step: Step): Outcome<void> {
    const group = this.#of(request.group)
    const refusal = commitRefusal(group, request, true, step.now)
    const records = (refusal === undefined ? request.positions : []).map((position) =>
      pendingRecord(producerId, { group: group.name, ...position }, committedAt(position, step.now)),
    )
    this.#keep(group)
    return { records, response: refusal }
  }

  /** The records that the end of a producer's transaction needs, in the same write as its markers. */
  endTransaction(producerId: ProducerId, committed: boolean): readonly CoordinatorRecord[] {
    const records: CoordinatorRecord[] = []
    for (const { positions } of this.#groups.values()) {
      if (positions.hasPending) records.push(...positions.endRecords(producerId, committed))
    }
    return records
  }

  positions(group: string): GroupPositions {
    return this.#groups.get(group)?.positions.all() ?? NO_POSITIONS
  }

  /** One committed position, as the present step sees it. */
  position(group: string, topic: TopicId, partition: PartitionId): GroupPosition | undefined {
    return this.#groups.get(group)?.positions.get(topic, partition)
  }

  list(): readonly GroupListing[] {
    return Array.from(this.#groups.values(), (group) => ({
      group: group.name,
      state: group.stateName,
      protocolType: group.protocolType,
      members: group.memberCount,
    })).sort((a, b) => (a.group < b.group ? -1 : 1))
  }

  describe(name: string): GroupDescription | undefined {
    const group = this.#groups.get(name)
    if (group === undefined) return undefined
    const { stateName: state, protocolType, generation, protocol, leader, positions } = group
    const members = Array.from(group.members.values(), (member) => {
      const { member: id, instance, client, host, metadata, assignment } = member.toStored(protocol)
      return { member: id, instance, client, host, metadata, assignment }
    })
    // Who took the group over never joined it: there is nothing that it said of itself.
    if (group.isTakeover && group.active) members.push({ ...TAKER, member: leader })
    const committed = positions.committed()
    return { group: name, state, protocolType, generation, protocol, leader, members, positions: committed }
  }

  reset(name: string, positions: readonly NewPosition[], answer: Answer<void>, step: Step): void {
    const group = this.#of(name)
    const active = group.memberCount > 0 ? groupActive(name, group.memberCount) : undefined
    const refusal = active ?? positionFault(positions)
    if (refusal === undefined) {
      // An engine that thinks it still has the group must not commit over it.
      if (group.isTakeover) step.write(ownerRecord(group, ''))
      step.write(...commitRecords(group, positions, step.now))
      step.answer(answer, undefined)
    } else {
      step.refuse(answer, refusal)
    }
    this.#keep(group)
  }

  delete(name: string, answer: Answer<void>, step: Step): void {
    const group = this.#groups.get(name)
    if (group === undefined) {
      step.refuse(answer, unknownGroup(name))
    } else if (group.memberCount > 0) {
      step.refuse(answer, groupActive(name, group.memberCount))
    } else {
      step.write(...removeRecords(group))
      step.answer(answer, undefined)
    }
  }

  /** A topic is gone: its positions mean nothing any more. */
  forgetTopic(topic: TopicId): readonly CoordinatorRecord[] {
    return Array.from(this.#groups.values(), ({ positions }) => positions.removeRecords(topic)).flat()
  }

  /** The engine takes over the work of a group (broker.ts): no sessions, the last one that joined may commit. */
  takeOver(name: string, answer: Answer<Membership>, step: Step): void {
    const group = this.#of(name)
    if (group.members.size > 0) {
      step.refuse(answer, inconsistentProtocol(name, group.protocolType, TAKEOVER))
      return
    }
    const member = this.#uuid()
    group.active = true
    step.write(ownerRecord(group, member))
    step.answer(answer, { group: name, member, generation: group.generation + 1 })
  }

  /** The generation of the engine's group if it is the caller's, which shows itself by asking; else why not. */
  owns({ group: name, member, generation }: Membership): boolean {
    const group = this.#groups.get(name)
    if (group === undefined || !group.isTakeover) return false
    if (group.leader !== member || group.generation !== generation) return false
    group.active = true
    return true
  }

  generation(name: string): number {
    return this.#groups.get(name)?.generation ?? 0
  }

  /** Does what is due. */
  tick(step: Step): void {
    const now = step.now.steady
    this.#nextDeadline = Number.POSITIVE_INFINITY
    for (const group of [...this.#groups.values()]) {
      if (group.nextDeadline <= now) expire(group, step)
      if (this.#forgottenAt(group) <= now) step.write(...removeRecords(group))
      else this.#keep(group)
    }
  }

  /** Time in which this process did not run ends no session: it was held up for `ms` until now. */
  postpone(ms: number, now: Moment): void {
    for (const group of this.#groups.values()) group.postpone(ms, now.steady)
  }

  /** An engine that stopped gives its group back, and its membership ends. */
  #release(group: Group, request: LeaveGroup, step: Step): (MillraceError | undefined)[] {
    return request.members.map(({ member }) => {
      if (member !== group.leader) return unknownMember(group.name, member)
      group.active = false
      step.write(ownerRecord(group, ''))
      return undefined
    })
  }

  #of(name: string): Group {
    let group = this.#groups.get(name)
    if (group === undefined) {
      group = new Group(name)
      group.idleSince = this.#now
      this.#groups.set(name, group)
    }
    return group
  }

  /** A group that only a refused request named is not there. */
  #keep(group: Group): void {
    if (group.isGone) this.#groups.delete(group.name)
    else this.#expect(group)
  }

  #expect(group: Group): void {
    this.#nextDeadline = Math.min(this.#nextDeadline, group.nextDeadline, this.#forgottenAt(group))
  }

  /** Positions of the engine's groups stay: its state would be worth nothing without them. */
  #forgottenAt(group: Group): number {
    const stays = group.isTakeover || group.state !== 'Empty' || group.reserved.size > 0
    return stays || group.positions.hasPending
      ? Number.POSITIVE_INFINITY
      : group.idleSince + this.#retentionMs
  }
}

function ownerRecord(group: Group, member: string): CoordinatorRecord {
  const generation = group.generation + 1
  return groupRecord(group.name, {
    protocolType: TAKEOVER,
    generation,
    protocol: '',
    leader: member,
    members: [],
  })
}

function removeRecords(group: Group): CoordinatorRecord[] {
  const records = group.positions.removeRecords()
  if (group.storedText !== undefined) records.push(groupRecord(group.name, undefined))
  return records
}
