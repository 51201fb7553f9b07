import type { Namespace, StoreKey } from './keyed-store.ts'

/**
 * What a snapshot is taken of and restored into: a store, or a partition of a view. Values are bytes or text to the
 * snapshot; what they mean is the source's affair.
 */
export interface SnapshotSource {
  readonly size: number
  /** Changes that no commit has taken yet. */
  readonly changes: number
  /** How often a commit took changes. */
  readonly commits: number
  /** Begins to read everything that is there, one entry at a time, while the source goes on changing. */
  readEntries(sink: EntrySink): EntryCursor
  /** An entry of a snapshot, while the source is restored; the bytes are kept, so nobody may change them. */
  restoreEntry(namespace: Namespace, key: StoreKey, bytes: Uint8Array, start: number, end: number): void
  /** The same for a key whose text lies in ASCII in the same bytes, which are kept as well. */
  restoreText(
    namespace: Namespace,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    start: number,
    end: number,
  ): void
  /** Back to nothing: a restore begins again from an older snapshot. */
  clear(): void
}

export interface EntryCursor {
  /**
   * Gives the sink the next entry, if it has a committed value. An entry may come twice, the later value last; one
   * that was added or changed since the begin may be missing. False: every entry had its turn.
   */
  next(): boolean
}

export interface EntrySink {
  text(namespace: Namespace, key: StoreKey, value: string): void
  /** The range of bytes is copied at once. */
  bytes(namespace: Namespace, key: StoreKey, value: Uint8Array, start: number, end: number): void
  /** An entry was passed over because it changed since the last commit: the next one writes it to the changelog. */
  leftOut(): void
}
