import type { Timestamp } from '../../base/brands.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { ChangeReceiver, LatestReceiver } from './operator.ts'

/**
 * Who listens to a table: steps that need every change, at once and in order (their results must not depend on where a
 * commit falls), and leaves, which get the latest row of each changed key once a commit.
 */
export class TableOutputs {
  readonly changes: readonly ChangeReceiver[]
  readonly leaves: readonly LatestReceiver[]
  readonly eager: boolean
  readonly lazy: boolean

  constructor(changes: readonly ChangeReceiver[], leaves: readonly LatestReceiver[]) {
    this.changes = changes
    this.leaves = leaves
    this.eager = changes.length > 0
    this.lazy = leaves.length > 0
  }

  change(key: StoreKey, before: unknown, after: unknown, timestamp: Timestamp): void {
    for (const receiver of this.changes) receiver.change(key, before, after, timestamp)
  }

  latest(key: StoreKey, row: unknown, timestamp: Timestamp): void {
    for (const leaf of this.leaves) leaf.latest(key, row, timestamp)
  }
}
