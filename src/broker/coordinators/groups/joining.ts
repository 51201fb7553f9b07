/**
 * Who may join, and what a join does. A dynamic member is known by the id that it was given; a static one by its
 * instance id: whoever joins with it takes the place of the one before, who is fenced.
 */
import { MillraceError } from '../../../base/errors.ts'
import type { Answer } from '../../broker.ts'
import type { JoinedGroup, JoinGroup } from '../../groups.ts'
import { type Group, TAKEOVER } from './group.ts'
import { fencedInstance, inconsistentProtocol, rebalancing, unknownMember } from './group-error.ts'
import { groupRecord } from './group-record.ts'
import { Member } from './member.ts'
import { answerJoined, fence, maybeEndJoins, prepareRebalance } from './rebalance.ts'
import type { Step } from './step.ts'

const SESSION_TIMEOUT_MAX_MS = 1_800_000

/** Why a request cannot be taken at all. */
export function joinRefusal(group: Group, request: JoinGroup): MillraceError | undefined {
  const { sessionTimeoutMs, rebalanceTimeoutMs, protocolType, protocols } = request
  const inTimes = (ms: number, max: number) => Number.isSafeInteger(ms) && ms > 0 && ms <= max
  if (!inTimes(sessionTimeoutMs, SESSION_TIMEOUT_MAX_MS)) return invalid('sessionTimeoutMs', sessionTimeoutMs)
  if (!inTimes(rebalanceTimeoutMs, 0x7fff_ffff)) return invalid('rebalanceTimeoutMs', rebalanceTimeoutMs)
  if (protocolType === '' || protocolType === TAKEOVER) return invalid('protocolType', protocolType)
  if (protocols.length === 0) return invalid('protocols', 'none')
  if (group.isTakeover && group.active) return inconsistentProtocol(group.name, TAKEOVER, protocolType)
  if (group.members.size === 0) return undefined
  if (group.protocolType !== protocolType)
    return inconsistentProtocol(group.name, group.protocolType, protocolType)
  const common = group.commonProtocols
  if (protocols.some(({ name }) => common.includes(name))) return undefined
  return inconsistentProtocol(group.name, common.join(), protocols.map(({ name }) => name).join())
}

export function newMemberId(request: JoinGroup, uuid: string): string {
  return `${request.instance ?? request.client}-${uuid}`
}

/** @param uuid for a new member's id */
export function join(
  group: Group,
  request: JoinGroup,
  answer: Answer<JoinedGroup>,
  uuid: string,
  step: Step,
): void {
  const refusal = joinRefusal(group, request)
  if (refusal !== undefined) {
    step.refuse(answer, refusal)
    return
  }
  const { member: id, instance } = request
  if (id === '') {
    const held = instance === null ? undefined : group.members.get(group.instances.get(instance) ?? '')
    const newId = newMemberId(request, uuid)
    if (held === undefined) addMember(group, newId, request, answer, step)
    else replaceStatic(group, held, newId, request, answer, step)
    return
  }
  const holder = instance === null ? undefined : group.instances.get(instance)
  if (instance !== null && holder !== undefined && holder !== id) {
    step.refuse(answer, fencedInstance(group.name, instance))
    return
  }
  const member = group.members.get(id)
  if (member !== undefined) rejoin(group, member, request, answer, step)
  else if (group.reserved.delete(id)) addMember(group, id, request, answer, step)
  else step.refuse(answer, unknownMember(group.name, id))
}

function addMember(
  group: Group,
  id: string,
  request: JoinGroup,
  answer: Answer<JoinedGroup>,
  step: Step,
): void {
  if (group.members.size === 0) {
    group.protocolType = request.protocolType
    group.leader = ''
  }
  const member = Member.joining(id, request, step.now.steady)
  member.join = answer
  group.add(member)
  changed(group, step)
}

/** The next generation is needed; if its join phase is on already, the member joins that one. */
function changed(group: Group, step: Step): void {
  if (group.state === 'PreparingRebalance') maybeEndJoins(group, step)
  else prepareRebalance(group, step)
}

function rejoin(
  group: Group,
  member: Member,
  request: JoinGroup,
  answer: Answer<JoinedGroup>,
  step: Step,
): void {
  const same = member.wantsSame(request.protocols)
  member.sessionTimeoutMs = request.sessionTimeoutMs
  member.rebalanceTimeoutMs = request.rebalanceTimeoutMs
  // It may have lost the answer to its join: nothing new, so it is told again. A leader that joins again wants new
  // assignments, since what they depend on (the partitions of a topic) may have changed.
  const lostAnswer = group.state === 'CompletingRebalance' && same
  const follower = group.state === 'Stable' && same && member.id !== group.leader
  if (lostAnswer || follower) {
    member.renew(step.now.steady)
    answerJoined(group, member, answer, step)
    return
  }
  const { join: earlier } = member
  member.protocols = request.protocols
  member.join = answer
  if (earlier !== undefined) step.refuse(earlier, rebalancing(group.name))
  changed(group, step)
}

/**
 * The new process of a static member takes over its assignment. In a stable group nothing else changes, as long as the
 * group would still choose the same protocol: that is what static members are for.
 */
function replaceStatic(
  group: Group,
  old: Member,
  newId: string,
  request: JoinGroup,
  answer: Answer<JoinedGroup>,
  step: Step,
): void {
  const wasLeader = group.leader === old.id
  fence(group, old, step)
  group.remove(old)
  const member = Member.joining(newId, request, step.now.steady)
  member.assignment = old.assignment
  group.add(member)
  if (wasLeader) group.leader = member.id
  if (group.state === 'Stable' && group.vote() === group.protocol) {
    member.renew(step.now.steady)
    step.write(groupRecord(group.name, group.toStored()))
    answerJoined(group, member, answer, step, wasLeader)
    return
  }
  member.join = answer
  changed(group, step)
}

function invalid(what: string, got: unknown): MillraceError {
  return new MillraceError('MILLRACE_INVALID_ARGUMENT', `${what} of a join is ${JSON.stringify(got)}`)
}
