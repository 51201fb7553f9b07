import { assert } from '../base/assert.ts'
import type { Offset, PartitionId, Timestamp } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import type { CommittedRow, ViewChange, ViewTarget } from '../flow/output/view-target.ts'
import { type Key, keyOfStoreKey, storeKey } from '../record/key-codec.ts'
import type { StoreKey } from '../state/keyed-store.ts'
import { ChangeHistory } from './change-history.ts'
import { compareKeys, compareWithPrefix } from './key-order.ts'
import { parsePosition, positionText } from './position.ts'
import { RestoredRows } from './restored-rows.ts'
import { RowMaps } from './row-maps.ts'
import { type Cut, RowOrder } from './row-order.ts'
import { type RowChange, SUBSCRIPTION_LIMITS, Subscription, type SubscriptionLimits } from './subscription.ts'
import { rowText, ViewRow } from './view-row.ts'

const { latin1Slice } = Buffer.prototype

/** Which rows, in the order of `compareKeys`. All conditions hold together. */
export interface RowRange {
  /** Texts that begin with it, or tuples that begin with its elements. */
  readonly prefix?: Key
  /** The first key, inclusive. */
  readonly from?: Key
  /** The last key, exclusive. */
  readonly to?: Key
  /** Default: all. */
  readonly limit?: number
  /** From the last to the first. */
  readonly reverse?: boolean
}

/** A change as users see it, whatever the row's type is. */
export type ViewRowChange =
  | (ChangeBase & { readonly kind: 'insert'; readonly before: null; readonly after: unknown })
  | (ChangeBase & { readonly kind: 'update'; readonly before: unknown; readonly after: unknown })
  | (ChangeBase & { readonly kind: 'delete'; readonly before: unknown; readonly after: null })

interface ChangeBase {
  readonly key: Key
  readonly position: string
  readonly timestamp: Timestamp
}

export interface ChangesOptions {
  /**
   * 'now' (default): what is committed from this call on. 'start': first the rows that are there, as inserts. The
   * position of a change: what followed it; where that is not known any more, as from the start.
   */
  readonly from?: string
  /** Ends the iteration, quietly. */
  readonly signal?: AbortSignal
  readonly limits?: SubscriptionLimits
}

interface Subscriber {
  readonly subscription: Subscription
  readonly fromStart: boolean
}

/**
 * A view in memory: the latest committed row of each key.
 *
 * State: rows by key as JSON text (parsed when read), their order (see RowOrder), and the subscribers.
 * What a restore read stays bytes (see RestoredRows) until it is asked for.
 * Invariants: reads see whole commits of a partition and nothing else; a subscriber that began at the start and one
 * that follows see, applied in order, exactly the rows that reads give.
 * Cost: a change is one look-up in a Map and one text; a read by key a look-up and a `JSON.parse`.
 *
 * All reads are synchronous and see one moment. They may be asked at any time, also while the engine restores: then
 * they see the part of the changelog that was read so far.
 */
export class MaterializedView implements ViewTarget {
  readonly name: string
  /** Rows that a restore read and nobody asked for yet; all others lie in `#rows`. */
  #restored = new RestoredRows()
  readonly #rows = new RowMaps()
  readonly #order = new RowOrder()
  readonly #subscribers = new Set<Subscriber>()
  /** From the first subscriber on: before, nobody has a position to come back to. */
  #history: ChangeHistory | undefined
  #opened = false

  constructor(name: string) {
    this.name = name
  }

  get size(): number {
    return this.#rows.size + this.#restored.size
  }

  get subscribers(): number {
    return this.#subscribers.size
  }

  /** An engine begins to fill the view. After another engine's failure it does so from nothing. */
  open(): void {
    if (this.#opened) {
      this.#restored = new RestoredRows()
      this.#rows.clear()
      this.#order.clear()
      this.#history = undefined
      const reason = new MillraceError(
        'MILLRACE_CLOSED',
        `the app of view ${this.name} was restarted: subscribe again`,
      )
      for (const { subscription } of this.#subscribers) subscription.end(reason)
    }
    this.#opened = true
  }

  restore(
    partition: PartitionId,
    key: StoreKey,
    timestamp: Timestamp,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (this.#history !== undefined || start < 0) {
      const row = start < 0 ? null : bytes.subarray(start, end)
      this.#apply(partition, key, { key: keyOfStoreKey(key), row, timestamp }, 0, 0, false)
      return
    }
    // Nobody listens, which is usual: no text is made. Somebody may have read the key's row before.
    const woken = this.#rows.get(key)
    if (woken === undefined) {
      const before = this.#restored.set(key, partition, timestamp, bytes, start, end)
      this.#checkPartition(partition, before, key)
    } else {
      this.#checkPartition(partition, woken.partition, key)
      woken.restore(timestamp, bytes, start, end)
    }
  }

  restoreText(
    partition: PartitionId,
    timestamp: Timestamp,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    start: number,
    end: number,
  ): void {
    if (this.#history !== undefined || this.#rows.size > 0) {
      this.restore(partition, latin1Slice.call(bytes, keyStart, keyEnd), timestamp, bytes, start, end)
      return
    }
    const before = this.#restored.setText(partition, timestamp, bytes, keyStart, keyEnd, start, end)
    if (before !== partition)
      this.#checkPartition(partition, before, latin1Slice.call(bytes, keyStart, keyEnd))
  }

  lookAhead(hashes: Int32Array, count: number): void {
    this.#restored.lookAhead(hashes, count)
  }

  commit(partition: PartitionId, changes: readonly ViewChange[], position: Offset): void {
    let index = 0
    for (const change of changes)
      this.#apply(partition, storeKey(change.key), change, position, index++, true)
  }

  *committedRows(): IterableIterator<CommittedRow> {
    for (const [, row] of this.#restored.all()) yield row
    // Only now: what was read or changed in between lies here.
    yield* this.#rows.all()
  }

  clear(partition: PartitionId): void {
    for (const row of [...this.committedRows()]) {
      if (row.partition !== partition) continue
      const { key, timestamp } = row
      this.#apply(partition, storeKey(key), { key, row: null, timestamp }, 0, 0, false)
    }
  }

  /** The row, or undefined. */
  get(key: Key): unknown {
    const json = this.json(key)
    return json === undefined ? undefined : JSON.parse(json)
  }

  /** The row's JSON text, for those who only pass it on. */
  json(key: Key): string | undefined {
    return this.#find(storeKey(key))?.json
  }

  list(range: RowRange = {}): unknown[] {
    return this.rows(range).map((row) => JSON.parse(row.json as string))
  }

  /** Keys and rows in order, all of the moment when the iteration begins; each is parsed when it is reached. */
  *entries(range: RowRange = {}): Generator<readonly [Key, unknown]> {
    const rows = this.rows(range).map(({ key, json }) => ({ key, json: json as string }))
    for (const { key, json } of rows) yield [key, JSON.parse(json)]
  }

  /** The rows of a range as they are kept: valid until the next commit. */
  rows(range: RowRange): readonly Readonly<ViewRow>[] {
    const { prefix, from, to, limit = Number.POSITIVE_INFINITY, reverse = false } = range
    if (!(limit >= 0)) {
      throw new MillraceError(
        'MILLRACE_INVALID_ARGUMENT',
        `limit is ${limit}: expected a number of rows, 0 or more`,
      )
    }
    const lower: Cut = ({ key }) =>
      (from === undefined || compareKeys(key, from) >= 0) &&
      (prefix === undefined || compareWithPrefix(key, prefix) >= 0)
    const upper: Cut = ({ key }) =>
      (to !== undefined && compareKeys(key, to) >= 0) ||
      (prefix !== undefined && compareWithPrefix(key, prefix) > 0)
    this.#wakeAll()
    return this.#order.slice(lower, upper, limit, reverse)
  }

  /** What is committed from this call on, not from the first step of the loop. */
  changes(options: ChangesOptions = {}): AsyncIterableIterator<ViewRowChange> {
    return iterate(this.name, this.subscribe(options))
  }

  /** The same for those who take changes at their own pace, as JSON text. They must `cancel` it in the end. */
  subscribe(options: ChangesOptions = {}): Subscription {
    const { from = 'now', signal, limits = SUBSCRIPTION_LIMITS } = options
    const missed = from === 'now' || from === 'start' ? undefined : this.#since(from)
    const fromStart = from !== 'now' && missed === undefined
    const stop = (): void => subscription.cancel()
    const subscription = new Subscription(limits, () => {
      this.#subscribers.delete(subscriber)
      signal?.removeEventListener('abort', stop)
    })
    const subscriber: Subscriber = { subscription, fromStart }
    if (fromStart) subscription.begin(this.#snapshot())
    for (const change of missed ?? []) subscription.offer(change)
    this.#history ??= new ChangeHistory()
    this.#subscribers.add(subscriber)
    if (signal?.aborted === true) subscription.cancel()
    else signal?.addEventListener('abort', stop)
    return subscription
  }

  /** The app ended: subscribers get what they have not taken, then the end; or its failure, at once. */
  close(failure?: Error): void {
    for (const { subscription } of this.#subscribers) subscription.end(failure)
  }

  /** The rows of this moment: their texts never change, so only references are copied. */
  #snapshot(): RowChange[] {
    return this.rows({}).map(({ key, partition, timestamp, json }) => {
      return {
        key,
        storeKey: storeKey(key),
        before: undefined,
        after: json,
        timestamp,
        partition,
        position: 0,
        index: 0,
      }
    })
  }

  /** What followed a position; undefined: that is not known. */
  #since(position: string): readonly RowChange[] | undefined {
    const { name, partition, offset, index } = parsePosition(position)
    if (name === this.name) return this.#history?.after(partition, offset, index)
    const problem = `${position} is no position of view ${this.name}`
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `${problem}: give one that a change of this view had`,
    )
  }

  #apply(
    partition: PartitionId,
    id: StoreKey,
    change: ViewChange,
    position: Offset,
    index: number,
    live: boolean,
  ): void {
    const { key, row, timestamp } = change
    const known = this.#find(id)
    if (known === undefined && row === null) return
    // Nobody is told of a change before the first subscriber: then no text is made only to be compared.
    const before = this.#history === undefined ? undefined : known?.json
    const after = row === null ? undefined : rowText(row)
    if (after === undefined) this.#remove(id, known as ViewRow)
    else this.#row(id, partition, known, change).update(after, timestamp)
    if (this.#history === undefined) return
    this.#tell({ key, storeKey: id, before, after, timestamp, partition, position, index }, live)
  }

  /** The row of a key, a new one if there is none. Its content is set by the caller. */
  #row(
    id: StoreKey,
    partition: PartitionId,
    known: ViewRow | undefined,
    { key, timestamp }: ViewChange,
  ): ViewRow {
    if (known !== undefined) {
      this.#checkPartition(partition, known.partition, id)
      return known
    }
    return this.#add(id, new ViewRow(key, partition, timestamp))
  }

  #add(id: StoreKey, row: ViewRow): ViewRow {
    this.#rows.add(id, row)
    this.#order.add(row)
    return row
  }

  #find(id: StoreKey): ViewRow | undefined {
    return this.#rows.get(id) ?? (this.#restored.size === 0 ? undefined : this.#wake(id))
  }

  /** A restored row is read or changed for the first time. */
  #wake(id: StoreKey): ViewRow | undefined {
    const row = this.#restored.take(id)
    if (row === undefined) return undefined
    if (this.#restored.size === 0) this.#restored = new RestoredRows()
    return this.#add(id, row)
  }

  /** Only the order of keys needs all of them. */
  #wakeAll(): void {
    if (this.#restored.size === 0) return
    for (const [id, row] of this.#restored.all()) this.#add(id, row)
    this.#restored = new RestoredRows()
  }

  #checkPartition(partition: PartitionId, before: PartitionId, id: StoreKey): void {
    assert(before === partition, () => {
      const partitions = `${before} and ${partition}`
      return `a key of a view has one partition: ${JSON.stringify(keyOfStoreKey(id))} of ${this.name} is in ${partitions}`
    })
  }

  #remove(id: StoreKey, row: ViewRow): void {
    row.remove()
    this.#rows.delete(id)
    this.#order.noteRemoved()
  }

  /** Restored rows are news only to those who began at the start and were there before the engine. */
  #tell(change: RowChange, live: boolean): void {
    if (live) this.#history?.add(change)
    for (const { subscription, fromStart } of this.#subscribers)
      if (live || fromStart) subscription.offer(change)
  }
}

/** A change with its rows parsed. */
function parsed(view: string, change: RowChange): ViewRowChange {
  const { key, timestamp, partition, position, index } = change
  const where = positionText(view, partition, position, index)
  const before: unknown = change.before === undefined ? null : JSON.parse(change.before)
  const after: unknown = change.after === undefined ? null : JSON.parse(change.after)
  if (change.before === undefined)
    return { kind: 'insert', key, before: null, after, position: where, timestamp }
  if (change.after === undefined)
    return { kind: 'delete', key, before, after: null, position: where, timestamp }
  return { kind: 'update', key, before, after, position: where, timestamp }
}

async function* iterate(view: string, subscription: Subscription): AsyncGenerator<ViewRowChange> {
  try {
    for (;;) {
      const change = subscription.take()
      if (change !== undefined) yield parsed(view, change)
      else if (subscription.failure !== undefined) throw subscription.failure
      else if (subscription.ended) return
      else await new Promise<void>((resolve) => subscription.whenReady(resolve))
    }
  } finally {
    subscription.cancel()
  }
}
