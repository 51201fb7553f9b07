/** What a member of a group may do, and how it goes. */
import type { MillraceError } from '../../../base/errors.ts'
import type { Answer } from '../../broker.ts'
import type { GroupMember, LeaveGroup, SyncedGroup, SyncGroup } from '../../groups.ts'
import type { Group } from './group.ts'
import { fencedInstance, illegalGeneration, rebalancing, unknownMember } from './group-error.ts'
import type { Member } from './member.ts'
import { completeSync, dismiss, maybeEndJoins, rebalanceWithout } from './rebalance.ts'
import type { Step } from './step.ts'

/** The member that speaks, if it is one of the present generation. */
export function speaker(group: Group | undefined, request: GroupMember): Member | MillraceError {
  const { member: id, instance, generation } = request
  if (group === undefined) return unknownMember(request.group, id)
  const holder = instance === null ? undefined : group.instances.get(instance)
  if (instance !== null && holder !== undefined && holder !== id) return fencedInstance(group.name, instance)
  const member = group.members.get(id)
  if (member === undefined) return unknownMember(group.name, id)
  if (generation !== group.generation) return illegalGeneration(group.name, generation, group.generation)
  return member
}

export function sync(group: Group, request: SyncGroup, answer: Answer<SyncedGroup>, step: Step): void {
  const member = speaker(group, request)
  if (member instanceof Error) {
    step.refuse(answer, member)
    return
  }
  if (group.state === 'Stable') {
    member.renew(step.now.steady)
    group.unsynced.delete(member.id)
    step.answer(answer, { protocol: group.protocol, assignment: member.assignment })
    return
  }
  if (group.state !== 'CompletingRebalance') {
    step.refuse(answer, rebalancing(group.name))
    return
  }
  if (member.sync !== undefined) step.refuse(member.sync, rebalancing(group.name))
  member.sync = answer
  if (member.id === group.leader) completeSync(group, request.assignments, step)
}

export function heartbeat(
  group: Group | undefined,
  request: GroupMember,
  answer: Answer<void>,
  step: Step,
): void {
  const member = speaker(group, request)
  if (member instanceof Error) {
    step.refuse(answer, member)
    return
  }
  member.renew(step.now.steady)
  if (group?.state === 'PreparingRebalance') step.refuse(answer, rebalancing(group.name))
  else step.answer(answer, undefined)
}

/** Members that go by themselves: the others need not wait for the end of their sessions. */
export function leave(
  group: Group | undefined,
  request: LeaveGroup,
  step: Step,
): (MillraceError | undefined)[] {
  let left = false
  const outcomes = request.members.map(({ member: id, instance }) => {
    if (group === undefined) return unknownMember(request.group, id)
    if (instance === null && group.reserved.delete(id)) {
      maybeEndJoins(group, step)
      return undefined
    }
    const holder = instance === null ? id : group.instances.get(instance)
    const member = group.members.get(holder ?? '')
    if (member === undefined) return unknownMember(group.name, instance ?? id)
    // A static member may leave by its instance id alone: an operator removes it so.
    if (id !== '' && id !== member.id) return fencedInstance(group.name, instance ?? '')
    dismiss(group, member, step)
    left = true
    return undefined
  })
  if (left && group !== undefined) rebalanceWithout(group, step)
  return outcomes
}
