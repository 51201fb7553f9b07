import type { TopicId } from '../base/brands.ts'
import { uuidBytes } from './group-entry.ts'
import type { LogTopic } from './log.ts'
import { partitionFolder } from './log-paths.ts'
import { Partition, type PartitionHost } from './partition.ts'
import { newPartitionRecords, type PartitionRecord, type TopicRecord } from './shape-entries.ts'
import type { CompleteSettings } from './topic-settings.ts'

/** What a change of a topic leaves. */
export interface TopicShape {
  readonly settings: CompleteSettings
  readonly partitions: readonly Partition[]
}

/**
 * A topic with its partitions as the log sees them. A change of it is journaled first: from then on a checkpoint holds
 * it (`written`), and when it is durable users see it.
 */
export class Topic implements LogTopic {
  readonly id: TopicId
  readonly name: string
  settings: CompleteSettings
  partitions: readonly Partition[]
  readonly idBytes: Uint8Array
  readonly #host: PartitionHost
  readonly #log: string
  #written: TopicShape

  constructor(host: PartitionHost, log: string, record: TopicRecord) {
    this.#host = host
    this.#log = log
    this.id = record.id
    this.name = record.name
    this.settings = record.settings
    this.idBytes = uuidBytes(record.id)
    this.partitions = record.partitions.map((partition, index) => this.#partition(index, partition))
    this.#written = { settings: this.settings, partitions: this.partitions }
  }

  /** The topic with other settings; partitions that are added are empty and their folders not made yet. */
  changed(settings: CompleteSettings): TopicShape {
    const { partitions } = this.#written
    const added = newPartitionRecords(settings.partitions - partitions.length).map((record, index) =>
      this.#partition(partitions.length + index, record),
    )
    return { settings, partitions: [...partitions, ...added] }
  }

  /** The change is in the journal. */
  write(shape: TopicShape): void {
    this.#written = shape
  }

  /** The change is durable. */
  publish(): void {
    this.settings = this.#written.settings
    this.partitions = this.#written.partitions
  }

  record(): TopicRecord {
    const { id, name } = this
    const { settings, partitions } = this.#written
    return { id, name, settings, partitions: partitions.map((partition) => partition.record()) }
  }

  #partition(index: number, record: PartitionRecord): Partition {
    return new Partition(this.#host, this, index, partitionFolder(this.#log, this.id, index), record)
  }
}
