/**
 * Tumbling and hopping windows of a keyed stream.
 *
 * State: groups by (pane end, key); what was fired last; the watermark that was passed on. Nothing else is stored: the
 * windows that are due follow from the panes that are there.
 * Invariants: a pane is there exactly as long as a window that holds it can still be fired. `nextDue` is never above
 * the time at which the first window with data is due. Windows fire in order of end, keys in the order of the store.
 * Cost: a record costs one look-up, whatever size / every is; a fired window one look-up a key and pane.
 */
import { MIN_TIMESTAMP, type Timestamp } from '../../base/brands.ts'
import type { ValueWriter } from '../../record/write-target.ts'
import { compareHashed, hashOfKey } from '../../state/key-hash.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { WindowNode } from '../graph/plan.ts'
import type { Window, WindowSpec } from '../graph/window-spec.ts'
import { type Group, NO_TIME } from './group.ts'
import { GroupStore } from './group-store.ts'
import type { Receiver, TaskContext } from './operator.ts'
import { PaneArithmetic } from './pane-arithmetic.ts'
import { rowWriter } from './row-writer.ts'
import { type OperatorTime, TimedOperator } from './timed-operator.ts'
import { updateKey, type WindowOutputs } from './window-outputs.ts'

type PaneSpec = Exclude<WindowSpec, { readonly kind: 'session' }>

export class WindowOperator extends TimedOperator implements Receiver {
  readonly groups: GroupStore
  readonly #node: WindowNode
  readonly #context: TaskContext
  readonly #outputs: WindowOutputs
  readonly #panes: PaneArithmetic
  readonly #lateness: number
  /** One pane a window: no merging. */
  readonly #simple: boolean
  readonly #json: ValueWriter<unknown> | undefined
  #fired: Timestamp = MIN_TIMESTAMP
  #cursor: { end: Timestamp; key: StoreKey } | undefined
  /** The pane of the last record: nearly always that of the next one. */
  #lastStart = Number.POSITIVE_INFINITY
  #lastEnd = Number.NEGATIVE_INFINITY
  #lastWindowEnd = 0
  #changed: { readonly pane: Timestamp; readonly key: StoreKey; readonly group: Group }[] = []

  constructor(
    node: WindowNode,
    context: TaskContext,
    partition: number,
    order: number,
    outputs: WindowOutputs,
  ) {
    super(node.name, partition, order, context)
    this.#node = node
    this.#context = context
    this.#outputs = outputs
    this.#panes = new PaneArithmetic(node.window as PaneSpec)
    this.#lateness = node.allowedLatenessMs
    this.#simple = this.#panes.paneMs === this.#panes.sizeMs
    this.groups = new GroupStore(context, node.name, partition, node.aggregates)
    this.#json = rowWriter(this.groups.names)
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    if (key === null || value === null || value === undefined) {
      if (key === null) this.#context.counters.nullKeys += 1
      else this.#context.counters.nullValues += 1
      return
    }
    if (timestamp < this.#lastStart || timestamp >= this.#lastEnd) this.#enterPane(timestamp)
    const pane = this.#lastEnd
    // A window is late when its end lies at or before this (SEMANTICS 2.3).
    const closed = this.#closed()
    if ((pane <= closed || this.#lastWindowEnd < pane) && !this.#takes(key, value, timestamp, closed)) return
    const held = this.groups.get(pane, key)
    const group = held ?? this.groups.create(pane, key, NO_TIME)
    const before = this.#outputs.eager ? this.#windowsOf(pane, key, closed) : undefined
    try {
      this.groups.add(group, value, NO_TIME)
    } catch (error) {
      this.#context.failed(this.#node, error)
      return
    }
    this.groups.store.put(pane, key, group)
    if (held === undefined) this.#noteDue(pane, closed)
    if (this.#outputs.updates.lazy && group.touched !== this.#context.epoch.now) {
      group.touched = this.#context.epoch.now
      this.#changed.push({ pane, key, group })
    }
    if (before !== undefined) this.#tellChanges(before, pane, key, closed)
  }

  /** The rows of windows that changed since the last commit, for leaves. */
  flush(): void {
    if (this.#changed.length === 0) return
    const closed = this.#closed()
    const told = this.#simple ? undefined : new Set<string>()
    for (const { pane, key, group: changed } of this.#changed) {
      // It may be flushed before the commit, when a window fires: what comes then has to be told again.
      changed.touched = -1
      const last = this.#panes.lastWindowEnd(pane)
      for (let end = this.#firstOpen(pane, closed); end <= last; end += this.#panes.everyMs) {
        if (told !== undefined) {
          const id = `${end}${typeof key === 'number' ? 'n' : 's'}${key}`
          if (told.has(id)) continue
          told.add(id)
        }
        const group = this.#gathered(end, key)
        if (group === undefined) continue
        const window = this.#window(end)
        const row = this.groups.row(key, window, group)
        this.#outputs.updates.latest(updateKey(key, window.start), row, end - 1)
      }
    }
    this.#changed = []
  }

  get stored(): OperatorTime {
    return { reached: this.storedTime, fired: this.#fired, cursor: this.#cursor }
  }

  /** After the stores were restored. */
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
      const end = this.#cursor?.end ?? this.#nextEnd()
      if (end === undefined || (end - 1 + this.#lateness > watermark && this.#cursor === undefined)) break
      left = this.#outputs.closing ? this.#fireWindow(end, left) : left
      if (left < 0) return false
      this.#cursor = undefined
      this.#fired = end
      this.#dropPanes(end)
    }
    this.#findDue()
    return true
  }

  /** Fires the keys of a window behind the cursor; answers what is left of `resultsMax`, or -1 when it was used up. */
  #fireWindow(end: Timestamp, resultsMax: number): number {
    const window = this.#window(end)
    let left = resultsMax
    let cursor: { readonly end: Timestamp; key: StoreKey } | undefined
    const fire = (key: StoreKey, group: Group): boolean => {
      if (left === 0) return false
      left -= 1
      this.#outputs.closed(key, window, this.groups.row(key, window, group), end - 1, this.#json)
      // One object for the whole window: it is read when a commit falls here.
      if (cursor === undefined) this.#cursor = cursor = { end, key }
      else cursor.key = key
      return true
    }
    return this.#visit(end, fire) ? left : -1
  }

  /** Gives the groups of a window behind the cursor, until `fire` answers false, which it answers then. */
  #visit(end: Timestamp, fire: (key: StoreKey, group: Group) => boolean): boolean {
    if (!this.#simple) return this.#gatherAll(end).every(([key, group]) => fire(key, group))
    return this.groups.store.visit(end, this.#cursor?.key, (key, group) => {
      this.groups.bind(group, end, key)
      return fire(key, group)
    })
  }

  /** All groups of a window, merged from its panes, in the order of the store, behind the cursor. */
  #gatherAll(end: Timestamp): readonly (readonly [StoreKey, Group])[] {
    const merged = new Map<StoreKey, Group>()
    for (const pane of this.groups.store.namespaces()) {
      if (pane <= end - this.#panes.sizeMs || pane > end) continue
      for (const [key, group] of this.groups.store.scan(pane)) {
        this.groups.bind(group, pane, key)
        let into = merged.get(key)
        if (into === undefined) {
          into = this.groups.blank(NO_TIME)
          merged.set(key, into)
        }
        this.groups.merge(into, group)
      }
    }
    const hashed = [...merged].map(([key, group]) => ({ key, hash: hashOfKey(key), group }))
    hashed.sort((left, right) => compareHashed(left.hash, left.key, right.hash, right.key))
    const after = this.#cursor?.key
    const afterHash = after === undefined ? 0 : hashOfKey(after)
    return hashed
      .filter(({ key, hash }) => after === undefined || compareHashed(hash, key, afterHash, after) > 0)
      .map(({ key, group }) => [key, group] as const)
  }

  /** The group of one key in a window; undefined when nothing is in it. */
  #gathered(end: Timestamp, key: StoreKey): Group | undefined {
    if (this.#simple) return this.groups.get(end, key)
    let merged: Group | undefined
    const { paneMs, sizeMs } = this.#panes
    for (let pane = end - sizeMs + paneMs; pane <= end; pane += paneMs) {
      const group = this.groups.get(pane, key)
      if (group === undefined) continue
      merged ??= this.groups.blank(NO_TIME)
      this.groups.merge(merged, group)
    }
    return merged
  }

  /** Rows of the open windows of a pane, before a change. */
  #windowsOf(pane: Timestamp, key: StoreKey, closed: Timestamp): Map<Timestamp, unknown> {
    const rows = new Map<Timestamp, unknown>()
    const last = this.#panes.lastWindowEnd(pane)
    for (let end = this.#firstOpen(pane, closed); end <= last; end += this.#panes.everyMs) {
      const group = this.#gathered(end, key)
      rows.set(end, group === undefined ? undefined : this.groups.row(key, this.#window(end), group))
    }
    return rows
  }

  #tellChanges(before: Map<Timestamp, unknown>, pane: Timestamp, key: StoreKey, closed: Timestamp): void {
    for (const [end, row] of this.#windowsOf(pane, key, closed)) {
      this.#outputs.changed(key, this.#window(end), before.get(end), row, end - 1)
    }
  }

  #enterPane(timestamp: Timestamp): void {
    this.#lastEnd = this.#panes.paneEnd(timestamp)
    this.#lastStart = this.#lastEnd - this.#panes.paneMs
    this.#lastWindowEnd = this.#panes.lastWindowEnd(this.#lastEnd)
  }

  /** For a pane some of whose windows are closed: counts those, and sends a record that no window takes to `late`. */
  #takes(key: StoreKey, value: unknown, timestamp: Timestamp, closed: Timestamp): boolean {
    const pane = this.#lastEnd
    const last = this.#lastWindowEnd
    if (last < pane) {
      this.#context.counters.outsideWindows += 1
      return false
    }
    if (last > closed) {
      const first = this.#panes.windowEndFrom(pane)
      if (first <= closed) {
        this.#context.counters.lateWindows += Math.floor((closed - first) / this.#panes.everyMs) + 1
      }
      return true
    }
    this.#context.counters.late += 1
    this.#outputs.late.receive(key, value, timestamp)
    return false
  }

  #closed(): Timestamp {
    const byWatermark = this.reached + 1 - this.#lateness
    return byWatermark > this.#fired ? byWatermark : this.#fired
  }

  #firstOpen(pane: Timestamp, closed: Timestamp): Timestamp {
    return this.#panes.windowEndFrom(pane > closed ? pane : closed + 1)
  }

  #noteDue(pane: Timestamp, closed: Timestamp): void {
    const end = this.#firstOpen(pane, closed)
    const due = end - 1 + this.#lateness
    if (due < this.nextDue && end <= this.#panes.lastWindowEnd(pane)) this.nextDue = due
  }

  #findDue(): void {
    const end = this.#cursor?.end ?? this.#nextEnd()
    this.nextDue = end === undefined ? Number.POSITIVE_INFINITY : end - 1 + this.#lateness
    // A firing that a restart cut goes on whatever the watermark says.
    if (this.#cursor !== undefined) this.nextDue = MIN_TIMESTAMP
  }

  /** The end of the first window with data that was not fired. */
  #nextEnd(): Timestamp | undefined {
    const closed = this.#closed()
    for (const pane of this.groups.store.namespaces()) {
      const end = this.#firstOpen(pane, closed)
      if (end <= this.#panes.lastWindowEnd(pane)) return end
    }
    return undefined
  }

  /** State of a window is gone when it was fired: panes that no later window holds (SEMANTICS 2.9). */
  #dropPanes(end: Timestamp): void {
    for (const pane of this.groups.store.namespaces()) {
      if (pane > end) return
      if (this.#panes.lastWindowEnd(pane) <= end) this.groups.drop(pane)
    }
  }

  #window(end: Timestamp): Window {
    return { start: end - this.#panes.sizeMs, end }
  }
}
