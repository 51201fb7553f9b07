import type { PartitionId, Timestamp } from '../base/brands.ts'
import type { Key } from '../record/key-codec.ts'

/**
 * A row as a view keeps it: one object a key, updated in place, so that an update touches neither the map nor the
 * order. The row's JSON is held as text: 16 bytes more than its characters, where a byte array of its own costs about
 * 200 and a slice of a commit's buffer would keep the whole buffer alive.
 */
export interface ViewRow {
  readonly key: Key
  readonly partition: PartitionId
  /** Undefined: the row was removed; the order forgets it later. */
  json: string | undefined
  timestamp: Timestamp
}

/** The text of a row's bytes. */
export function rowText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
