import type { DurationMs, PartitionId, Timestamp } from '../../base/brands.ts'
import type { Key } from '../../record/key-codec.ts'
import type { RecordHeader } from '../../record/record.ts'
import type { Serde } from '../../record/serde.ts'
import type { TopicSettings } from '../../record/topic-settings.ts'
import type { Aggregate } from './aggregate.ts'
import type { Sink, Source } from './connector.ts'
import type { WindowSpec } from './window-spec.ts'

/**
 * What a user's program comes down to: frozen nodes with a `kind`, each pointing at its inputs. `streams/` makes
 * them, `flow/` runs them; nothing else is between the two. A node used by two others is one node.
 * Values are `unknown` here: their types live in the builder and are gone when the program runs.
 */
export interface Plan {
  readonly name: string
  readonly leaves: readonly LeafNode[]
}

/** What a user's function sees beside the value. Reused: valid only during the call. */
export interface RecordContext {
  readonly key: Key | null
  readonly value: unknown
  readonly timestamp: Timestamp
  readonly headers: readonly RecordHeader[]
  readonly topic: string
  readonly partition: PartitionId
  readonly offset: number
}

export type RecordFunction<R> = (value: unknown, record: RecordContext) => R

/** How a record that fails in a stage is treated (SEMANTICS 9). */
export type ErrorPolicy =
  | { readonly kind: 'stop' }
  | { readonly kind: 'skip'; readonly reason: string }
  | { readonly kind: 'deadLetter'; readonly topic: string }

export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  /** Undefined: the topic has no key. */
  readonly keySerde: Serde<unknown> | undefined
  readonly valueSerde: Serde<unknown>
  /** What it is made with; what is not said is the log's default. */
  readonly settings: TopicSpecSettings
}

export type TopicSpecSettings = Omit<TopicSettings, 'partitions' | 'internal'>

interface NodeBase {
  /** Policy of the `.onError` that stands behind this step, if any. */
  readonly onError?: ErrorPolicy
}

export interface TopicSourceNode extends NodeBase {
  readonly kind: 'topicSource'
  readonly topic: TopicSpec
  /** Undefined: the record's own timestamp. Answers ms, Date or ISO text; anything else is a bad record. */
  readonly eventTime: RecordFunction<unknown> | undefined
  readonly outOfOrdernessMs: DurationMs
  readonly idleAfterMs: DurationMs | false
  /** How long the others wait for it when it is caught up (SEMANTICS 1.7). Default 0. */
  readonly maxTaskIdleMs?: DurationMs
}

/** A source of the outside (a file). Its position is an input position of the commit. */
export interface ConnectorSourceNode extends NodeBase {
  readonly kind: 'connectorSource'
  readonly source: Source
  readonly eventTime: RecordFunction<unknown> | undefined
  readonly outOfOrdernessMs: DurationMs
}

export interface FilterNode extends NodeBase {
  readonly kind: 'filter'
  readonly input: StreamNode
  readonly predicate: RecordFunction<boolean>
}

export interface MapNode extends NodeBase {
  readonly kind: 'map'
  readonly input: StreamNode
  readonly map: RecordFunction<unknown>
}

export interface FlatMapNode extends NodeBase {
  readonly kind: 'flatMap'
  readonly input: StreamNode
  readonly flatMap: RecordFunction<Iterable<unknown>>
}

export interface TapNode extends NodeBase {
  readonly kind: 'tap'
  readonly input: StreamNode
  readonly tap: RecordFunction<void>
}

/** Records of all inputs; the key type is the same in all of them. */
export interface MergeNode extends NodeBase {
  readonly kind: 'merge'
  readonly inputs: readonly StreamNode[]
}

/** A record goes to the first branch whose predicate holds; `index === predicates.length` is `otherwise`. */
export interface BranchNode extends NodeBase {
  readonly kind: 'branch'
  readonly input: StreamNode
  readonly predicates: readonly RecordFunction<boolean>[]
}

export interface BranchOutputNode extends NodeBase {
  readonly kind: 'branchOutput'
  readonly branch: BranchNode
  readonly index: number
}

/** Cuts a stage: records go to the task that owns their new key. */
export interface KeyByNode extends NodeBase {
  readonly kind: 'keyBy'
  readonly input: StreamNode
  readonly key: RecordFunction<Key | null>
}

/** The latest value of each key (`toTable`). The row is the value itself. */
export interface ToTableNode extends NodeBase {
  readonly kind: 'toTable'
  readonly name: string
  readonly input: StreamNode
}

/** A running aggregate of a keyed stream; its row is `{ key, ...aggregates }`. A table. */
export interface AggregateNode extends NodeBase {
  readonly kind: 'aggregate'
  readonly name: string
  readonly input: StreamNode
  readonly aggregates: Aggregates
}

/** `reduce`: the row is the user's value. A table. */
export interface ReduceNode extends NodeBase {
  readonly kind: 'reduce'
  readonly name: string
  readonly input: StreamNode
  readonly reduce: (left: unknown, right: unknown) => unknown
}

/** An aggregate of a table's rows under another key: a change subtracts the old row, then adds the new one. A table. */
export interface GroupTableNode extends NodeBase {
  readonly kind: 'groupTable'
  readonly name: string
  readonly input: TableNode
  readonly key: (row: unknown) => Key | null
  readonly aggregates: Aggregates
}

/** Windowed aggregate of a keyed stream; rows `{ key, window, ...aggregates }`, shown through an emission node. */
export interface WindowNode extends NodeBase {
  readonly kind: 'window'
  readonly name: string
  readonly input: StreamNode
  readonly window: WindowSpec
  readonly allowedLatenessMs: DurationMs
  readonly aggregates: Aggregates
}

/** The same windows, rows of `input` under another key. */
export interface GroupWindowNode extends NodeBase {
  readonly kind: 'groupWindow'
  readonly name: string
  readonly input: WindowedNode
  readonly key: (row: unknown) => Key | null
  readonly aggregates: Aggregates
}

/** Names of the row's fields to what fills them, in the order the user wrote them. */
export type Aggregates = Readonly<Record<string, Aggregate>>

/** One result a window, when nothing can change it any more. A keyed stream of rows, timestamp `end - 1`. */
export interface FinalNode extends NodeBase {
  readonly kind: 'final'
  readonly window: WindowedNode
}

/** Every change, coalesced per commit. A table keyed `[key, window start]` (a tuple key is one element of it). */
export interface UpdatesNode extends NodeBase {
  readonly kind: 'updates'
  readonly window: WindowedNode
}

/** The records that no window took because they came too late, as they were. A keyed stream. */
export interface LateNode extends NodeBase {
  readonly kind: 'late'
  readonly window: WindowNode
}

/** Stream-table join: the table as it is when the record is processed (SEMANTICS 4). A keyed stream. */
export interface JoinTableNode extends NodeBase {
  readonly kind: 'joinTable'
  readonly input: StreamNode
  readonly table: TableNode
  readonly combine: (value: unknown, row: unknown) => unknown
  /** True: without a match `row` is null; false: the record is dropped and counted. */
  readonly left: boolean
}

/** The values of a table's changes as a keyed stream; null after a delete. */
export interface TableChangesNode extends NodeBase {
  readonly kind: 'tableChanges'
  readonly table: TableNode
}

export interface OutputNode extends NodeBase {
  readonly kind: 'output'
  /** Name of the leaf in its app; empty while the plan is built. */
  readonly name: string
  readonly input: StreamNode | TableNode
  readonly to:
    | { readonly kind: 'topic'; readonly topic: TopicSpec }
    | { readonly kind: 'sink'; readonly sink: Sink }
}

export interface ViewNode extends NodeBase {
  readonly kind: 'view'
  readonly name: string
  /** A table, or the latest value of each key of a keyed stream. */
  readonly input: StreamNode | TableNode
  /** How long a windowed row is kept after its window's end; undefined: the default (7 days), or for ever. */
  readonly retentionMs: DurationMs | undefined
}

export type WindowedNode = WindowNode | GroupWindowNode
export type TableNode = ToTableNode | AggregateNode | ReduceNode | GroupTableNode | UpdatesNode
export type StreamNode =
  | TopicSourceNode
  | ConnectorSourceNode
  | FilterNode
  | MapNode
  | FlatMapNode
  | TapNode
  | MergeNode
  | BranchOutputNode
  | KeyByNode
  | FinalNode
  | LateNode
  | JoinTableNode
  | TableChangesNode
export type LeafNode = OutputNode | ViewNode
export type PlanNode = StreamNode | TableNode | WindowedNode | BranchNode | LeafNode
