import type { Offset, PartitionId, Timestamp, TopicId } from '../../src/base/brands.ts'
import { ModelGroup } from './model-group.ts'
import { type ModelTopic, modelTopic } from './model-topic.ts'
import { placeOf } from './place.ts'
import type { Outcome, SentRecord } from './sent-record.ts'
import type { SentTransaction } from './sent-transaction.ts'

export interface NewRecord {
  readonly writer: string
  readonly topic: TopicId
  readonly partition: PartitionId | undefined
  readonly key: string | null
  readonly tombstone: boolean
  readonly bytes: number
  readonly timestamp: Timestamp
  readonly transaction?: SentTransaction
  readonly copyOf?: string
}

/** A member of a group owns partitions in a generation. */
export interface Ownership {
  readonly group: string
  readonly generation: number
  readonly member: string
  readonly partitions: readonly string[]
}

/**
 * What the users of a log know: what they asked for, what was acknowledged, and of what nobody told them the outcome.
 * It survives power cuts, as they do.
 */
export class Model {
  readonly records = new Map<number, SentRecord>()
  readonly transactions: SentTransaction[] = []
  readonly topics = new Map<TopicId, ModelTopic>()
  readonly groups = new Map<string, ModelGroup>()
  /** By place, in the order in which they were acknowledged. */
  readonly acknowledged = new Map<string, SentRecord[]>()
  /** Two acknowledgements of one record that do not agree, and the like: found where it happens. */
  readonly contradictions: string[] = []
  #nextId = 1

  send(wanted: NewRecord): SentRecord {
    const { transaction, copyOf, ...rest } = wanted
    const sent: SentRecord = {
      ...rest,
      id: this.#nextId,
      transaction,
      copyOf,
      outcome: 'waiting',
      offset: undefined,
    }
    this.#nextId += 1
    this.records.set(sent.id, sent)
    transaction?.records.push(sent)
    return sent
  }

  /** An acknowledgement may come again for a batch that is sent again: it must name the same place. */
  acknowledge(sent: SentRecord, partition: PartitionId, offset: Offset): void {
    if (sent.outcome === 'acknowledged') {
      if (sent.offset === offset && sent.partition === partition) return
      const problem = `record ${sent.id} was acknowledged at ${sent.partition}@${sent.offset} and again at ${partition}@${offset}`
      this.contradictions.push(problem)
      return
    }
    sent.outcome = 'acknowledged'
    sent.partition = partition
    sent.offset = offset
    const place = placeOf(sent.topic, partition)
    const list = this.acknowledged.get(place) ?? []
    list.push(sent)
    this.acknowledged.set(place, list)
  }

  /** What was acknowledged from the offset on is gone, by right. @returns it. */
  lose(place: string, from: Offset): SentRecord[] {
    const all = this.acknowledged.get(place) ?? []
    const lost = all.filter(({ offset }) => (offset ?? -1) >= from)
    for (const sent of lost) sent.outcome = 'lost'
    if (lost.length > 0)
      this.acknowledged.set(
        place,
        all.filter(({ outcome }) => outcome !== 'lost'),
      )
    return lost
  }

  /** What is known stays known: a second try that is refused does not say that the first one was. */
  settle(sent: SentRecord, outcome: Exclude<Outcome, 'acknowledged' | 'lost'>): void {
    if (sent.outcome === 'waiting') sent.outcome = outcome
  }

  beginTransaction(writer: string): SentTransaction {
    const transaction: SentTransaction = {
      id: this.transactions.length + 1,
      writer,
      records: [],
      positions: [],
      wanted: 'nothing',
      ended: 'open',
    }
    this.transactions.push(transaction)
    return transaction
  }

  topic(id: TopicId, name: string, partitions: number): ModelTopic {
    const known = this.topics.get(id) ?? modelTopic(id, name, partitions)
    this.topics.set(id, known)
    return known
  }

  group(name: string): ModelGroup {
    const known = this.groups.get(name) ?? new ModelGroup(name)
    this.groups.set(name, known)
    return known
  }
}
