import type { Timestamp } from '../../base/brands.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { MemoryStore } from '../../state/memory-store.ts'
import { jsonStoreCodec } from '../../state/store-codec.ts'
import type { AggregateNode, ReduceNode, ToTableNode } from '../graph/plan.ts'
import type { Group } from './group.ts'
import { GroupStore } from './group-store.ts'
import type { Receiver, RowReader, TaskContext } from './operator.ts'
import type { TableOutputs } from './table-outputs.ts'

/** A row of `toTable` or `reduce`, as it is stored. */
interface TimedRow {
  row: unknown
  timestamp: Timestamp
}

/** Tables keep their rows in namespace 0. */
const ROWS = 0

/** The latest value of each key; null removes the row. */
export class ToTableOperator implements Receiver, RowReader {
  readonly #context: TaskContext
  readonly #outputs: TableOutputs
  readonly #store: MemoryStore<TimedRow>
  #changed = new Map<StoreKey, Timestamp>()

  constructor(node: ToTableNode, context: TaskContext, partition: number, outputs: TableOutputs) {
    this.#context = context
    this.#outputs = outputs
    this.#store = context.store(node.name, partition, jsonStoreCodec<TimedRow>())
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    if (key === null) {
      this.#context.counters.nullKeys += 1
      return
    }
    const before = this.#store.get(ROWS, key)
    const after = value ?? undefined
    if (before === undefined && after === undefined) return
    if (after === undefined) this.#store.delete(ROWS, key)
    else this.#store.put(ROWS, key, { row: after, timestamp })
    if (this.#outputs.lazy) this.#changed.set(key, timestamp)
    if (this.#outputs.eager) this.#outputs.change(key, before?.row, after, timestamp)
  }

  row(key: StoreKey): unknown {
    return this.#store.get(ROWS, key)?.row
  }

  flush(): void {
    for (const [key, timestamp] of this.#changed) this.#outputs.latest(key, this.row(key) ?? null, timestamp)
    if (this.#changed.size > 0) this.#changed = new Map()
  }
}

/** The running value that a user's function makes of each pair. */
export class ReduceOperator implements Receiver, RowReader {
  readonly #node: ReduceNode
  readonly #context: TaskContext
  readonly #outputs: TableOutputs
  readonly #store: MemoryStore<TimedRow>
  #changed = new Set<StoreKey>()

  constructor(node: ReduceNode, context: TaskContext, partition: number, outputs: TableOutputs) {
    this.#node = node
    this.#context = context
    this.#outputs = outputs
    this.#store = context.store(node.name, partition, jsonStoreCodec<TimedRow>())
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    if (key === null || value === null || value === undefined) {
      if (key === null) this.#context.counters.nullKeys += 1
      else this.#context.counters.nullValues += 1
      return
    }
    const held = this.#store.get(ROWS, key)
    const before = held?.row
    let after: unknown
    try {
      after = held === undefined ? value : this.#node.reduce(before, value)
    } catch (error) {
      this.#context.failed(this.#node, error)
      return
    }
    const time = held === undefined || timestamp > held.timestamp ? timestamp : held.timestamp
    this.#store.put(ROWS, key, { row: after, timestamp: time })
    if (this.#outputs.lazy) this.#changed.add(key)
    if (this.#outputs.eager) this.#outputs.change(key, before, after, time)
  }

  row(key: StoreKey): unknown {
    return this.#store.get(ROWS, key)?.row
  }

  flush(): void {
    for (const key of this.#changed) {
      const held = this.#store.get(ROWS, key)
      if (held !== undefined) this.#outputs.latest(key, held.row, held.timestamp)
    }
    if (this.#changed.size > 0) this.#changed = new Set()
  }
}

/** Running aggregates of a keyed stream. The groups that changed since the last commit are listed, each once. */
export class AggregateOperator implements Receiver, RowReader {
  readonly groups: GroupStore
  readonly #node: AggregateNode
  readonly #context: TaskContext
  readonly #outputs: TableOutputs
  #changedKeys: StoreKey[] = []
  #changedGroups: Group[] = []

  constructor(node: AggregateNode, context: TaskContext, partition: number, outputs: TableOutputs) {
    this.#node = node
    this.#context = context
    this.#outputs = outputs
    this.groups = new GroupStore(context, node.name, partition, node.aggregates)
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    if (key === null || value === null || value === undefined) {
      if (key === null) this.#context.counters.nullKeys += 1
      else this.#context.counters.nullValues += 1
      return
    }
    const held = this.groups.get(ROWS, key)
    const before = held !== undefined && this.#outputs.eager ? this.#rowOf(key, held) : undefined
    const group = held ?? this.groups.create(ROWS, key, timestamp)
    try {
      this.groups.add(group, value, timestamp)
    } catch (error) {
      this.#context.failed(this.#node, error)
      return
    }
    this.groups.store.put(ROWS, key, group)
    if (this.#outputs.lazy && group.touched !== this.#context.epoch.now) {
      group.touched = this.#context.epoch.now
      this.#changedKeys.push(key)
      this.#changedGroups.push(group)
    }
    if (this.#outputs.eager) this.#outputs.change(key, before, this.#rowOf(key, group), group.timestamp)
  }

  row(key: StoreKey): unknown {
    const group = this.groups.get(ROWS, key)
    return group === undefined ? undefined : this.#rowOf(key, group)
  }

  flush(): void {
    const keys = this.#changedKeys
    for (let index = 0; index < keys.length; index += 1) {
      const key = keys[index] as StoreKey
      const group = this.#changedGroups[index] as Group
      this.#outputs.latest(key, this.#rowOf(key, group), group.timestamp)
    }
    if (keys.length === 0) return
    this.#changedKeys = []
    this.#changedGroups = []
  }

  #rowOf(key: StoreKey, group: Group): Record<string, unknown> {
    return this.groups.row(key, undefined, group)
  }
}
