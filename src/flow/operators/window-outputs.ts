import type { Timestamp } from '../../base/brands.ts'
import { type Key, keyOfStoreKey, storeKey } from '../../record/key-codec.ts'
import type { ValueWriter } from '../../record/write-target.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { Window } from '../graph/window-spec.ts'
import type { Receiver } from './operator.ts'
import type { TableOutputs } from './table-outputs.ts'

/** Takes rows of windows under another key: the way into `groupBy` of windows. */
export interface WindowRowReceiver {
  /** `undefined` before: the row is new; `undefined` after: it was taken back. */
  windowRow(window: Window, before: unknown, after: unknown, timestamp: Timestamp): void
}

/** Who listens to a windowed step. Lists may be empty; each flag says whether it is worth making a row for it. */
export class WindowOutputs {
  readonly final: Receiver
  readonly hasFinal: boolean
  readonly late: Receiver
  /** `updates()`: a table keyed [key, window start]. */
  readonly updates: TableOutputs
  readonly groupsOfFinal: readonly WindowRowReceiver[]
  readonly groupsOfUpdates: readonly WindowRowReceiver[]
  /** Every change has to be told at once. */
  readonly eager: boolean
  /** Rows of closing windows are wanted. */
  readonly closing: boolean

  constructor(parts: {
    readonly final: Receiver | undefined
    readonly late: Receiver
    readonly updates: TableOutputs
    readonly groupsOfFinal: readonly WindowRowReceiver[]
    readonly groupsOfUpdates: readonly WindowRowReceiver[]
  }) {
    this.final = parts.final ?? parts.late
    this.hasFinal = parts.final !== undefined
    this.late = parts.late
    this.updates = parts.updates
    this.groupsOfFinal = parts.groupsOfFinal
    this.groupsOfUpdates = parts.groupsOfUpdates
    this.eager = parts.updates.eager || parts.groupsOfUpdates.length > 0
    this.closing = this.hasFinal || parts.groupsOfFinal.length > 0
  }

  /** @param json writes such rows, if somebody can. */
  closed(
    key: StoreKey,
    window: Window,
    row: unknown,
    timestamp: Timestamp,
    json?: ValueWriter<unknown>,
  ): void {
    if (this.hasFinal) {
      if (json !== undefined && this.final.receiveRow !== undefined)
        this.final.receiveRow(key, row, timestamp, json)
      else this.final.receive(key, row, timestamp)
    }
    for (const group of this.groupsOfFinal) group.windowRow(window, undefined, row, timestamp)
  }

  changed(key: StoreKey, window: Window, before: unknown, after: unknown, timestamp: Timestamp): void {
    if (this.updates.eager) this.updates.change(updateKey(key, window.start), before, after, timestamp)
    for (const group of this.groupsOfUpdates) group.windowRow(window, before, after, timestamp)
  }
}

/** The key of a row of `updates()`: [key, window start]; the elements of a tuple are elements of it. */
export function updateKey(key: StoreKey, start: Timestamp): StoreKey {
  const user: Key = keyOfStoreKey(key)
  return storeKey(typeof user === 'object' ? [...user, start] : [user, start])
}
