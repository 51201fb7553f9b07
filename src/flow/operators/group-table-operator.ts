import type { Timestamp } from '../../base/brands.ts'
import { storeKey } from '../../record/key-codec.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { GroupTableNode } from '../graph/plan.ts'
import type { Group } from './group.ts'
import { GroupStore } from './group-store.ts'
import { partitionOfKey } from './key-operators.ts'
import type { ChangeReceiver, RowReader, TaskContext } from './operator.ts'
import type { TableOutputs } from './table-outputs.ts'

const ROWS = 0

/**
 * Hands the two halves of a change to the tasks of its old and its new group. Both happen before the next record and
 * lie in one commit (SEMANTICS 5.3); where the group stays the same they are one change.
 */
export class GroupTableSender implements ChangeReceiver {
  readonly #node: GroupTableNode
  readonly #context: TaskContext
  readonly #tasks: readonly GroupTableOperator[]

  constructor(node: GroupTableNode, context: TaskContext, tasks: readonly GroupTableOperator[]) {
    this.#node = node
    this.#context = context
    this.#tasks = tasks
  }

  change(_key: StoreKey, before: unknown, after: unknown, timestamp: Timestamp): void {
    let from: StoreKey | undefined
    let to: StoreKey | undefined
    try {
      from = before === undefined ? undefined : this.#groupOf(before)
      to = after === undefined ? undefined : this.#groupOf(after)
    } catch (error) {
      this.#context.failed(this.#node, error)
      return
    }
    if (from !== undefined && from === to) {
      this.#task(from).replace(from, before, after, timestamp)
      return
    }
    if (from !== undefined) this.#task(from).replace(from, before, undefined, timestamp)
    if (to !== undefined) this.#task(to).replace(to, undefined, after, timestamp)
  }

  #groupOf(row: unknown): StoreKey | undefined {
    const key = this.#node.key(row)
    if (key !== null && key !== undefined) return storeKey(key)
    this.#context.counters.nullKeys += 1
    return undefined
  }

  #task(key: StoreKey): GroupTableOperator {
    return this.#tasks[partitionOfKey(key, this.#tasks.length)] as GroupTableOperator
  }
}

/** Aggregates of a table's rows. A group that lost its last row stays, with the results of nothing. */
export class GroupTableOperator implements RowReader {
  readonly groups: GroupStore
  readonly #node: GroupTableNode
  readonly #context: TaskContext
  readonly #outputs: TableOutputs
  #changed = new Map<StoreKey, Group>()

  constructor(node: GroupTableNode, context: TaskContext, partition: number, outputs: TableOutputs) {
    this.#node = node
    this.#context = context
    this.#outputs = outputs
    this.groups = new GroupStore(context, node.name, partition, node.aggregates, { subtracts: true })
  }

  replace(key: StoreKey, old: unknown, row: unknown, timestamp: Timestamp): void {
    const held = this.groups.get(ROWS, key)
    const before = held !== undefined && this.#outputs.eager ? this.#rowOf(key, held) : undefined
    const group = held ?? this.groups.create(ROWS, key, timestamp)
    try {
      if (old !== undefined) this.groups.subtract(group, old, timestamp)
      if (row !== undefined) this.groups.add(group, row, timestamp)
    } catch (error) {
      this.#context.failed(this.#node, error)
      return
    }
    this.groups.store.put(ROWS, key, group)
    if (this.#outputs.lazy) this.#changed.set(key, group)
    if (this.#outputs.eager) this.#outputs.change(key, before, this.#rowOf(key, group), group.timestamp)
  }

  row(key: StoreKey): unknown {
    const group = this.groups.get(ROWS, key)
    return group === undefined ? undefined : this.#rowOf(key, group)
  }

  flush(): void {
    for (const [key, group] of this.#changed)
      this.#outputs.latest(key, this.#rowOf(key, group), group.timestamp)
    if (this.#changed.size > 0) this.#changed = new Map()
  }

  #rowOf(key: StoreKey, group: Group): Record<string, unknown> {
    return this.groups.row(key, undefined, group)
  }
}
