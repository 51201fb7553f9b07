/**
 * A keyed store in memory mode (ARCHITECTURE D6): all entries on the heap, durable by its changelog and snapshots.
 *
 * State: a space per namespace; the spaces with changes; the namespaces dropped since the last commit; the place of the
 * last access, because nearly every `put` follows a `get` of the same key and then needs no look-up.
 *
 * Invariants: an entry that is neither DIRTY nor a ghost holds the value of the last commit. A space is in
 * `#dirtySpaces` exactly if its dirty list is not empty, or it was dropped with one. The last access is forgotten by
 * whatever takes an entry out of its table.
 *
 * Cost: a read-modify-write is one look-up; a commit is linear in the changed entries, a drop of a namespace constant.
 */
import { assert } from '../base/assert.ts'
import { ChangeEncoder, type ChangeSink } from './change-encoder.ts'
import { asciiKeyStart, decodeChangeKey, namespaceBefore } from './changelog-codec.ts'
import { bringNear, DIRTY, DURABLE, type Entry, LIVE, NEAR_ENTRIES, RAW, type RawValue } from './entry.ts'
import type { EntryTable } from './entry-table.ts'
import { compareHashed, hashOfKey } from './key-hash.ts'
import type { KeyedStore, Namespace, StoreChange, StoreKey } from './keyed-store.ts'
import type { EntrySink, SnapshotSource } from './snapshot-source.ts'
import { Space } from './space.ts'
import type { StoreCodec } from './store-codec.ts'
import { StoreCursor } from './store-cursor.ts'

export class MemoryStore<V> implements KeyedStore<V>, SnapshotSource {
  readonly name: string
  readonly codec: StoreCodec<V>
  readonly #encoder: ChangeEncoder<V>
  #spaces = new Map<Namespace, Space>()
  /** Namespaces that hold an entry, ascending; undefined when that may have changed. */
  #namespaces: readonly Namespace[] | undefined
  #dirtySpaces: Space[] = []
  #drops = new Set<Namespace>()
  #size = 0
  #changes = 0
  #commits = 0
  #lastSpace: Space | undefined
  #lastNamespace: Namespace | undefined
  /** Undefined: nothing is known of `#lastEntry`. */
  #lastKey: StoreKey | undefined
  #lastHash = 0
  /** The entry of the last key, perhaps a ghost; undefined if it has none. */
  #lastEntry: Entry | undefined
  /** Of the namespace that was dropped last: for the next one. */
  #spareTable: EntryTable | undefined

  constructor(name: string, codec: StoreCodec<V>) {
    this.name = name
    this.codec = codec
    this.#encoder = new ChangeEncoder(codec)
  }

  get size(): number {
    return this.#size
  }

  /** At most so many changes the next commit will write. A budget: entries put and deleted again are counted too. */
  get changes(): number {
    return this.#changes
  }

  /** How often changes were taken. */
  get commits(): number {
    return this.#commits
  }

  get(namespace: Namespace, key: StoreKey): V | undefined {
    const space = namespace === this.#lastNamespace ? this.#lastSpace : this.#enter(namespace)
    if (space === undefined) return undefined
    const entry = key === this.#lastKey ? this.#lastEntry : this.#look(space, key)
    if (entry === undefined || (entry.flags & LIVE) === 0) return undefined
    return this.#valueOf(entry)
  }

  put(namespace: Namespace, key: StoreKey, value: V): void {
    assert(value !== undefined, 'a value of a store is not undefined; use delete')
    const known = namespace === this.#lastNamespace ? this.#lastSpace : this.#enter(namespace)
    const space = known ?? this.#create(namespace)
    const entry = key === this.#lastKey ? this.#lastEntry : this.#look(space, key)
    if (entry === undefined) {
      this.#lastEntry = space.add(key, this.#lastHash, value, LIVE)
      this.#grow(space)
      this.#touch(space, this.#lastEntry)
      return
    }
    entry.value = value
    const flags = entry.flags
    if ((flags & (LIVE | RAW)) !== LIVE) {
      entry.flags = (flags | LIVE) & ~RAW
      if ((flags & LIVE) === 0) this.#grow(space)
    }
    if ((flags & DIRTY) === 0) this.#touch(space, entry)
  }

  delete(namespace: Namespace, key: StoreKey): void {
    const space = namespace === this.#lastNamespace ? this.#lastSpace : this.#enter(namespace)
    if (space === undefined) return
    const entry = key === this.#lastKey ? this.#lastEntry : this.#look(space, key)
    if (entry === undefined || (entry.flags & LIVE) === 0) return
    entry.value = undefined
    entry.flags &= ~(LIVE | RAW)
    this.#shrink(space)
    if ((entry.flags & DIRTY) === 0) this.#touch(space, entry)
  }

  /**
   * A value of a dropped namespace that may become that of a new key there, if values are entries. Until it is put,
   * the same one is answered again.
   */
  spare(namespace: Namespace): V | undefined {
    const space = namespace === this.#lastNamespace ? this.#lastSpace : this.#enter(namespace)
    const entry = space?.spare()
    return entry !== undefined && entry.value === entry ? (entry.value as V) : undefined
  }

  /** @param reuse nobody holds values of the namespace: they may come back as spare ones. */
  drop(namespace: Namespace, reuse = false): void {
    const space = this.#spaces.get(namespace)
    if (space === undefined) return
    this.#remove(space)
    if (reuse) this.#spareTable = space.releaseTable()
    if (!space.durable) return
    this.#drops.add(namespace)
    this.#changes += 1
  }

  namespaces(): readonly Namespace[] {
    if (this.#namespaces === undefined) {
      const present: Namespace[] = []
      for (const space of this.#spaces.values()) if (space.size > 0) present.push(space.namespace)
      this.#namespaces = present.sort((left, right) => left - right)
    }
    return this.#namespaces
  }

  *scan(namespace: Namespace, after?: StoreKey): IterableIterator<readonly [StoreKey, V]> {
    const space = this.#spaces.get(namespace)
    if (space === undefined) return
    const afterHash = after === undefined ? 0 : hashOfKey(after)
    for (const entries of space.sorted(after)) {
      for (const entry of entries) {
        if (space.dropped) return
        if (isBehind(entry, after, afterHash)) yield [entry.key, this.#valueOf(entry)]
      }
    }
  }

  /** As `scan`, without an object for each entry: ends early when `visit` answers false, and then answers false. */
  visit(
    namespace: Namespace,
    after: StoreKey | undefined,
    visit: (key: StoreKey, value: V) => boolean,
  ): boolean {
    const space = this.#spaces.get(namespace)
    if (space === undefined) return true
    const afterHash = after === undefined ? 0 : hashOfKey(after)
    for (const entries of space.sorted(after)) {
      for (let index = 0; index < entries.length; index += 1) {
        if (index % NEAR_ENTRIES === 0 && bringNear(entries, index) < 0) {
          index += NEAR_ENTRIES - 1
          continue
        }
        const entry = entries[index] as Entry
        if (space.dropped) return true
        if (isBehind(entry, after, afterHash) && !visit(entry.key, this.#valueOf(entry))) return false
      }
    }
    return true
  }

  /**
   * The changes since the last time, each (namespace, key) once: drops of namespaces first, then entries. What was put
   * and deleted again without ever being in the changelog is left out. The values are the store's own objects: encode
   * them before the store is used again. From here on the store counts them as committed: if the commit fails, the
   * store must be thrown away.
   */
  takeChanges(): readonly StoreChange<V>[] {
    const changes: StoreChange<V>[] = []
    this.#drain(
      (namespace, key, value) => changes.push({ namespace, key, value }),
      (namespace, key) => changes.push({ namespace, key, value: undefined }),
    )
    return changes
  }

  /** The same, encoded once, for the changelog. Returns how many. */
  writeChanges(sink: ChangeSink): number {
    const encoder = this.#encoder
    return this.#drain(
      (namespace, key, value) => encoder.put(namespace, key, value, sink),
      (namespace, key) => encoder.remove(namespace, key, sink),
    )
  }

  /**
   * Applies a record of the changelog while the store is restored; key and value stay bytes until they are asked
   * for, so nobody may change them. `valueStart` is negative for a tombstone.
   */
  restore(bytes: Uint8Array, keyStart: number, keyEnd: number, valueStart: number, valueEnd: number): void {
    const text = valueStart < 0 ? -1 : asciiKeyStart(bytes, keyStart, keyEnd)
    if (text >= 0) {
      this.restoreText(namespaceBefore(bytes, keyStart, text), bytes, text, keyEnd, valueStart, valueEnd)
      return
    }
    const { namespace, key } = decodeChangeKey(bytes, keyStart, keyEnd)
    if (key === undefined) this.#restoreDrop(namespace)
    else if (valueStart < 0) this.#restoreDelete(namespace, key)
    else this.restoreEntry(namespace, key, bytes, valueStart, valueEnd)
  }

  restoreEntry(namespace: Namespace, key: StoreKey, bytes: Uint8Array, start: number, end: number): void {
    const space = this.#restoring(namespace)
    if (space.restore(key, bytes, start, end)) this.#grow(space)
  }

  restoreText(
    namespace: Namespace,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    start: number,
    end: number,
  ): void {
    const space = this.#restoring(namespace)
    if (space.restoreText(bytes, keyStart, keyEnd, start, end)) this.#grow(space)
  }

  /** Texts with these hashes are restored next: they may be looked for together. */
  lookAhead(namespace: Namespace, hashes: Int32Array, count: number): void {
    const space = namespace === this.#lastNamespace ? this.#lastSpace : this.#spaces.get(namespace)
    space?.lookAhead(hashes, count)
  }

  /** Back to nothing: a restore begins again from an older snapshot. */
  clear(): void {
    this.#spaces = new Map()
    this.#dirtySpaces = []
    this.#drops = new Set()
    this.#namespaces = undefined
    this.#size = 0
    this.#changes = 0
    this.#forget()
  }

  readEntries(sink: EntrySink): StoreCursor<V> {
    return new StoreCursor([...this.#spaces.values()], this.codec, sink)
  }

  #drain(
    put: (namespace: Namespace, key: StoreKey, value: V) => void,
    remove: (namespace: Namespace, key: StoreKey | undefined) => void,
  ): number {
    let count = this.#drops.size
    // Drops first: the entries below were put after them, into new spaces.
    for (const namespace of this.#drops) remove(namespace, undefined)
    for (const space of this.#dirtySpaces) {
      if (space.dropped) continue
      for (const [index, entry] of space.dirty.entries()) {
        if (index % NEAR_ENTRIES === 0) bringNear(space.dirty, index)
        if ((entry.flags & LIVE) !== 0) {
          put(space.namespace, entry.key, entry.value as V)
          entry.flags = LIVE | DURABLE
          count += 1
          continue
        }
        if ((entry.flags & DURABLE) !== 0) {
          remove(space.namespace, entry.key)
          count += 1
        }
        space.remove(entry)
      }
      space.dirty = []
      space.durable = true
      if (space.size === 0) this.#remove(space)
    }
    this.#drops.clear()
    this.#dirtySpaces = []
    this.#changes = 0
    this.#commits += 1
    this.#forget()
    return count
  }

  #restoring(namespace: Namespace): Space {
    assert(this.#changes === 0, 'a store is restored before it is used')
    const space =
      (namespace === this.#lastNamespace ? this.#lastSpace : this.#enter(namespace)) ??
      this.#create(namespace)
    space.durable = true
    this.#lastKey = undefined
    return space
  }

  #restoreDrop(namespace: Namespace): void {
    const space = this.#spaces.get(namespace)
    if (space !== undefined) this.#remove(space)
  }

  #restoreDelete(namespace: Namespace, key: StoreKey): void {
    const space = this.#spaces.get(namespace)
    if (space?.removeRestored(key) !== true) return
    this.#shrink(space)
    this.#forget()
    if (space.size === 0) this.#remove(space)
  }

  #enter(namespace: Namespace): Space | undefined {
    this.#lastNamespace = namespace
    this.#lastSpace = this.#spaces.get(namespace)
    this.#lastKey = undefined
    return this.#lastSpace
  }

  #create(namespace: Namespace): Space {
    assert(Number.isFinite(namespace), () => `a namespace is a finite number, not ${namespace}`)
    const space = new Space(namespace, this.#spareTable)
    this.#spareTable = undefined
    this.#spaces.set(namespace, space)
    this.#lastNamespace = namespace
    this.#lastSpace = space
    this.#lastKey = undefined
    return space
  }

  #look(space: Space, key: StoreKey): Entry | undefined {
    this.#lastKey = key
    this.#lastHash = hashOfKey(key)
    this.#lastEntry = space.find(key, this.#lastHash)
    return this.#lastEntry
  }

  #touch(space: Space, entry: Entry): void {
    if (space.dirty.length === 0) this.#dirtySpaces.push(space)
    space.touch(entry)
    this.#changes += 1
  }

  #grow(space: Space): void {
    space.size += 1
    this.#size += 1
    if (space.size === 1) this.#namespaces = undefined
  }

  #shrink(space: Space): void {
    space.size -= 1
    this.#size -= 1
    if (space.size === 0) this.#namespaces = undefined
  }

  #remove(space: Space): void {
    space.dropped = true
    this.#changes -= space.dirty.length
    this.#size -= space.size
    this.#spaces.delete(space.namespace)
    this.#namespaces = undefined
    this.#forget()
  }

  #forget(): void {
    this.#lastNamespace = undefined
    this.#lastSpace = undefined
    this.#lastKey = undefined
    this.#lastEntry = undefined
  }

  #valueOf(entry: Entry): V {
    return (entry.flags & RAW) === 0 ? (entry.value as V) : this.#decoded(entry)
  }

  #decoded(entry: Entry): V {
    const raw = entry.value as RawValue
    const value = this.codec.decode(raw.bytes, raw.start, raw.end)
    entry.value = value
    entry.flags &= ~RAW
    return value
  }
}

/** Whether a scan that goes on behind a key gives this entry. */
function isBehind(entry: Entry, after: StoreKey | undefined, afterHash: number): boolean {
  if ((entry.flags & LIVE) === 0) return false
  return after === undefined || compareHashed(entry.hash, entry.key, afterHash, after) > 0
}
