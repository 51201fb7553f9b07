import type { Timestamp } from '../../base/brands.ts'
import type { RecordHeader } from '../../record/record.ts'
import type { ValueWriter } from '../../record/write-target.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { MemoryStore } from '../../state/memory-store.ts'
import type { StoreCodec } from '../../state/store-codec.ts'
import type { PlanNode, RecordContext } from '../graph/plan.ts'

/** Takes the records of a stream, one at a time. Whoever calls it keeps neither order nor copies for it. */
export interface Receiver {
  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void
  /** The same for a row whose JSON somebody can write; who has no use for that leaves it out. */
  receiveRow?(key: StoreKey, row: unknown, timestamp: Timestamp, json: ValueWriter<unknown>): void
}

/** Takes every change of a table, in order. `undefined`: there was, or is, no row. */
export interface ChangeReceiver {
  change(key: StoreKey, before: unknown, after: unknown, timestamp: Timestamp): void
}

/** Takes the latest row of a key, at most once a commit and key; `null`: there is no row any more. */
export interface LatestReceiver {
  latest(key: StoreKey, row: unknown, timestamp: Timestamp): void
}

/** The rows of a table, as a join looks them up. */
export interface RowReader {
  row(key: StoreKey): unknown
}

/** What operators of one worker share. */
export interface TaskContext {
  /** The record that is being followed: set by the source, its key, value and timestamp by who calls a function. */
  readonly current: CurrentRecord
  readonly counters: Counters
  /** Rises with every commit: who keeps "touched in this commit" on an object compares it. */
  readonly epoch: { now: number }
  /** A function of a user failed on the current record: skips, dead-letters or throws, as the step's policy says. */
  failed(node: PlanNode, error: unknown): void
  /** An operator has something due: it fires before the next record is taken. */
  schedule(operator: Firing): void
  store<V>(name: string, partition: number, codec: StoreCodec<V>): MemoryStore<V>
}

export interface CurrentRecord extends RecordContext {
  storeKey: StoreKey | null
  value: unknown
  timestamp: Timestamp
  /** False while results of a watermark or a commit are made, which no single record causes. */
  readonly caused: boolean
  readonly headers: readonly RecordHeader[]
}

export interface Firing {
  /** Who has the lower one fires first. */
  readonly order: number
  /** Fires what is due, up to so many results; false: there is more. */
  fire(resultsMax: number): boolean
}

/** What was left out, by reason: nothing disappears uncounted. */
export class Counters {
  records = 0
  late = 0
  /** Per window that refused a record which another window took. */
  lateWindows = 0
  nullKeys = 0
  nullValues = 0
  tombstones = 0
  unmatched = 0
  outsideWindows = 0
  skipped = 0
  deadLetters = 0

  get dropped(): number {
    return (
      this.nullKeys + this.nullValues + this.tombstones + this.unmatched + this.outsideWindows + this.skipped
    )
  }
}

/** Nobody listens. */
export const NOBODY: Receiver = { receive: () => undefined }

/** Several receivers of one stream, in the order of the plan. */
class FanOut implements Receiver {
  readonly #receivers: readonly Receiver[]

  constructor(receivers: readonly Receiver[]) {
    this.#receivers = receivers
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    const receivers = this.#receivers
    for (let index = 0; index < receivers.length; index += 1) {
      ;(receivers[index] as Receiver).receive(key, value, timestamp)
    }
  }
}

export function receiverOf(receivers: readonly Receiver[]): Receiver {
  if (receivers.length === 0) return NOBODY
  return receivers.length === 1 ? (receivers[0] as Receiver) : new FanOut(receivers)
}
