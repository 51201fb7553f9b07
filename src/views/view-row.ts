import type { PartitionId, Timestamp } from '../base/brands.ts'
import type { Key } from '../record/key-codec.ts'

const { utf8Slice } = Buffer.prototype

/**
 * A row as a view keeps it: one object a key, updated in place, so that an update touches neither the map nor the
 * order.
 *
 * The row's JSON is held as text: 16 bytes more than its characters, where a byte array of its own costs about 200 and
 * a slice of a commit's buffer keeps the whole buffer alive. Only rows of a restore stay the bytes that they came as
 * until somebody reads them: making a million texts would take half a second of a start, and what they keep alive is
 * bounded by the changelog.
 */
export class ViewRow {
  readonly key: Key
  readonly partition: PartitionId
  #content: string | Uint8Array | undefined
  timestamp: Timestamp

  constructor(key: Key, partition: PartitionId, content: string | Uint8Array, timestamp: Timestamp) {
    this.key = key
    this.partition = partition
    this.#content = content
    this.timestamp = timestamp
  }

  /** False: the row was removed; the order forgets it later. */
  get isLive(): boolean {
    return this.#content !== undefined
  }

  /** The row as JSON text; undefined when it was removed. */
  get json(): string | undefined {
    if (this.#content instanceof Uint8Array) this.#content = rowText(this.#content)
    return this.#content
  }

  update(content: string | Uint8Array, timestamp: Timestamp): void {
    this.#content = content
    this.timestamp = timestamp
  }

  remove(): void {
    this.#content = undefined
  }
}

/** The text of a row's bytes. */
export function rowText(bytes: Uint8Array): string {
  // One native call, also for a plain Uint8Array, where a Buffer over it would be another object.
  return utf8Slice.call(bytes, 0, bytes.length)
}
