/**
 * Feeds a view: the latest row of each key, as changes of a commit.
 *
 * State: the rows that changed since the last commit; for windowed rows also when each key's row goes (memory only:
 * the changelog's timestamps say it again after a restart).
 */
import { MIN_TIMESTAMP, type Timestamp, type TopicId } from '../../base/brands.ts'
import { isMillraceError, MillraceError } from '../../base/errors.ts'
import { type Key, keyOfStoreKey, keySerde } from '../../record/key-codec.ts'
import { stringify } from '../../record/serdes.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { ViewNode } from '../graph/plan.ts'
import type { PartitionWriter } from '../output/topic-writer.ts'
import type { ViewChange } from '../output/view-target.ts'
import type { LatestReceiver, Receiver, TaskContext } from './operator.ts'
import { type OperatorTime, TimedOperator } from './timed-operator.ts'

/** How long the row of a window stays after the window's end, if the user says nothing. */
const WINDOW_RETENTION_MS = 7 * 24 * 3_600_000

export class ViewOperator extends TimedOperator implements Receiver, LatestReceiver {
  readonly node: ViewNode
  readonly #context: TaskContext
  readonly #writer: PartitionWriter
  /** Undefined: rows stay for ever. */
  readonly #retention: number | undefined
  #changed = new Map<StoreKey, { row: unknown; timestamp: Timestamp }>()
  /** When the row of a key was made, and the keys by that time; entries of older rows stay behind and do nothing. */
  readonly #rowTimes = new Map<StoreKey, Timestamp>()
  readonly #byTime = new Map<Timestamp, StoreKey[]>()

  constructor(
    node: ViewNode,
    windowed: boolean,
    context: TaskContext,
    partition: number,
    order: number,
    writer: PartitionWriter,
  ) {
    super(`view:${node.name}`, partition, order, context)
    this.node = node
    this.#context = context
    this.#writer = writer
    this.#retention = windowed ? (node.retentionMs ?? WINDOW_RETENTION_MS) : undefined
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    if (key === null) this.#context.counters.nullKeys += 1
    else this.latest(key, value ?? null, timestamp)
  }

  latest(key: StoreKey, row: unknown, timestamp: Timestamp): void {
    this.#changed.set(key, { row, timestamp })
    if (this.#retention === undefined) return
    if (row === null) this.#rowTimes.delete(key)
    else this.#expireLater(key, timestamp)
  }

  /** The topic of its changelog. */
  get changelog(): TopicId {
    return this.#writer.topic()
  }

  /** Encodes the changes since the last time, once, for the changelog and for the view. */
  take(): readonly ViewChange[] {
    if (this.#changed.size === 0) return []
    const changes: ViewChange[] = []
    for (const [id, { row, timestamp }] of this.#changed) {
      const key: Key = keyOfStoreKey(id)
      const bytes = row === null ? null : this.#encoded(row, key)
      changes.push({ key, row: bytes, timestamp })
      this.#writer.append(timestamp, keySerde.encode(key), bytes)
    }
    this.#changed = new Map()
    return changes
  }

  /** Here a row leaves the program that made it: what it cannot be is said with the view and the key. */
  #encoded(row: unknown, key: Key): Uint8Array {
    try {
      return Buffer.from(stringify(row), 'utf8')
    } catch (error) {
      if (!isMillraceError(error)) throw error
      const where = `view '${this.node.name}', the row of ${JSON.stringify(key)}`
      const way = 'map it to what JSON has: texts, finite numbers, booleans, null, lists and objects of them'
      throw new MillraceError(error.code, `${where}: ${error.message}; ${way}`, { cause: error })
    }
  }

  /** Rows go some time: `restoreRow` wants to know of each. */
  get expires(): boolean {
    return this.#retention !== undefined
  }

  /** A row was restored, or the removal of one. */
  restoreRow(key: StoreKey, timestamp: Timestamp, removed: boolean): void {
    if (this.#retention === undefined) return
    if (removed) this.#rowTimes.delete(key)
    else this.#expireLater(key, timestamp)
  }

  /** Back to nothing: the restore begins again. */
  clear(): void {
    this.#rowTimes.clear()
    this.#byTime.clear()
  }

  get stored(): OperatorTime {
    return { reached: this.storedTime, fired: MIN_TIMESTAMP }
  }

  restored(time: OperatorTime | undefined): void {
    if (time !== undefined) this.restoreReached(time.reached)
  }

  protected override fireDue(watermark: Timestamp): boolean {
    // At the end of all time nothing is old: what was computed stays to be read.
    if (this.#retention === undefined || watermark >= Number.MAX_SAFE_INTEGER) return true
    let next = Number.POSITIVE_INFINITY
    for (const time of [...this.#byTime.keys()].sort((left, right) => left - right)) {
      if (time + this.#retention > watermark) {
        next = time + this.#retention
        break
      }
      for (const key of this.#byTime.get(time) ?? []) {
        if (this.#rowTimes.get(key) !== time) continue
        this.#rowTimes.delete(key)
        this.#changed.set(key, { row: null, timestamp: time })
      }
      this.#byTime.delete(time)
    }
    this.nextDue = next
    return true
  }

  #expireLater(key: StoreKey, timestamp: Timestamp): void {
    if (this.#rowTimes.get(key) === timestamp) return
    this.#rowTimes.set(key, timestamp)
    const keys = this.#byTime.get(timestamp)
    if (keys === undefined) this.#byTime.set(timestamp, [key])
    else keys.push(key)
    const due = timestamp + (this.#retention as number)
    if (due < this.nextDue) this.nextDue = due
  }
}
