/**
 * A record of the positions topic. Key: the group's name as UTF-8. Value: JSON
 *
 *   { "version": 1, "generation": n, "member": "...", "positions": [[topic, partition, offset, epoch, metadata], ...],
 *     "whole": true }
 *
 * `positions` holds what changed; with `whole` all that the group has, and what came before it does not matter.
 */

import type { Timestamp } from '../../base/brands.ts'
import { MillraceError, messageOf } from '../../base/errors.ts'
import type { BatchBuilder } from '../../record/batch-builder.ts'
import type { BatchReader } from '../../record/batch-reader.ts'
import type { CommittedPosition } from '../broker.ts'

const VERSION = 1

export interface PositionRecord {
  readonly group: string
  readonly generation: number
  readonly member: string
  readonly positions: readonly CommittedPosition[]
  readonly whole: boolean
}

export function appendPositionRecord(
  builder: BatchBuilder,
  timestamp: Timestamp,
  record: PositionRecord,
): void {
  const { generation, member, whole } = record
  const positions = record.positions.map(({ topic, partition, offset, leaderEpoch, metadata }) => [
    topic,
    partition,
    offset,
    leaderEpoch,
    metadata,
  ])
  const value = { version: VERSION, generation, member, positions, ...(whole ? { whole } : {}) }
  builder.appendText(timestamp, record.group, JSON.stringify(value))
}

/**
 * The record under the reader's cursor.
 * @param place for messages: topic-partition@offset
 * @throws MillraceError MILLRACE_CORRUPT, MILLRACE_NEWER_FORMAT.
 */
export function readPositionRecord(reader: BatchReader, place: string): PositionRecord {
  const group = reader.text(reader.keyStart, reader.keyEnd)
  const text = reader.text(reader.valueStart, reader.valueEnd)
  let value: StoredValue
  try {
    value = JSON.parse(text) as StoredValue
  } catch (error) {
    throw new MillraceError('MILLRACE_CORRUPT', `${place} is no record of positions: ${messageOf(error)}`, {
      cause: error,
    })
  }
  if (value.version !== VERSION) {
    throw new MillraceError(
      'MILLRACE_NEWER_FORMAT',
      `${place} has format ${value.version}, expected ${VERSION}: use the version of millrace that wrote it`,
    )
  }
  const positions = value.positions.map(([topic, partition, offset, leaderEpoch, metadata]) => ({
    topic,
    partition,
    offset,
    leaderEpoch,
    metadata,
  }))
  return { group, generation: value.generation, member: value.member, positions, whole: value.whole === true }
}

interface StoredValue {
  readonly version: number
  readonly generation: number
  readonly member: string
  readonly positions: readonly (readonly [string, number, number, number, string])[]
  readonly whole?: boolean
}
