/**
 * From a plan to its operators: one instance a step and partition, each made with the receivers behind it, so the plan
 * is walked from its leaves to its sources. Inside a stage a step calls the next one; across a keyBy it calls the one
 * of the task that owns the key (ARCHITECTURE D5). Edges of time are laid afterwards, from who makes time to who needs it.
 */
import { unreachable } from '../../base/assert.ts'
import { viewChangelog } from '../graph/internal-topics.ts'
import type { PlanNode, TableNode, WindowedNode } from '../graph/plan.ts'
import { type Consumer, showsUpdates, type Topology, type TopologyNode } from '../graph/topology.ts'
import { GroupTableOperator, GroupTableSender } from '../operators/group-table-operator.ts'
import { GroupWindowOperator, GroupWindowSender } from '../operators/group-window-operator.ts'
import { JoinTableOperator, TableChangesOperator } from '../operators/join-operators.ts'
import { KeyByOperator, ShuffleOperator } from '../operators/key-operators.ts'
import {
  type ChangeReceiver,
  type LatestReceiver,
  NOBODY,
  type Receiver,
  type RowReader,
  receiverOf,
  type TaskContext,
} from '../operators/operator.ts'
import { SinkOutputOperator, TopicOutputOperator } from '../operators/output-operators.ts'
import { SessionOperator } from '../operators/session-operator.ts'
import {
  BranchOperator,
  FilterOperator,
  FlatMapOperator,
  MapOperator,
  TapOperator,
} from '../operators/stateless-operators.ts'
import { AggregateOperator, ReduceOperator, ToTableOperator } from '../operators/table-operators.ts'
import { TableOutputs } from '../operators/table-outputs.ts'
import type { OperatorTime, TimedOperator } from '../operators/timed-operator.ts'
import { ViewOperator } from '../operators/view-operator.ts'
import { WindowOperator } from '../operators/window-operator.ts'
import { WindowOutputs, type WindowRowReceiver } from '../operators/window-outputs.ts'
import type { TopicWriters } from '../output/topic-writer.ts'
import { connectTime } from './connect-time.ts'
import { SourceLane } from './source-lane.ts'

export type StatefulTimed = TimedOperator & {
  readonly stored: OperatorTime
  restored(time: OperatorTime | undefined): void
}

export interface Tasks {
  readonly lanes: readonly SourceLane[]
  /** Steps that tell leaves what changed, inputs before those who use them. */
  readonly flushers: readonly { flush(): void }[]
  readonly timed: readonly StatefulTimed[]
  /** Steps without time that have to look at their restored stores. */
  readonly aggregating: readonly { readonly groups: { restored(): void } }[]
  readonly views: readonly ViewOperator[]
  readonly sinks: readonly SinkOutputOperator[]
}

/** Makes a table known to joins that were made before it. */
class LateRows implements RowReader {
  rows: RowReader | undefined
  row(key: string | number): unknown {
    return this.rows?.row(key)
  }
}

export function buildTasks(
  topology: Topology,
  context: TaskContext,
  writers: TopicWriters,
  app: string,
  recordBytesMax: number,
): Tasks {
  return new TaskBuilder(topology, context, writers, app, recordBytesMax).build()
}

/** Orders operators that have something due: by step, then by partition. */
const PARTITIONS_MAX = 1_000_000

class TaskBuilder {
  readonly #topology: Topology
  readonly #context: TaskContext
  readonly #writers: TopicWriters
  readonly #app: string
  readonly #recordBytesMax: number
  readonly #entries = new Map<PlanNode, readonly Receiver[]>()
  readonly #changes = new Map<PlanNode, readonly ChangeReceiver[]>()
  readonly #leaves = new Map<PlanNode, readonly LatestReceiver[]>()
  readonly #windowRows = new Map<PlanNode, readonly WindowRowReceiver[]>()
  readonly #rows = new Map<PlanNode, LateRows[]>()
  readonly #timed = new Map<PlanNode, StatefulTimed[]>()
  readonly #lanes = new Map<PlanNode, SourceLane[]>()
  readonly #flushers: { flush(): void }[] = []
  readonly #aggregating: { readonly groups: { restored(): void } }[] = []
  readonly #views: ViewOperator[] = []
  readonly #sinks: SinkOutputOperator[] = []

  constructor(
    topology: Topology,
    context: TaskContext,
    writers: TopicWriters,
    app: string,
    recordBytesMax: number,
  ) {
    this.#topology = topology
    this.#context = context
    this.#writers = writers
    this.#app = app
    this.#recordBytesMax = recordBytesMax
  }

  build(): Tasks {
    for (const entry of [...this.#topology.nodes].reverse()) this.#node(entry)
    connectTime(this.#topology, this.#lanes, this.#timed)
    return {
      lanes: this.#topology.nodes.flatMap(({ node }) => this.#lanes.get(node) ?? []),
      flushers: this.#flushers.reverse(),
      timed: this.#topology.nodes.flatMap(({ node }) => this.#timed.get(node) ?? []),
      aggregating: this.#aggregating,
      views: this.#views,
      sinks: this.#sinks,
    }
  }

  #node(entry: TopologyNode): void {
    const { node } = entry
    const context = this.#context
    switch (node.kind) {
      case 'topicSource':
      case 'connectorSource':
        this.#source(entry)
        return
      case 'filter':
        return this.#operators(entry, (next) => new FilterOperator(node, context, next))
      case 'map':
        return this.#operators(entry, (next) => new MapOperator(node, context, next))
      case 'flatMap':
        return this.#operators(entry, (next) => new FlatMapOperator(node, context, next))
      case 'tap':
        return this.#operators(entry, (next) => new TapOperator(node, context, next))
      case 'merge':
      case 'branchOutput':
        return this.#operators(entry, (next) => next)
      case 'branch':
        return this.#branch(entry)
      case 'keyBy': {
        const tasks = each(entry.partitions, (partition) => this.#next(entry, partition))
        const operator = new KeyByOperator(node, context, tasks)
        this.#entries.set(
          node,
          each(this.#topology.of(node.input).partitions, () => operator),
        )
        return
      }
      case 'joinTable': {
        const rows = this.#lateRows(node.table)
        const make = (next: Receiver, partition: number): Receiver =>
          new JoinTableOperator(node, context, rows[partition] as LateRows, next)
        return this.#operators(entry, make)
      }
      case 'tableChanges':
        this.#changes.set(
          node,
          each(entry.partitions, (partition) => new TableChangesOperator(this.#next(entry, partition))),
        )
        return
      case 'toTable':
      case 'aggregate':
      case 'reduce':
      case 'groupTable':
        return this.#table(entry, node)
      case 'window':
      case 'groupWindow':
        return this.#window(entry, node)
      case 'output':
      case 'view':
        return this.#leaf(entry)
      case 'final':
      case 'late':
      case 'updates':
        // Their listeners were given to the windowed step.
        return
      default:
        unreachable(node)
    }
  }

  #operators(entry: TopologyNode, make: (next: Receiver, partition: number) => Receiver): void {
    const operators = each(entry.partitions, (partition) => make(this.#next(entry, partition), partition))
    this.#entries.set(entry.node, operators)
  }

  #source(entry: TopologyNode): void {
    const { node } = entry
    if (node.kind !== 'topicSource' && node.kind !== 'connectorSource') return
    const keepers = entry.consumers.filter(
      ({ node: { kind } }) => kind === 'toTable' || kind === 'output' || kind === 'view',
    )
    const name = this.#firstName(entry)
    const lanes = each(entry.partitions, (partition) => {
      const kept = keepers.map((consumer) => this.#entry(consumer, partition))
      return new SourceLane(
        node,
        partition,
        name,
        this.#next(entry, partition),
        kept.length === 0 ? undefined : receiverOf(kept),
      )
    })
    this.#lanes.set(node, lanes)
  }

  /** The name of the first named step behind a source. */
  #firstName(entry: TopologyNode): string {
    for (const { node } of this.#topology.nodes.slice(entry.index + 1)) {
      if ('name' in node && this.#reaches(entry, node)) return `${node.kind}:${node.name}`
    }
    return ''
  }

  #reaches(entry: TopologyNode, target: PlanNode): boolean {
    return entry.consumers.some(
      ({ node }) => node === target || this.#reaches(this.#topology.of(node), target),
    )
  }

  #branch(entry: TopologyNode): void {
    const { node } = entry
    if (node.kind !== 'branch') return
    const operators = each(entry.partitions, (partition) => {
      const branches = each(node.predicates.length + 1, (index) => {
        const outputs = entry.consumers.filter(
          (consumer) => (consumer.node as { index?: number }).index === index,
        )
        return receiverOf(outputs.map((consumer) => this.#entry(consumer, partition)))
      })
      return new BranchOperator(node, this.#context, branches)
    })
    this.#entries.set(node, operators)
  }

  #table(entry: TopologyNode, node: Exclude<TableNode, { kind: 'updates' }>): void {
    const context = this.#context
    const operators = each(entry.partitions, (partition) => {
      const outputs = this.#tableOutputs([entry], partition)
      if (node.kind === 'toTable') return new ToTableOperator(node, context, partition, outputs)
      if (node.kind === 'reduce') return new ReduceOperator(node, context, partition, outputs)
      if (node.kind === 'aggregate') return new AggregateOperator(node, context, partition, outputs)
      return new GroupTableOperator(node, context, partition, outputs)
    })
    this.#flushers.push(...[...operators].reverse())
    for (const [partition, rows] of this.#lateRows(node).entries()) rows.rows = operators[partition]
    for (const operator of operators) {
      if (operator instanceof AggregateOperator || operator instanceof GroupTableOperator) {
        this.#aggregating.push(operator)
      }
    }
    if (node.kind === 'groupTable') {
      const sender = new GroupTableSender(node, context, operators as GroupTableOperator[])
      this.#changes.set(
        node,
        each(this.#topology.of(node.input).partitions, () => sender),
      )
    } else {
      this.#entries.set(node, operators as readonly Receiver[])
    }
  }

  #window(entry: TopologyNode, node: WindowedNode): void {
    const context = this.#context
    const operators = each(entry.partitions, (partition): StatefulTimed & { flush(): void } => {
      const outputs = this.#windowOutputs(entry, partition)
      const order = entry.index * PARTITIONS_MAX + partition
      if (node.kind === 'groupWindow') {
        const subtracts = showsUpdates(entry, this.#topology)
        const parts = { subtracts, inclusive: isSession(node) }
        return new GroupWindowOperator(node, context, partition, order, outputs, parts)
      }
      const { window } = node
      if (window.kind !== 'session') return new WindowOperator(node, context, partition, order, outputs)
      return new SessionOperator(node, window.gapMs, context, partition, order, outputs)
    })
    this.#timed.set(node, operators)
    this.#flushers.push(...[...operators].reverse())
    if (node.kind === 'groupWindow') {
      const tasks = operators as unknown as GroupWindowOperator[]
      const subtracts = showsUpdates(entry, this.#topology)
      const senders = each(
        this.#topology.of(node.input).partitions,
        () => new GroupWindowSender(node, context, tasks, subtracts),
      )
      this.#windowRows.set(node, senders)
    } else {
      this.#entries.set(node, operators as unknown as readonly Receiver[])
    }
  }

  #windowOutputs(entry: TopologyNode, partition: number): WindowOutputs {
    const of = (kind: PlanNode['kind']): TopologyNode[] =>
      entry.consumers.filter(({ node }) => node.kind === kind).map(({ node }) => this.#topology.of(node))
    const finals = of('final').map((final) => this.#next(final, partition))
    const groups = of('groupWindow')
    const rowsOf = (shown: readonly TopologyNode[]): WindowRowReceiver[] =>
      shown.map(
        ({ node }) =>
          (this.#windowRows.get(node) as readonly WindowRowReceiver[])[partition] as WindowRowReceiver,
      )
    return new WindowOutputs({
      final: finals.length === 0 ? undefined : receiverOf(finals),
      late: receiverOf(of('late').map((late) => this.#next(late, partition))),
      updates: this.#tableOutputs(of('updates'), partition),
      groupsOfFinal: rowsOf(groups.filter((group) => !showsUpdates(group, this.#topology))),
      groupsOfUpdates: rowsOf(groups.filter((group) => showsUpdates(group, this.#topology))),
    })
  }

  #tableOutputs(tables: readonly TopologyNode[], partition: number): TableOutputs {
    const changes: ChangeReceiver[] = []
    const leaves: LatestReceiver[] = []
    for (const { consumers } of tables) {
      for (const { node } of consumers) {
        const change = this.#changes.get(node)?.[partition]
        const leaf = this.#leaves.get(node)?.[partition]
        if (change !== undefined) changes.push(change)
        if (leaf !== undefined) leaves.push(leaf)
      }
    }
    return new TableOutputs(changes, leaves)
  }

  #leaf(entry: TopologyNode): void {
    const { node } = entry
    const context = this.#context
    if (node.kind === 'view') {
      const windowed = showsWindows(node.input)
      const operators = each(entry.partitions, (partition) => {
        const order = entry.index * PARTITIONS_MAX + partition
        const writer = this.#writers.writer(viewChangelog(this.#app, node.name), partition)
        return new ViewOperator(node, windowed, context, partition, order, writer)
      })
      this.#views.push(...operators)
      if (windowed) this.#timed.set(node, operators)
      this.#entries.set(node, operators)
      this.#leaves.set(node, operators)
    } else if (node.kind === 'output') {
      const operators = each(entry.partitions, (partition) => {
        if (node.to.kind === 'sink') {
          const sink = new SinkOutputOperator(node, context, partition)
          this.#sinks.push(sink)
          return sink
        }
        const { topic } = node.to
        const writers = each(topic.partitions, (target) => this.#writers.writer(topic.name, target))
        return new TopicOutputOperator(node, topic, context, partition, writers, this.#recordBytesMax)
      })
      this.#entries.set(node, operators)
      this.#leaves.set(node, operators)
    }
  }

  /** Who takes the records that a step sends on in one of its tasks. */
  #next(entry: TopologyNode, partition: number): Receiver {
    const streams = entry.consumers.filter(({ table, node }) => !table && this.#entries.has(node))
    return receiverOf(streams.map((consumer) => this.#entry(consumer, partition)))
  }

  #entry(consumer: Consumer, partition: number): Receiver {
    const entries = this.#entries.get(consumer.node)
    if (entries === undefined) return NOBODY
    return consumer.shuffle ? new ShuffleOperator(entries) : (entries[partition] ?? NOBODY)
  }

  #lateRows(table: PlanNode): LateRows[] {
    let rows = this.#rows.get(table)
    if (rows === undefined) {
      rows = each(this.#topology.of(table).partitions, () => new LateRows())
      this.#rows.set(table, rows)
    }
    return rows
  }
}

function isSession(node: WindowedNode): boolean {
  return node.kind === 'groupWindow' ? isSession(node.input) : node.window.kind === 'session'
}

/** Rows of windows, which a view does not keep for ever. */
function showsWindows(node: PlanNode): boolean {
  if (node.kind === 'final' || node.kind === 'updates') return true
  return (node.kind === 'filter' || node.kind === 'tap' || node.kind === 'map') && showsWindows(node.input)
}

function each<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}
