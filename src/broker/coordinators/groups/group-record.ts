/**
 * The records of the groups topic. Keys and values are JSON texts:
 *
 *   ["group", name]                                    generation, protocol and members with their assignments
 *   ["position", name, topic, partition]               a committed position
 *   ["pending", producer id, name, topic, partition]   a position that counts when the producer's transaction commits
 *
 * A value says its version. A null value removes the key.
 */
import type { PartitionId, ProducerId, TopicId } from '../../../base/brands.ts'
import { MillraceError, messageOf } from '../../../base/errors.ts'
import type { GroupPosition } from '../../groups.ts'
import type { CoordinatorRecord } from '../coordinator.ts'

const VERSION = 1

export interface StoredMember {
  readonly member: string
  readonly instance: string | null
  readonly client: string
  readonly host: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  /** For the group's protocol. */
  readonly metadata: Uint8Array
  readonly assignment: Uint8Array
}

export interface StoredGroup {
  readonly protocolType: string
  readonly generation: number
  readonly protocol: string
  /** Of a group of the engine: the only member that may commit. */
  readonly leader: string
  readonly members: readonly StoredMember[]
}

export type GroupRecord =
  | { readonly kind: 'group'; readonly group: string; readonly value: StoredGroup | undefined }
  | (PositionKey & { readonly kind: 'position'; readonly value: GroupPosition | undefined })
  | (PositionKey & {
      readonly kind: 'pending'
      readonly producerId: ProducerId
      readonly value: GroupPosition | undefined
    })

export interface PositionKey {
  readonly group: string
  readonly topic: TopicId
  readonly partition: PartitionId
}

export function groupRecord(group: string, stored: StoredGroup | undefined): CoordinatorRecord {
  const key = JSON.stringify(['group', group])
  if (stored === undefined) return { key, value: null }
  const members = stored.members.map((member) => ({
    ...member,
    metadata: base64(member.metadata),
    assignment: base64(member.assignment),
  }))
  return { key, value: JSON.stringify({ version: VERSION, ...stored, members }) }
}

/** Of the record that most are: what its texts say, so that its writer need not read them again. */
interface DecodedRecord extends CoordinatorRecord {
  readonly decoded: GroupRecord
}

export function positionRecord(at: PositionKey, position: GroupPosition | undefined): CoordinatorRecord {
  const { group, topic, partition } = at
  const decoded: GroupRecord = { kind: 'position', group, topic, partition, value: position }
  const key = JSON.stringify(['position', group, topic, partition])
  const record: DecodedRecord = { key, value: positionText(position), decoded }
  return record
}

export function pendingRecord(
  producerId: ProducerId,
  at: PositionKey,
  position: GroupPosition | undefined,
): CoordinatorRecord {
  return {
    key: JSON.stringify(['pending', producerId, at.group, at.topic, at.partition]),
    value: positionText(position),
  }
}

/** @throws MillraceError MILLRACE_CORRUPT, MILLRACE_NEWER_FORMAT. */
export function readGroupRecord(record: CoordinatorRecord): GroupRecord {
  if ('decoded' in record) return (record as DecodedRecord).decoded
  const key = parsed(record, record.key)
  if (!Array.isArray(key)) throw corrupt(record, 'its key is no list')
  const value = record.value === null ? undefined : stored(record, record.value)
  const [kind, first, ...rest] = key
  if (kind === 'group') return { kind, group: first, value: value && readGroup(record, value) }
  const [group, topic, partition] = kind === 'pending' ? rest : [first, ...rest]
  const position = value && readPosition(record, topic, partition, value)
  if (kind === 'position') return { kind, group, topic, partition, value: position }
  if (kind === 'pending') return { kind, producerId: first, group, topic, partition, value: position }
  throw corrupt(record, `nothing is known of ${JSON.stringify(kind)}`)
}

interface StoredTexts extends Omit<StoredGroup, 'members'> {
  readonly members: readonly (Omit<StoredMember, 'metadata' | 'assignment'> & {
    readonly metadata: string
    readonly assignment: string
  })[]
}

function readGroup(record: CoordinatorRecord, value: object): StoredGroup {
  const { protocolType, generation, protocol, leader, members } = value as StoredTexts
  if (!Number.isSafeInteger(generation) || !Array.isArray(members)) throw corrupt(record, 'parts are missing')
  return {
    protocolType,
    generation,
    protocol,
    leader,
    members: members.map((member) => ({
      ...member,
      metadata: Buffer.from(member.metadata, 'base64'),
      assignment: Buffer.from(member.assignment, 'base64'),
    })),
  }
}

function positionText(position: GroupPosition | undefined): string | null {
  if (position === undefined) return null
  const { offset, leaderEpoch, metadata, committedAt } = position
  return JSON.stringify({ version: VERSION, offset, leaderEpoch, metadata, committedAt })
}

function readPosition(
  record: CoordinatorRecord,
  topic: TopicId,
  partition: PartitionId,
  value: object,
): GroupPosition {
  const { offset, leaderEpoch, metadata, committedAt } = value as GroupPosition
  if (!Number.isSafeInteger(offset)) throw corrupt(record, 'the offset is missing')
  return { topic, partition, offset, leaderEpoch, metadata, committedAt }
}

function stored(record: CoordinatorRecord, text: string): object {
  const value = parsed(record, text) as { readonly version?: unknown }
  if (value.version === VERSION) return value
  throw new MillraceError(
    'MILLRACE_NEWER_FORMAT',
    `the record ${record.key} has format ${String(value.version)}, expected ${VERSION}: use the version of millrace that wrote it`,
  )
}

function parsed(record: CoordinatorRecord, text: string): object {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw corrupt(record, messageOf(error), error)
  }
  if (typeof value !== 'object' || value === null) throw corrupt(record, `it holds ${text}`)
  return value
}

function corrupt(record: CoordinatorRecord, why: string, cause?: unknown): MillraceError {
  return new MillraceError('MILLRACE_CORRUPT', `${record.key} is no record of a group: ${why}`, { cause })
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
