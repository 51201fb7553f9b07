/**
 * The positions topic of the first versions, `__positions`: read once, then the groups topic has all of it. Key: the
 * group's name. Value: JSON
 *
 *   { "version": 1, "generation": n, "member": "...", "positions": [[topic, partition, offset, epoch, metadata], ...],
 *     "whole": true }
 *
 * `positions` holds what changed; with `whole` all that the group has, and what came before it does not matter.
 */
import { MillraceError, messageOf } from '../../base/errors.ts'
import type { Log, LogPartition } from '../../log/log.ts'
import type { CoordinatorRecord } from '../coordinators/coordinator.ts'
import { TAKEOVER } from '../coordinators/groups/group.ts'
import { groupRecord, positionRecord } from '../coordinators/groups/group-record.ts'
import type { GroupPosition } from '../groups.ts'
import { eachRecord } from './coordinator-topic.ts'

const TOPIC = '__positions'
const VERSION = 1

interface LegacyGroup {
  generation: number
  member: string
  readonly positions: Map<string, GroupPosition>
}

interface StoredValue {
  readonly version: number
  readonly generation: number
  readonly member: string
  readonly positions: readonly (readonly [string, number, number, number, string])[]
  readonly whole?: boolean
}

/** The old topic while it still holds something. */
export function legacyPositions(log: Log): LogPartition | undefined {
  const partition = log.topic(TOPIC)?.partitions[0]
  return partition === undefined || partition.start === partition.end ? undefined : partition
}

/**
 * The same state as records of the groups topic.
 * @throws MillraceError MILLRACE_CORRUPT, MILLRACE_NEWER_FORMAT.
 */
export function legacyRecords(partition: LogPartition): readonly CoordinatorRecord[] {
  const groups = new Map<string, LegacyGroup>()
  eachRecord(partition, (record, { offset, timestamp }) => {
    const value = readValue(record.value ?? '', `${TOPIC}-0@${offset}`)
    let group = groups.get(record.key)
    if (group === undefined) {
      group = { generation: 0, member: '', positions: new Map() }
      groups.set(record.key, group)
    }
    // A commit's answer could come after a later join was taken: the generation never goes back.
    if (value.generation >= group.generation) {
      group.generation = value.generation
      group.member = value.member
    }
    if (value.whole === true) group.positions.clear()
    for (const [topic, index, offset, leaderEpoch, metadata] of value.positions) {
      const position = { topic, partition: index, offset, leaderEpoch, metadata, committedAt: timestamp }
      group.positions.set(`${topic}/${index}`, position)
    }
  })
  return Array.from(groups, ([name, { generation, member, positions }]) => [
    groupRecord(name, { protocolType: TAKEOVER, generation, protocol: '', leader: member, members: [] }),
    ...Array.from(positions.values(), (position) => positionRecord({ group: name, ...position }, position)),
  ]).flat()
}

function readValue(text: string, place: string): StoredValue {
  let value: StoredValue
  try {
    value = JSON.parse(text) as StoredValue
  } catch (error) {
    throw new MillraceError('MILLRACE_CORRUPT', `${place} is no record of positions: ${messageOf(error)}`, {
      cause: error,
    })
  }
  if (value.version === VERSION) return value
  throw new MillraceError(
    'MILLRACE_NEWER_FORMAT',
    `${place} has format ${value.version}, expected ${VERSION}: use the version of millrace that wrote it`,
  )
}
