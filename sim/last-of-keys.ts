import type { Offset, Timestamp } from '../src/base/brands.ts'
import type { SentRecord } from './model/sent-record.ts'
import type { PartitionView, SeenRecord } from './observation.ts'

export interface LastOfKey {
  readonly record: SeenRecord
  /** The look before the one that found it: it came after. */
  readonly after: Timestamp
}

/** Of each key of a compacted partition, the last record that readers of committed records ever saw. */
export class LastOfKeys {
  readonly #places = new Map<string, Map<string, LastOfKey>>()

  /** @param before when the last look at all partitions was. */
  look(view: PartitionView, before: Timestamp): void {
    if (!view.compacted) return
    const keys = this.#places.get(view.place) ?? new Map<string, LastOfKey>()
    this.#places.set(view.place, keys)
    for (const record of view.committed) {
      const { key, offset } = record.stored
      if (key === null) continue
      const text = Buffer.from(key).toString()
      if ((keys.get(text)?.record.stored.offset ?? -1) < offset) keys.set(text, { record, after: before })
    }
  }

  of(place: string): ReadonlyMap<string, LastOfKey> {
    return this.#places.get(place) ?? new Map()
  }

  /** Whether compaction may have taken the record away. */
  mayBeGone(view: PartitionView, key: string | null, offset: Offset, tombstone: boolean): boolean {
    if (!view.compacted || key === null) return false
    if (tombstone) return true
    return (this.#places.get(view.place)?.get(key)?.record.stored.offset ?? -1) > offset
  }

  mayBeGoneSent(view: PartitionView, sent: SentRecord): boolean {
    return this.mayBeGone(view, sent.key, sent.offset ?? -1, sent.tombstone)
  }
}
