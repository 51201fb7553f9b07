import type { Timestamp } from '../../base/brands.ts'
import type { Group } from './group.ts'

/** One session of a key. */
export class Session {
  readonly group: Group
  /** Its name for its elements: the timestamp of the record that began it. */
  readonly id: Timestamp
  /** Its first and its last event. */
  start: Timestamp
  last: Timestamp

  constructor(group: Group, id: Timestamp, start: Timestamp, last: Timestamp) {
    this.group = group
    this.id = id
    this.start = start
    this.last = last
  }
}
