import type { PartitionId, Timestamp } from '../base/brands.ts'
import type { CommittedRow } from '../flow/output/view-target.ts'
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
export class ViewRow implements CommittedRow {
  readonly key: Key
  readonly partition: PartitionId
  timestamp: Timestamp
  /** The text, or bytes of which a range is the text. */
  #content: string | Uint8Array | undefined
  #start = 0
  #end = 0

  constructor(key: Key, partition: PartitionId, timestamp: Timestamp) {
    this.key = key
    this.partition = partition
    this.timestamp = timestamp
  }

  /** False: the row was removed; the order forgets it later. */
  get isLive(): boolean {
    return this.#content !== undefined
  }

  /** The row as JSON text; undefined when it was removed. */
  get json(): string | undefined {
    const content = this.#content
    // One native call, also for a plain Uint8Array, where a Buffer over it would be another object.
    if (content instanceof Uint8Array) this.#content = utf8Slice.call(content, this.#start, this.#end)
    return this.#content as string | undefined
  }

  /** The same for those who only copy it: bytes stay bytes. */
  get content(): string | Uint8Array | undefined {
    const content = this.#content
    return content instanceof Uint8Array ? content.subarray(this.#start, this.#end) : content
  }

  update(json: string, timestamp: Timestamp): void {
    this.#content = json
    this.timestamp = timestamp
  }

  /** The text is a range of bytes that nobody changes. */
  restore(timestamp: Timestamp, bytes: Uint8Array, start: number, end: number): void {
    this.timestamp = timestamp
    this.#content = bytes
    this.#start = start
    this.#end = end
  }

  remove(): void {
    this.#content = undefined
  }
}

/** The text of a row's bytes. */
export function rowText(bytes: Uint8Array): string {
  return utf8Slice.call(bytes, 0, bytes.length)
}
