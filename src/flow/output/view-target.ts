import type { Offset, PartitionId, Timestamp } from '../../base/brands.ts'
import type { Key } from '../../record/key-codec.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { ViewNode } from '../graph/plan.ts'

/**
 * Where the engine puts the rows of a view. `views/` implements it; the engine owns the view's changelog and gives
 * its target only what is durable (ARCHITECTURE D9): first the rows of the changelog while it restores, then commit by
 * commit.
 */
export interface ViewTargets {
  open(view: ViewNode, partitions: number): ViewTarget
}

export interface ViewTarget {
  /**
   * A row of a snapshot or of the changelog, before the first `commit`: its JSON text is a range of bytes, which nobody
   * changes. A negative `start` removes the key.
   */
  restore(
    partition: PartitionId,
    key: StoreKey,
    timestamp: Timestamp,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void
  /** The same of a row, for a key that is a text and lies in ASCII in the same bytes. */
  restoreText(
    partition: PartitionId,
    timestamp: Timestamp,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    start: number,
    end: number,
  ): void
  /** Rows of keys with these hashes (see `hashOfKey`) are restored next: the keys may be looked for together. */
  lookAhead(hashes: Int32Array, count: number): void
  /**
   * The changes of one durable commit, each key at most once. After this returns every read sees all of them.
   * `position` is that of the view's changelog behind the commit.
   */
  commit(partition: PartitionId, changes: readonly ViewChange[], position: Offset): void
  /** The rows of all partitions, for a snapshot, which goes on reading while commits change them. */
  committedRows(): IterableIterator<CommittedRow>
  /** Removes the rows of a partition: what they were restored from turned out to be damaged. */
  clear(partition: PartitionId): void
}

/** A row as the target keeps it. */
export interface CommittedRow {
  readonly key: Key
  readonly partition: PartitionId
  readonly timestamp: Timestamp
  /** Its JSON text; undefined: it was removed. */
  readonly content: string | Uint8Array | undefined
}

export interface ViewChange {
  readonly key: Key
  /** The JSON text of the row in UTF-8, which nobody changes; null: there is no row any more. */
  readonly row: Uint8Array | null
  readonly timestamp: Timestamp
}
