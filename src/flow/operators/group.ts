import type { Timestamp } from '../../base/brands.ts'
import { Entry, UNOWNED } from '../../state/entry.ts'

/** Groups of windows keep no time: that of their results follows from the window, and to keep it costs as much as a sum. */
export const NO_TIME: Timestamp = 0

/**
 * The accumulators of one group: of a key, or of a key in a window. One shape for all, changed in place. It is the entry
 * of its store, and holds the first accumulators itself: a group is one object, because most windows have many keys
 * with few records each, and what lies in several objects lies in as many places of the memory.
 */
export class Group extends Entry {
  /** One an aggregate: its accumulator, or its bucket of elements. */
  #first: unknown = undefined
  #second: unknown = undefined
  #third: unknown = undefined
  #more: unknown[] | undefined = undefined
  /** The greatest one of what went in; in windows NO_TIME. */
  timestamp: Timestamp
  /** The epoch of the commit that this group changed in last; -1 when it is not in a list of changes. */
  touched = -1
  constructor(timestamp: Timestamp) {
    super('', 0, undefined, UNOWNED)
    this.timestamp = timestamp
  }

  /** Makes a group that nothing holds any more as good as a new one, but for its accumulators. */
  renew(timestamp: Timestamp): void {
    this.flags = UNOWNED
    this.timestamp = timestamp
    this.touched = -1
  }

  override near(): number {
    return this.touched & 1
  }

  accumulator(index: number): unknown {
    switch (index) {
      case 0:
        return this.#first
      case 1:
        return this.#second
      case 2:
        return this.#third
      default:
        return this.#more?.[index - 3]
    }
  }

  setAccumulator(index: number, accumulator: unknown): void {
    switch (index) {
      case 0:
        this.#first = accumulator
        break
      case 1:
        this.#second = accumulator
        break
      case 2:
        this.#third = accumulator
        break
      default:
        this.#more ??= []
        this.#more[index - 3] = accumulator
    }
  }
}
