/**
 * The same windows, rows of the step before under another key.
 *
 * State: groups by (window end, key), where the key also holds the window's start, because the windows of sessions end
 * together and begin apart. Rows arrive when the windows before close, or with `updates` with every change of them, and
 * then are taken out and put in again. The watermark arrives held back by the lateness of the step before: a window
 * fires when nothing before it can change any more.
 * Where only the first n rows count, each task in front sends no others (see FirstRows).
 */
import { MIN_TIMESTAMP, type Timestamp } from '../../base/brands.ts'
import { storeKey } from '../../record/key-codec.ts'
import type { ValueWriter } from '../../record/write-target.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { GroupWindowNode } from '../graph/plan.ts'
import type { Window } from '../graph/window-spec.ts'
import { FirstRows } from './first-rows.ts'
import { type Group, NO_TIME } from './group.ts'
import { GroupStore } from './group-store.ts'
import { partitionOfKey } from './key-operators.ts'
import type { TaskContext } from './operator.ts'
import { rowWriter } from './row-writer.ts'
import { type OperatorTime, TimedOperator } from './timed-operator.ts'
import { updateKey, type WindowOutputs, type WindowRowReceiver } from './window-outputs.ts'

export class GroupWindowSender implements WindowRowReceiver {
  readonly #node: GroupWindowNode
  readonly #context: TaskContext
  readonly #tasks: readonly GroupWindowOperator[]
  readonly #firstRows: FirstRows | undefined

  /** @param subtracts rows change after they were sent. */
  constructor(
    node: GroupWindowNode,
    context: TaskContext,
    tasks: readonly GroupWindowOperator[],
    subtracts: boolean,
  ) {
    this.#node = node
    this.#context = context
    this.#tasks = tasks
    this.#firstRows = subtracts ? undefined : FirstRows.of(node.aggregates)
  }

  windowRow(window: Window, before: unknown, after: unknown, timestamp: Timestamp): void {
    let from: StoreKey | undefined
    let to: StoreKey | undefined
    try {
      from = before === undefined ? undefined : this.#groupOf(before)
      to = after === undefined ? undefined : this.#groupOf(after)
    } catch (error) {
      this.#context.failed(this.#node, error)
      return
    }
    if (this.#firstRows !== undefined && to !== undefined && !this.#firstRows.mayCount(window, to, after))
      return
    if (from !== undefined && from === to) {
      this.#task(from).replace(from, window, before, after, timestamp)
      return
    }
    if (from !== undefined) this.#task(from).replace(from, window, before, undefined, timestamp)
    if (to !== undefined) this.#task(to).replace(to, window, undefined, after, timestamp)
  }

  #groupOf(row: unknown): StoreKey | undefined {
    const key = this.#node.key(row)
    if (key !== null && key !== undefined) return storeKey(key)
    this.#context.counters.nullKeys += 1
    return undefined
  }

  #task(key: StoreKey): GroupWindowOperator {
    return this.#tasks[partitionOfKey(key, this.#tasks.length)] as GroupWindowOperator
  }
}

export class GroupWindowOperator extends TimedOperator {
  readonly groups: GroupStore
  readonly #node: GroupWindowNode
  readonly #context: TaskContext
  readonly #outputs: WindowOutputs
  readonly #json: ValueWriter<unknown> | undefined
  #fired: Timestamp = MIN_TIMESTAMP
  #cursor: { end: Timestamp; key: StoreKey } | undefined
  #changed: { readonly end: Timestamp; readonly key: StoreKey; readonly group: Group }[] = []
  /** A session's window ends inclusively. */
  readonly #inclusive: boolean

  constructor(
    node: GroupWindowNode,
    context: TaskContext,
    partition: number,
    order: number,
    outputs: WindowOutputs,
    parts: { readonly subtracts: boolean; readonly inclusive: boolean },
  ) {
    super(node.name, partition, order, context)
    this.#node = node
    this.#context = context
    this.#outputs = outputs
    this.#inclusive = parts.inclusive
    this.groups = new GroupStore(context, node.name, partition, node.aggregates, parts)
    this.#json = rowWriter(this.groups.names)
  }

  replace(key: StoreKey, window: Window, old: unknown, row: unknown, timestamp: Timestamp): void {
    const id = groupId(window.start, key)
    const held = this.groups.get(window.end, id)
    const before = held !== undefined && this.#outputs.eager ? this.#rowOf(key, window, held) : undefined
    const group = held ?? this.groups.create(window.end, id, NO_TIME)
    try {
      if (old !== undefined) this.groups.subtract(group, old, NO_TIME)
      if (row !== undefined) this.groups.add(group, row, NO_TIME)
    } catch (error) {
      this.#context.failed(this.#node, error)
      return
    }
    // A new one may have been another group before.
    const rowsBefore = held === undefined ? 0 : this.groups.rows(group)
    const rows = rowsBefore + (row === undefined ? 0 : 1) - (old === undefined ? 0 : 1)
    this.groups.setRows(group, rows)
    // A group that lost its last row is gone: no row of now gives it.
    const gone = rows === 0
    if (gone) {
      this.groups.store.delete(window.end, id)
      this.groups.removeElements(window.end, id)
    } else {
      this.groups.store.put(window.end, id, group)
    }
    if (held === undefined && this.#lastEvent(window.end) < this.nextDue)
      this.nextDue = this.#lastEvent(window.end)
    if (this.#outputs.updates.lazy && group.touched !== this.#context.epoch.now) {
      group.touched = this.#context.epoch.now
      this.#changed.push({ end: window.end, key: id, group })
    }
    if (this.#outputs.eager) {
      const after = gone ? undefined : this.#rowOf(key, window, group)
      this.#outputs.changed(key, window, before, after, timestamp)
    }
  }

  flush(): void {
    for (const { end, key: id, group } of this.#changed) {
      // It may be flushed before the commit, when a window fires: what comes then has to be told again.
      group.touched = -1
      const [start, key] = parseGroupId(id)
      const row = this.groups.rows(group) === 0 ? null : this.#rowOf(key, { start, end }, group)
      this.#outputs.updates.latest(updateKey(key, start), row, this.#lastEvent(end))
    }
    if (this.#changed.length > 0) this.#changed = []
  }

  get stored(): OperatorTime {
    return { reached: this.storedTime, fired: this.#fired, cursor: this.#cursor }
  }

  restored(time: OperatorTime | undefined): void {
    this.groups.restored()
    if (time !== undefined) {
      this.restoreReached(time.reached)
      this.#fired = time.fired
      this.#cursor = time.cursor === undefined ? undefined : { end: time.cursor.end, key: time.cursor.key }
    }
    this.#findDue()
  }

  protected override fireDue(watermark: Timestamp, resultsMax: number): boolean {
    this.flush()
    let left = resultsMax
    for (;;) {
      const end = this.#cursor?.end ?? this.groups.store.namespaces()[0]
      if (end === undefined || (this.#lastEvent(end) > watermark && this.#cursor === undefined)) break
      const whole = this.groups.store.visit(end, this.#cursor?.key, (id, group) => {
        if (left === 0) return false
        left -= 1
        this.#fireGroup(end, id, group)
        this.#cursor = { end, key: id }
        return true
      })
      if (!whole) return false
      this.#cursor = undefined
      this.#fired = end
      this.groups.drop(end)
    }
    this.#findDue()
    return true
  }

  #fireGroup(end: Timestamp, id: StoreKey, group: Group): void {
    if (!this.#outputs.closing) return
    this.groups.bind(group, end, id)
    const [start, key] = parseGroupId(id)
    const window = { start, end }
    this.#outputs.closed(key, window, this.#rowOf(key, window, group), this.#lastEvent(end), this.#json)
  }

  #rowOf(key: StoreKey, window: Window, group: Group): Record<string, unknown> {
    return this.groups.row(key, window, group)
  }

  #lastEvent(end: Timestamp): Timestamp {
    return this.#inclusive ? end : end - 1
  }

  #findDue(): void {
    const end = this.#cursor?.end ?? this.groups.store.namespaces()[0]
    this.nextDue = end === undefined ? Number.POSITIVE_INFINITY : this.#lastEvent(end)
    if (this.#cursor !== undefined) this.nextDue = MIN_TIMESTAMP
  }
}

/** Start of the window, kind of the key, the key: `1500000:skey`. */
function groupId(start: Timestamp, key: StoreKey): string {
  return `${start}:${typeof key === 'number' ? 'n' : 's'}${key}`
}

function parseGroupId(id: StoreKey): [start: Timestamp, key: StoreKey] {
  const text = String(id)
  const colon = text.indexOf(':')
  const key = text.slice(colon + 2)
  return [Number(text.slice(0, colon)), text[colon + 1] === 'n' ? Number(key) : key]
}
