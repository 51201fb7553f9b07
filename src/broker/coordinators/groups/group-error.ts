import { MillraceError } from '../../../base/errors.ts'

/* What a member is told, in one place: each says what the member must do next. */

export function unknownMember(group: string, member: string): MillraceError {
  return new MillraceError(
    'MILLRACE_UNKNOWN_MEMBER',
    `group ${group} has no member ${JSON.stringify(member)}: its session ended or it left; join again without a member id`,
  )
}

export function fencedInstance(group: string, instance: string): MillraceError {
  return new MillraceError(
    'MILLRACE_FENCED_INSTANCE',
    `another member of group ${group} joined as instance ${JSON.stringify(instance)} since: two processes use one instance id`,
  )
}

export function illegalGeneration(group: string, got: number, present: number): MillraceError {
  return new MillraceError(
    'MILLRACE_ILLEGAL_GENERATION',
    `generation ${got} of group ${group} is not the present one, ${present}: join again`,
  )
}

export function rebalancing(group: string): MillraceError {
  return new MillraceError(
    'MILLRACE_REBALANCE_IN_PROGRESS',
    `group ${group} is rebalancing: finish, commit and join again`,
  )
}

export function inconsistentProtocol(group: string, expected: string, got: string): MillraceError {
  return new MillraceError(
    'MILLRACE_INCONSISTENT_PROTOCOL',
    `group ${group} has members with ${expected}, the new one has ${got}: choose another group or a common protocol`,
  )
}

export function groupActive(group: string, members: number): MillraceError {
  return new MillraceError(
    'MILLRACE_GROUP_ACTIVE',
    `group ${group} has ${members} ${members === 1 ? 'member' : 'members'}: stop them first`,
  )
}

export function unknownGroup(group: string): MillraceError {
  return new MillraceError('MILLRACE_UNKNOWN_GROUP', `there is no group ${JSON.stringify(group)}`)
}
