import type { ViewChange, ViewTarget } from '../flow/output/view-target.ts'
import { type Key, storeKey } from '../record/key-codec.ts'

/** A change as the engine gives it: a row, or its removal. */
export function change(key: Key, row: unknown, timestamp = 0): ViewChange {
  return { key, row: row === null ? null : Buffer.from(JSON.stringify(row)), timestamp }
}

/** Restores a row as from a block of bytes. */
export function restore(view: ViewTarget, { key, row, timestamp }: ViewChange, partition = 0): void {
  const block = Buffer.concat([Buffer.from('##'), row ?? Buffer.alloc(0), Buffer.from('##')])
  view.restore(partition, storeKey(key), timestamp, block, row === null ? -1 : 2, block.length - 2)
}
