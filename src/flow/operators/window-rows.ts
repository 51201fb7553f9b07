import { keyOfStoreKey } from '../../record/key-codec.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { Window } from '../graph/window-spec.ts'
import type { Group } from './group.ts'
import type { GroupStore } from './group-store.ts'

/** The row of a window: `{ key, window, ...aggregates }`. */
export function windowRow(
  groups: GroupStore,
  key: StoreKey,
  window: Window,
  group: Group,
): Record<string, unknown> {
  const row: Record<string, unknown> = { key: keyOfStoreKey(key), window }
  groups.fill(row, group)
  return row
}
