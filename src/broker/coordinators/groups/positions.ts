import type { PartitionId, ProducerId, TopicId } from '../../../base/brands.ts'
import type { GroupPosition, GroupPositions } from '../../groups.ts'
import type { CoordinatorRecord } from '../coordinator.ts'
import { type PositionKey, pendingRecord, positionRecord } from './group-record.ts'

/**
 * The positions of one group: committed ones, and by producer those of transactions that have not ended. What counts is
 * the order in which positions were sent, not that in which their transactions ended: a commit drops what was pending
 * for its partition before it, so that an end which comes late never turns a position back.
 */
export class Positions {
  readonly #group: string
  readonly #committed = new Map<string, GroupPosition>()
  readonly #pending = new Map<ProducerId, Map<string, Pending>>()
  /** Of the next pending position: which of two is the later one. */
  #order = 0

  constructor(group: string) {
    this.#group = group
  }

  get isEmpty(): boolean {
    return this.#committed.size + this.#pending.size === 0
  }

  get hasPending(): boolean {
    return this.#pending.size > 0
  }

  get(topic: TopicId, partition: PartitionId): GroupPosition | undefined {
    return this.#committed.get(keyOf(topic, partition))
  }

  committed(): readonly GroupPosition[] {
    return [...this.#committed.values()]
  }

  all(): GroupPositions {
    const pending = new Map<string, { topic: TopicId; partition: PartitionId }>()
    for (const positions of this.#pending.values()) {
      for (const [key, { position }] of positions) {
        pending.set(key, { topic: position.topic, partition: position.partition })
      }
    }
    return { positions: this.committed(), pending: [...pending.values()] }
  }

  set(topic: TopicId, partition: PartitionId, position: GroupPosition | undefined): void {
    const key = keyOf(topic, partition)
    if (position === undefined) this.#committed.delete(key)
    else this.#committed.set(key, position)
  }

  setPending(
    producerId: ProducerId,
    topic: TopicId,
    partition: PartitionId,
    position: GroupPosition | undefined,
  ): void {
    const key = keyOf(topic, partition)
    let positions = this.#pending.get(producerId)
    if (position === undefined) {
      positions?.delete(key)
      if (positions?.size === 0) this.#pending.delete(producerId)
      return
    }
    if (positions === undefined) {
      positions = new Map()
      this.#pending.set(producerId, positions)
    }
    positions.set(key, { position, order: this.#order })
    this.#order += 1
  }

  /** Records of a plain commit: a position, and the end of what transactions had meant for its partition. */
  commitRecords(position: GroupPosition): CoordinatorRecord[] {
    const { topic, partition } = position
    const record = positionRecord({ group: this.#group, topic, partition }, position)
    return [record, ...this.#overtaken(position, this.#order)]
  }

  /** Records of the end of a producer's transaction. */
  endRecords(producerId: ProducerId, committed: boolean): CoordinatorRecord[] {
    const records: CoordinatorRecord[] = []
    for (const { position, order } of this.#pending.get(producerId)?.values() ?? []) {
      const at = this.#at(position)
      records.push(pendingRecord(producerId, at, undefined))
      if (committed) records.push(positionRecord(at, position), ...this.#overtaken(position, order))
    }
    return records
  }

  /** Records that leave nothing; of `topic` if it is given. */
  removeRecords(topic?: TopicId): CoordinatorRecord[] {
    const records: CoordinatorRecord[] = []
    const goes = (position: GroupPosition) => topic === undefined || position.topic === topic
    for (const position of this.#committed.values()) {
      if (goes(position)) records.push(positionRecord(this.#at(position), undefined))
    }
    for (const { producerId, position } of this.#inOrder()) {
      if (goes(position)) records.push(pendingRecord(producerId, this.#at(position), undefined))
    }
    return records
  }

  *snapshot(): Generator<CoordinatorRecord> {
    for (const position of this.#committed.values()) yield positionRecord(this.#at(position), position)
    for (const { producerId, position } of this.#inOrder()) {
      yield pendingRecord(producerId, this.#at(position), position)
    }
  }

  /** What was pending for the partition before `order` will not count any more. */
  #overtaken({ topic, partition }: GroupPosition, order: number): CoordinatorRecord[] {
    const records: CoordinatorRecord[] = []
    for (const [producerId, positions] of this.#pending) {
      const pending = positions.get(keyOf(topic, partition))
      if (pending === undefined || pending.order >= order) continue
      records.push(pendingRecord(producerId, this.#at(pending.position), undefined))
    }
    return records
  }

  /** All that is pending, the oldest first: a reader of the records must see the same order. */
  #inOrder(): readonly (Pending & { readonly producerId: ProducerId })[] {
    const all: (Pending & { readonly producerId: ProducerId })[] = []
    for (const [producerId, positions] of this.#pending) {
      for (const pending of positions.values()) all.push({ ...pending, producerId })
    }
    return all.sort((a, b) => a.order - b.order)
  }

  #at({ topic, partition }: GroupPosition): PositionKey {
    return { group: this.#group, topic, partition }
  }
}

interface Pending {
  readonly position: GroupPosition
  readonly order: number
}

function keyOf(topic: TopicId, partition: PartitionId): string {
  return `${topic}/${partition}`
}
