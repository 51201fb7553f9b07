import type { Offset, PartitionId, Timestamp } from '../../base/brands.ts'
import type { TopicDescription } from '../../broker/broker.ts'
import type { FullBroker } from '../../broker/full-broker.ts'
import type { GroupListing } from '../../broker/groups.ts'
import type { TopicSpec } from '../../flow/graph/plan.ts'
import type { EngineHandle } from '../../flow/runtime/engine-port.ts'
import type { Metrics } from '../../observe/metrics.ts'
import type { RecordData, StoredRecord } from '../../record/record.ts'
import type { Sys } from '../../sys/sys.ts'
import type { ViewRegistry } from '../../views/view-registry.ts'

/** What the HTTP server needs of a running app. Whoever runs the app puts it together. */
export interface AppFacade {
  readonly name: string
  readonly sys: Sys
  readonly engine: Pick<EngineHandle, 'state' | 'failure' | 'status'>
  readonly views: ViewRegistry
  readonly metrics: Metrics
  readonly broker: FullBroker
  /** Consumer groups as people see them: with names of topics, and lags. */
  readonly groups: GroupsFacade
  /** How the app reads and writes a topic; undefined for topics that it does not use. */
  topicSpec(name: string): TopicSpec | undefined
  /** Appends a record; resolves when it is as durable as its topic promises. */
  produce(topic: TopicDescription, record: RecordData): Promise<ProducedRecord>
  /** Records of a topic, each partition in its order. */
  read(topic: TopicDescription, options: ReadTopicOptions): AsyncIterable<TopicRecord>
}

export interface GroupsFacade {
  list(): readonly GroupListing[]
  /** Undefined: there is none of that name. */
  describe(group: string): GroupFacade | undefined
}

/** What is shown of a group: JSON as it is. */
export interface GroupFacade {
  readonly positions: readonly { readonly lag: number }[]
}

export interface ProducedRecord {
  readonly partition: PartitionId
  readonly offset: Offset
}

export interface ReadTopicOptions {
  readonly from: 'earliest' | 'latest' | { readonly offset: Offset } | { readonly time: Timestamp }
  readonly partition?: PartitionId
  readonly follow: boolean
  readonly signal: AbortSignal
}

export interface TopicRecord extends StoredRecord {
  readonly partition: PartitionId
}
