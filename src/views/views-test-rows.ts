import type { ViewChange } from '../flow/output/view-target.ts'
import type { Key } from '../record/key-codec.ts'

/** A change as the engine gives it: a row, or its removal. */
export function change(key: Key, row: unknown, timestamp = 0): ViewChange {
  return { key, row: row === null ? null : Buffer.from(JSON.stringify(row)), timestamp }
}
