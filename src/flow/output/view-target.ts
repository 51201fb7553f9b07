import type { Offset, PartitionId, Timestamp } from '../../base/brands.ts'
import type { Key } from '../../record/key-codec.ts'
import type { ViewNode } from '../graph/plan.ts'

/**
 * Where the engine puts the rows of a view. `views/` implements it; the engine owns the view's changelog and gives
 * its target only what is durable (DESIGN D9): first the rows of the changelog while it restores, then commit by
 * commit.
 */
export interface ViewTargets {
  open(view: ViewNode, partitions: number): ViewTarget
}

export interface ViewTarget {
  /** A row of the changelog, before the first `commit`. A null row removes the key. */
  restore(partition: PartitionId, change: ViewChange): void
  /**
   * The changes of one durable commit, each key at most once. After this returns every read sees all of them.
   * `position` is that of the view's changelog behind the commit.
   */
  commit(partition: PartitionId, changes: readonly ViewChange[], position: Offset): void
}

export interface ViewChange {
  readonly key: Key
  /** The JSON text of the row in UTF-8, which nobody changes; null: there is no row any more. */
  readonly row: Uint8Array | null
  readonly timestamp: Timestamp
}
