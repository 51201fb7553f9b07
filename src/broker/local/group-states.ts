import type { PartitionId, TopicId } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type { LogPartition } from '../../log/log.ts'
import { batchSizeBytes, verifyBatch } from '../../record/batch-header.ts'
import { BatchReader } from '../../record/batch-reader.ts'
import type { CommittedPosition } from '../broker.ts'
import { type PositionRecord, readPositionRecord } from './position-record.ts'

const READ_BYTES = 1024 * 1024

/** What a group has committed. Replay of the positions topic builds it, and each commit goes the same way. */
export interface GroupState {
  readonly group: string
  generation: number
  /** The member that may commit. */
  member: string
  readonly positions: Map<string, CommittedPosition>
}

export class GroupStates {
  readonly #groups = new Map<string, GroupState>()

  /** @throws MillraceError MILLRACE_CORRUPT, MILLRACE_NEWER_FORMAT. */
  replay(partition: LogPartition): void {
    const reader = new BatchReader()
    const name = `${partition.topic.name}-${partition.index}`
    for (let from = partition.start; from < partition.end; ) {
      const read = partition.read(from, READ_BYTES)
      if (read === undefined) break
      for (let at = 0; at < read.bytes.length; at += batchSizeBytes(read.bytes, at)) {
        const fault = verifyBatch(read.bytes, at, read.bytes.length)
        if (fault !== undefined)
          throw new MillraceError('MILLRACE_CORRUPT', `${name}@${from} is damaged: ${fault}`)
        reader.open(read.bytes, at)
        while (reader.next()) {
          if (reader.offset >= from) this.apply(readPositionRecord(reader, `${name}@${reader.offset}`))
        }
      }
      from = read.next
    }
  }

  apply(record: PositionRecord): void {
    const state = this.of(record.group)
    // A commit's answer may come after a later join was taken: the generation never goes back.
    if (record.generation >= state.generation) {
      state.generation = record.generation
      state.member = record.member
    }
    if (record.whole) state.positions.clear()
    for (const position of record.positions)
      state.positions.set(keyOf(position.topic, position.partition), position)
  }

  of(group: string): GroupState {
    let state = this.#groups.get(group)
    if (state === undefined) {
      state = { group, generation: 0, member: '', positions: new Map() }
      this.#groups.set(group, state)
    }
    return state
  }

  /** All groups as whole records: what a positions topic needs to hold. */
  whole(): readonly PositionRecord[] {
    return Array.from(this.#groups.values(), ({ group, generation, member, positions }) => ({
      group,
      generation,
      member,
      positions: [...positions.values()],
      whole: true,
    }))
  }

  /** Those of the positions that the group has not committed as they are. */
  changed(group: string, positions: readonly CommittedPosition[]): readonly CommittedPosition[] {
    const state = this.of(group)
    return positions.filter((position) => {
      const known = state.positions.get(keyOf(position.topic, position.partition))
      return (
        known === undefined ||
        known.offset !== position.offset ||
        known.metadata !== position.metadata ||
        known.leaderEpoch !== position.leaderEpoch
      )
    })
  }
}

function keyOf(topic: TopicId, partition: PartitionId): string {
  return `${topic}/${partition}`
}
