import type { PartitionId, Timestamp } from '../base/brands.ts'
import { keyOfStoreKey } from '../record/key-codec.ts'
import { hashOfKey } from '../state/key-hash.ts'
import type { StoreKey } from '../state/keyed-store.ts'
import { RestoredEntries } from '../state/restored-entries.ts'
import { ViewRow } from './view-row.ts'

/**
 * Rows as a restore read them: bytes, without an object for each, until somebody reads or changes them.
 *
 * State: the entries, and of each of their rows the timestamp and the partition.
 */
export class RestoredRows {
  readonly #entries = new RestoredEntries()
  #timestamps = new Float64Array(64)
  #partitions = new Int32Array(64)

  get size(): number {
    return this.#entries.size
  }

  /** Sets the row of a key. Returns the partition that the key's row was in before, else the given one. */
  set(
    key: StoreKey,
    partition: PartitionId,
    timestamp: Timestamp,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): PartitionId {
    const before = this.#entries.size
    const row = this.#entries.set(key, bytes, start, end)
    return this.#note(row, this.#entries.size > before, partition, timestamp)
  }

  /** The same for a key whose text lies in ASCII in the same bytes. */
  setText(
    partition: PartitionId,
    timestamp: Timestamp,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    start: number,
    end: number,
  ): PartitionId {
    const before = this.#entries.size
    const row = this.#entries.setText(bytes, keyStart, keyEnd, start, end)
    return this.#note(row, this.#entries.size > before, partition, timestamp)
  }

  /** See RestoredEntries. */
  lookAhead(hashes: Int32Array, count: number): void {
    this.#entries.lookAhead(hashes, count)
  }

  /** Takes the row of a key out. */
  take(key: StoreKey): ViewRow | undefined {
    const hash = hashOfKey(key)
    const row = this.#entries.find(key, hash)
    if (row < 0) return undefined
    const taken = this.#rowOf(row, key)
    this.#entries.remove(key, hash)
    return taken
  }

  /** Rows as they are now, with their keys; they may be taken while this goes on. */
  *all(): IterableIterator<readonly [StoreKey, ViewRow]> {
    for (const row of this.#entries.all()) {
      const key = this.#entries.key(row)
      yield [key, this.#rowOf(row, key)]
    }
  }

  #rowOf(row: number, key: StoreKey): ViewRow {
    const timestamp = this.#timestamps[row] as number
    const made = new ViewRow(keyOfStoreKey(key), this.#partitions[row] as number, timestamp)
    const entries = this.#entries
    made.restore(timestamp, entries.bytes(row), entries.valueStart(row), entries.valueEnd(row))
    return made
  }

  #note(row: number, isNew: boolean, partition: PartitionId, timestamp: Timestamp): PartitionId {
    if (row >= this.#timestamps.length) {
      const timestamps = new Float64Array(row * 2)
      timestamps.set(this.#timestamps)
      this.#timestamps = timestamps
      const partitions = new Int32Array(row * 2)
      partitions.set(this.#partitions)
      this.#partitions = partitions
    }
    const before = isNew ? partition : (this.#partitions[row] as number)
    this.#timestamps[row] = timestamp
    this.#partitions[row] = partition
    return before
  }
}
