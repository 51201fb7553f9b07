import type { Timestamp } from '../../base/brands.ts'

/** The accumulators of one group: of a key, or of a key in a window. One shape for all, changed in place. */
export class Group {
  /** One an aggregate: its accumulator, or its bucket of elements. */
  readonly accumulators: unknown[]
  /** The greatest one of what went in. */
  timestamp: Timestamp
  /** The epoch of the commit that this group changed in last; -1 when it is not in a list of changes. */
  touched = -1
  /** Rows of windows in it, where they can be taken out again. */
  rows = 0
  /** A session's bounds: its first and its last event; unused elsewhere. */
  start = 0
  last = 0
  /** A session's name for its elements: the timestamp of its first record to come. */
  id = 0

  constructor(accumulators: unknown[], timestamp: Timestamp) {
    this.accumulators = accumulators
    this.timestamp = timestamp
  }
}
