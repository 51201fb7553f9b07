/** Who may commit positions, and what is written. */
import { MillraceError } from '../../../base/errors.ts'
import type { CommitPositions, GroupPosition, NewPosition } from '../../groups.ts'
import type { CoordinatorRecord, Moment } from '../coordinator.ts'
import { type Group, TAKEOVER } from './group.ts'
import { groupActive, illegalGeneration, inconsistentProtocol, rebalancing } from './group-error.ts'
import { speaker } from './membership.ts'

const METADATA_MAX = 4_096

/**
 * Why a commit is refused. By a member: only of the present generation, and not between the phases, when partitions
 * have new owners who do not know it yet. From outside (no member, generation -1): only while the group is empty, so
 * that no tool moves positions under the feet of readers; transactions of old clients come so as well, and may.
 */
export function commitRefusal(
  group: Group,
  request: CommitPositions,
  transactional: boolean,
  now: Moment,
): MillraceError | undefined {
  const fault = positionFault(request.positions)
  if (fault !== undefined) return fault
  const { member: id, generation, instance } = request
  if (group.isTakeover && group.active) return inconsistentProtocol(group.name, TAKEOVER, 'plain commits')
  if (id === '' && generation < 0 && instance === null) {
    if (group.state === 'Empty' || transactional) return undefined
    return groupActive(group.name, group.members.size)
  }
  // A generation of a group that is not there (any more), as after a deletion.
  if (group.isGone) return illegalGeneration(group.name, generation, group.generation)
  const member = speaker(group, request)
  if (member instanceof Error) return member
  if (group.state === 'CompletingRebalance') return rebalancing(group.name)
  member.renew(now.steady)
  return undefined
}

export function positionFault(positions: readonly NewPosition[]): MillraceError | undefined {
  for (const { topic, partition, offset, metadata } of positions) {
    if (!Number.isSafeInteger(offset) || offset < 0) {
      const message = `position ${offset} of partition ${partition} of topic ${topic}: expected an offset from 0 on`
      return new MillraceError('MILLRACE_INVALID_ARGUMENT', message)
    }
    if (metadata.length <= METADATA_MAX) continue
    const message = `the metadata of a position has ${metadata.length} characters, at most ${METADATA_MAX} are allowed`
    return new MillraceError('MILLRACE_INVALID_ARGUMENT', message)
  }
  return undefined
}

export function committedAt(position: NewPosition, now: Moment): GroupPosition {
  const { topic, partition, offset, leaderEpoch, metadata } = position
  return { topic, partition, offset, leaderEpoch, metadata, committedAt: now.wall }
}

export function commitRecords(
  group: Group,
  positions: readonly NewPosition[],
  now: Moment,
): CoordinatorRecord[] {
  return positions.flatMap((position) => group.positions.commitRecords(committedAt(position, now)))
}
