/**
 * The entries of one namespace.
 *
 * State: one table while there are few entries; beyond `WHOLE_ENTRIES_MAX` a row of 256 tables by the top 8 bits of the
 * key's hash. Also the list of entries that changed since the last commit.
 *
 * What a restore read lies beside them as bytes (see RestoredEntries) and moves into a table when it is asked for.
 *
 * Invariants: a key is in exactly one table or among the restored; an entry is in `dirty` exactly if its DIRTY flag is
 * set; `size` counts the LIVE ones. A ghost (deleted, not yet committed) stays in its table, so that a new put of the
 * key finds out whether the changelog knows it.
 *
 * Cost: the one stall is the fan-out of 65,536 entries (about 4 ms). Afterwards tables grow one by one, and a scan
 * sorts one of them at a time.
 */
import { DIRTY, DURABLE, Entry, LIVE, RAW, RawValue } from './entry.ts'
import { EntryTable } from './entry-table.ts'
import { hashOfKey } from './key-hash.ts'
import type { Namespace, StoreKey } from './keyed-store.ts'
import { RestoredEntries } from './restored-entries.ts'
import { asBuffer } from './store-codec.ts'

export const WHOLE_ENTRIES_MAX = 65_536
const PIECES = 256
const PIECE_BITS = 8
const PIECE_SHIFT = 32 - PIECE_BITS

export class Space {
  readonly namespace: Namespace
  /** Live entries. */
  size = 0
  /** The namespace was dropped: whoever still holds this space must leave it. */
  dropped = false
  /** The changelog has, or had, entries of it, so that a drop must be written. */
  durable = false
  dirty: Entry[] = []
  #whole: EntryTable | undefined
  #row: EntryTable[] | undefined
  /** What a restore read and nobody asked for yet; undefined when there is none. */
  #restored: RestoredEntries | undefined

  /** @param table an empty one of a space that was dropped. */
  constructor(namespace: Namespace, table = new EntryTable()) {
    this.namespace = namespace
    this.#whole = table
  }

  /** An entry of the table's earlier life, for the next `add`. */
  spare(): Entry | undefined {
    return this.#whole?.spare()
  }

  /** Gives the table of this dropped space away, where it is worth it. Nobody may hold its entries any more. */
  releaseTable(): EntryTable | undefined {
    const table = this.#whole
    // Who still walks over this space finds that it was dropped.
    this.#whole = new EntryTable()
    return table?.recycle() === true ? table : undefined
  }

  /** The entry of a key, perhaps a ghost. */
  find(key: StoreKey, hash: number): Entry | undefined {
    const entry = this.#known(key, hash)
    return entry !== undefined || this.#restored === undefined ? entry : this.#wake(this.#restored, key, hash)
  }

  /** Adds a key that is not there. */
  add(key: StoreKey, hash: number, value: unknown, flags: number): Entry {
    const entry = Entry.of(key === 0 ? 0 : key, hash, value, flags)
    this.#insert(entry)
    return entry
  }

  /** Sets what a restore read of a key. True: it had nothing. */
  restore(key: StoreKey, bytes: Uint8Array, start: number, end: number): boolean {
    // Somebody may have asked for it while the store is restored.
    const woken = this.#known(key, hashOfKey(key))
    if (woken !== undefined) this.remove(woken)
    this.#restored ??= new RestoredEntries()
    const before = this.#restored.size
    this.#restored.set(key === 0 ? 0 : key, bytes, start, end)
    return woken === undefined && this.#restored.size > before
  }

  /** The same for a key whose text lies in ASCII in the same bytes. */
  restoreText(bytes: Uint8Array, keyStart: number, keyEnd: number, start: number, end: number): boolean {
    if (this.#row !== undefined || (this.#whole as EntryTable).size > 0) {
      return this.restore(asBuffer(bytes).latin1Slice(keyStart, keyEnd), bytes, start, end)
    }
    this.#restored ??= new RestoredEntries()
    const before = this.#restored.size
    this.#restored.setText(bytes, keyStart, keyEnd, start, end)
    return this.#restored.size > before
  }

  /** See RestoredEntries. */
  lookAhead(hashes: Int32Array, count: number): void {
    this.#restored?.lookAhead(hashes, count)
  }

  /** Forgets a key while the store is restored. False: it was not there. */
  removeRestored(key: StoreKey): boolean {
    const hash = hashOfKey(key)
    if (this.#restored?.remove(key, hash) === true) return true
    const woken = this.#known(key, hash)
    if (woken !== undefined) this.remove(woken)
    return woken !== undefined
  }

  /** Takes an entry out of its table. Its flags must tell holders of the object that it is gone. */
  remove(entry: Entry): void {
    entry.flags = 0
    entry.value = undefined
    this.#tableOf(entry.hash).remove(entry)
  }

  touch(entry: Entry): void {
    entry.flags |= DIRTY
    this.dirty.push(entry)
  }

  /**
   * All entries, in no useful order. It may be kept over changes and commits: then it leaves out entries added since,
   * and may give entries that are gone, which have no flags.
   */
  *entries(): IterableIterator<Entry> {
    const restored = this.#restored
    if (restored !== undefined) for (const row of restored.all()) yield entryOf(restored, row)
    // Only now: what somebody asked for in between lies in a table.
    if (this.#whole !== undefined) yield* this.#whole.values()
    else for (const piece of this.#row as EntryTable[]) yield* piece.values()
  }

  /**
   * All entries in the order of (hash, key), piece by piece as they are asked for, from the piece that holds `after`.
   * They may be gone by the time they are looked at, which their flags say, and this space with them.
   */
  *sorted(after: StoreKey | undefined): IterableIterator<readonly Entry[]> {
    this.#prepareScan()
    const afterHash = after === undefined ? 0 : hashOfKey(after)
    if (this.#whole !== undefined) {
      yield this.#whole.sorted(afterHash)
      return
    }
    const row = this.#row as EntryTable[]
    const first = afterHash >>> PIECE_SHIFT
    for (let piece = first; piece < PIECES; piece += 1) {
      if (this.#restored !== undefined) this.#wakeRows(this.#restored, this.#restored.piece(piece))
      yield (row[piece] as EntryTable).sorted(piece === first ? afterHash : 0)
    }
  }

  #tableOf(hash: number): EntryTable {
    return this.#whole ?? ((this.#row as EntryTable[])[hash >>> PIECE_SHIFT] as EntryTable)
  }

  #known(key: StoreKey, hash: number): Entry | undefined {
    return this.#tableOf(hash).find(key, hash)
  }

  #insert(entry: Entry): void {
    this.#tableOf(entry.hash).add(entry)
    if (this.#whole !== undefined && this.#whole.size > WHOLE_ENTRIES_MAX) this.#fanOut(this.#whole)
  }

  /** A restored entry is asked for the first time: from now on it lies in a table. */
  #wake(restored: RestoredEntries, key: StoreKey, hash: number): Entry | undefined {
    const row = restored.find(key, hash)
    if (row < 0) return undefined
    const entry = entryOf(restored, row)
    this.#wakeEntry(restored, entry)
    return entry
  }

  #wakeEntry(restored: RestoredEntries, entry: Entry): void {
    restored.remove(entry.key, entry.hash)
    if (restored.size === 0) this.#restored = undefined
    this.#insert(entry)
  }

  #wakeRows(restored: RestoredEntries, rows: Iterable<number>): void {
    for (const row of rows) this.#wakeEntry(restored, entryOf(restored, row))
  }

  /** Many restored entries are woken piece by piece, a few at once. */
  #prepareScan(): void {
    if (this.#restored?.inPieces === false) this.#wakeRows(this.#restored, this.#restored.all())
    if (this.#restored !== undefined && this.#whole !== undefined) this.#fanOut(this.#whole)
  }

  #fanOut(whole: EntryTable): void {
    const row = Array.from({ length: PIECES }, () => new EntryTable(PIECE_BITS))
    for (const entry of whole.values()) row[entry.hash >>> PIECE_SHIFT]?.add(entry)
    this.#row = row
    this.#whole = undefined
  }
}

function entryOf(restored: RestoredEntries, row: number): Entry {
  const key = restored.key(row)
  const value = new RawValue(restored.bytes(row), restored.valueStart(row), restored.valueEnd(row))
  return new Entry(key, hashOfKey(key), value, LIVE | DURABLE | RAW)
}
