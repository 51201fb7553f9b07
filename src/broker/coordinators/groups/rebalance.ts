/**
 * The phases of a rebalance, as Kafka has them:
 *
 *   Stable or CompletingRebalance --(a member joins, changes or goes)--> PreparingRebalance: members join again
 *   PreparingRebalance --(all joined, or the deadline)--> next generation, CompletingRebalance: members wait in sync
 *   CompletingRebalance --(the leader's assignments)--> Stable
 *   PreparingRebalance --(nobody is left)--> Empty
 *
 * Only the last two write a record: a generation that never got assignments leaves no trace.
 */
import type { Answer } from '../../broker.ts'
import type { JoinedGroup, MemberAssignment } from '../../groups.ts'
import type { Group } from './group.ts'
import { fencedInstance, rebalancing, unknownMember } from './group-error.ts'
import { groupRecord } from './group-record.ts'
import { type Member, NO_BYTES } from './member.ts'
import type { Step } from './step.ts'

const GENERATION_MAX = 0x7fff_ffff

/** Asks all members to join again. */
export function prepareRebalance(group: Group, step: Step): void {
  for (const member of group.members.values()) answerSync(group, member, step)
  group.unsynced.clear()
  group.state = 'PreparingRebalance'
  group.phaseDeadline = step.now.steady + group.rebalanceTimeoutMs
  maybeEndJoins(group, step)
}

/** Ends the join phase if nobody is missing. */
export function maybeEndJoins(group: Group, step: Step): void {
  if (group.state === 'PreparingRebalance' && group.allJoined) endJoins(group, step)
}

/** The join phase is over: whoever did not come is no member any more, but for static members, who may come back. */
export function endJoins(group: Group, step: Step): void {
  for (const member of [...group.members.values()]) {
    if (member.join === undefined && member.instance === null) group.remove(member)
  }
  if (group.members.size > 0 && !electJoined(group)) {
    // Only static members are left, and none of them came: their sessions decide.
    group.phaseDeadline = step.now.steady + group.rebalanceTimeoutMs
    return
  }
  group.generation = group.generation === GENERATION_MAX ? 1 : group.generation + 1
  group.phaseDeadline = Number.POSITIVE_INFINITY
  if (group.members.size === 0) {
    group.protocol = ''
    group.state = 'Empty'
    group.idleSince = step.now.steady
    step.write(groupRecord(group.name, group.toStored()))
    return
  }
  group.protocol = group.vote()
  group.state = 'CompletingRebalance'
  group.phaseDeadline = step.now.steady + group.rebalanceTimeoutMs
  for (const member of group.members.values()) {
    group.unsynced.add(member.id)
    member.renew(step.now.steady)
    const { join } = member
    member.join = undefined
    if (join !== undefined) answerJoined(group, member, join, step)
  }
}

/** The leader must be one that is here. */
function electJoined(group: Group): boolean {
  if (group.members.get(group.leader)?.join !== undefined) return true
  for (const member of group.members.values()) {
    if (member.join === undefined) continue
    group.leader = member.id
    return true
  }
  return false
}

/** Tells a member the present generation; the leader gets all members. */
export function answerJoined(
  group: Group,
  member: Member,
  answer: Answer<JoinedGroup>,
  step: Step,
  skipAssignment = false,
): void {
  const { generation, protocol, leader } = group
  const members = []
  if (member.id === leader) {
    for (const one of group.members.values()) {
      members.push({ member: one.id, instance: one.instance, metadata: one.metadataFor(protocol) })
    }
  }
  step.answer(answer, { member: member.id, generation, protocol, leader, members, skipAssignment })
}

/** The leader's assignments are there: everybody gets his. */
export function completeSync(group: Group, assignments: readonly MemberAssignment[], step: Step): void {
  const given = new Map(assignments.map(({ member, assignment }) => [member, assignment]))
  const all = new Map([...group.members.keys()].map((id) => [id, given.get(id) ?? NO_BYTES]))
  step.write(groupRecord(group.name, group.toStored(all)))
  group.state = 'Stable'
  for (const member of group.members.values()) {
    member.assignment = all.get(member.id) ?? NO_BYTES
    const { sync } = member
    member.sync = undefined
    if (sync === undefined) continue
    member.renew(step.now.steady)
    group.unsynced.delete(member.id)
    step.answer(sync, { protocol: group.protocol, assignment: member.assignment })
  }
}

/** Removes a member that left, expired or was replaced, and whatever waits in its name. */
export function dismiss(group: Group, member: Member, step: Step): void {
  const gone = unknownMember(group.name, member.id)
  const { join, sync } = member
  member.join = undefined
  member.sync = undefined
  group.remove(member)
  if (join !== undefined) step.refuse(join, gone)
  if (sync !== undefined) step.refuse(sync, gone)
}

/** The others' work changes when a member has gone. */
export function rebalanceWithout(group: Group, step: Step): void {
  if (group.state === 'PreparingRebalance') maybeEndJoins(group, step)
  else if (group.state !== 'Empty') prepareRebalance(group, step)
}

/** Another process has the instance id now. */
export function fence(group: Group, member: Member, step: Step): void {
  const fenced = fencedInstance(group.name, member.instance ?? '')
  const { join, sync } = member
  member.join = undefined
  member.sync = undefined
  if (join !== undefined) step.refuse(join, fenced)
  if (sync !== undefined) step.refuse(sync, fenced)
}

/** Whoever waits in sync has to join again. */
function answerSync(group: Group, member: Member, step: Step): void {
  const { sync } = member
  member.sync = undefined
  if (sync === undefined) return
  member.renew(step.now.steady)
  step.refuse(sync, rebalancing(group.name))
}

/** What time alone changes in a group. */
export function expire(group: Group, step: Step): void {
  const now = step.now.steady
  let lost = false
  for (const [member, deadline] of group.reserved) {
    if (deadline > now) continue
    group.reserved.delete(member)
    maybeEndJoins(group, step)
  }
  for (const member of [...group.members.values()]) {
    if (!member.isExpired(now)) continue
    dismiss(group, member, step)
    lost = true
  }
  if (lost) rebalanceWithout(group, step)
  if (group.phaseDeadline > now) return
  if (group.state === 'PreparingRebalance') {
    endJoins(group, step)
    return
  }
  // Sync phase: whoever got the generation but never asked for its work holds up nobody any longer.
  group.phaseDeadline = Number.POSITIVE_INFINITY
  const late = [...group.unsynced].filter((id) => group.members.get(id)?.sync === undefined)
  for (const id of late) {
    const member = group.members.get(id)
    if (member !== undefined) dismiss(group, member, step)
  }
  if (late.length > 0) prepareRebalance(group, step)
}
