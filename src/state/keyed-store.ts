/** A key inside a store: strings and numbers only; other keys are encoded into strings by `record/key.ts`. */
export type StoreKey = string | number

/** A window's end, a time bucket; 0 where a store has only one. */
export type Namespace = number

/**
 * The port of ARCHITECTURE D6: the latest value per (namespace, key), synchronous. Values are objects that the caller
 * may change in place, but then must `put` again, so that the store knows. What was `put` and deleted between two
 * `takeChanges` is what a commit writes to the changelog.
 */
export interface KeyedStore<V> {
  readonly name: string
  get(namespace: Namespace, key: StoreKey): V | undefined
  put(namespace: Namespace, key: StoreKey, value: V): void
  delete(namespace: Namespace, key: StoreKey): void
  /** Namespaces that hold an entry, ascending. */
  namespaces(): readonly Namespace[]
  /**
   * Entries of a namespace in the order of (32-bit hash of the key, key), after `after` if given; the order is the
   * same in every run (SEMANTICS 2.5). Entries may be changed or deleted while it runs; new ones may be left out.
   */
  scan(namespace: Namespace, after?: StoreKey): IterableIterator<readonly [StoreKey, V]>
  /** Removes a whole namespace; its cost does not grow with the commit's other changes. */
  drop(namespace: Namespace): void
  readonly size: number
}

/** One line of a changelog: a put, a delete of one key (value undefined) or the drop of a namespace (key undefined). */
export interface StoreChange<V> {
  readonly namespace: Namespace
  readonly key: StoreKey | undefined
  readonly value: V | undefined
}
