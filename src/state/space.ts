/**
 * The entries of one namespace.
 *
 * State: one Map while there are few entries, which needs no hash at all; beyond `WHOLE_ENTRIES_MAX` a row of 256 Maps
 * by the top 8 bits of the key's hash. Also the list of entries that changed since the last commit.
 *
 * What a restore read lies beside them as bytes (see RestoredEntries) and moves into a Map when it is asked for.
 *
 * Invariants: a key is in exactly one Map or among the restored; an entry is in `dirty` exactly if its DIRTY flag is set; `size` counts the
 * LIVE ones. A ghost (deleted, not yet committed) stays in its Map, so that a new put of the key finds out whether
 * the changelog knows it.
 *
 * Cost: the one stall is the fan-out of 16,384 entries (about 2 ms). Afterwards Maps rehash one by one, and a scan sorts one
 * of them at a time. 256 Maps of 2^20 are more than a heap of Node holds.
 */
import { DIRTY, DURABLE, Entry, LIVE, RAW, RawValue } from './entry.ts'
import { compareHashed, hashOfKey } from './key-hash.ts'
import type { Namespace, StoreKey } from './keyed-store.ts'
import { RestoredEntries } from './restored-entries.ts'
import { asBuffer } from './store-codec.ts'

export const WHOLE_ENTRIES_MAX = 16_384
const PIECES = 256
const PIECE_SHIFT = 24
/** Up to here a scan sorts everything at once; above, it first deals the entries into pieces. */
const SORTED_AT_ONCE_MAX = 1_024

type Entries = Map<StoreKey, Entry>

export class Space {
  readonly namespace: Namespace
  /** Live entries. */
  size = 0
  /** The namespace was dropped: whoever still holds this space must leave it. */
  dropped = false
  /** The changelog has, or had, entries of it, so that a drop must be written. */
  durable = false
  dirty: Entry[] = []
  #whole: Entries | undefined = new Map()
  #row: Entries[] | undefined
  /** What a restore read and nobody asked for yet; undefined when there is none. */
  #restored: RestoredEntries | undefined

  constructor(namespace: Namespace) {
    this.namespace = namespace
  }

  /** The entry of a key, perhaps a ghost. */
  find(key: StoreKey): Entry | undefined {
    const entry = this.#mapped(key)
    return entry !== undefined || this.#restored === undefined ? entry : this.#wake(this.#restored, key)
  }

  /** Adds a key that is not there. */
  add(key: StoreKey, value: unknown, flags: number): Entry {
    const entry = new Entry(key === 0 ? 0 : key, hashOfKey(key), value, flags)
    this.#insert(entry)
    return entry
  }

  /** Sets what a restore read of a key. True: it had nothing. */
  restore(key: StoreKey, bytes: Uint8Array, start: number, end: number): boolean {
    // Somebody may have asked for it while the store is restored.
    const woken = this.#mapped(key)
    if (woken !== undefined) this.remove(woken)
    this.#restored ??= new RestoredEntries()
    const before = this.#restored.size
    this.#restored.set(key === 0 ? 0 : key, bytes, start, end)
    return woken === undefined && this.#restored.size > before
  }

  /** The same for a key whose text lies in ASCII in the same bytes. */
  restoreText(bytes: Uint8Array, keyStart: number, keyEnd: number, start: number, end: number): boolean {
    if (this.#row !== undefined || (this.#whole as Entries).size > 0) {
      return this.restore(asBuffer(bytes).latin1Slice(keyStart, keyEnd), bytes, start, end)
    }
    this.#restored ??= new RestoredEntries()
    const before = this.#restored.size
    this.#restored.setText(bytes, keyStart, keyEnd, start, end)
    return this.#restored.size > before
  }

  /** Forgets a key while the store is restored. False: it was not there. */
  removeRestored(key: StoreKey): boolean {
    if (this.#restored?.remove(key, hashOfKey(key)) === true) return true
    const woken = this.#mapped(key)
    if (woken !== undefined) this.remove(woken)
    return woken !== undefined
  }

  /** Takes an entry out of its Map. Its flags must tell holders of the object that it is gone. */
  remove(entry: Entry): void {
    entry.flags = 0
    entry.value = undefined
    if (this.#whole !== undefined) this.#whole.delete(entry.key)
    else (this.#row as Entries[])[entry.hash >>> PIECE_SHIFT]?.delete(entry.key)
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
    // Only now: what somebody asked for in between lies in a Map.
    if (this.#whole !== undefined) yield* this.#whole.values()
    else for (const piece of this.#row as Entries[]) yield* piece.values()
  }

  /** Live entries in the order of (hash, key), sorted piece by piece as they are asked for. */
  *sorted(after: StoreKey | undefined): IterableIterator<Entry> {
    const afterHash = after === undefined ? 0 : hashOfKey(after)
    const first = afterHash >>> PIECE_SHIFT
    this.#prepareScan()
    const dealt = this.#whole === undefined ? undefined : deal(this.#whole)
    for (let piece = first; piece < PIECES; piece += 1) {
      if (this.#restored !== undefined) this.#wakeRows(this.#restored, this.#restored.piece(piece))
      const entries =
        dealt === undefined ? [...((this.#row as Entries[])[piece]?.values() ?? [])] : dealt[piece]
      if (entries === undefined) continue
      entries.sort(byHash)
      for (const entry of entries) {
        if (this.dropped) return
        if ((entry.flags & LIVE) === 0) continue
        if (after !== undefined && compareHashed(entry.hash, entry.key, afterHash, after) <= 0) continue
        yield entry
      }
    }
  }

  #mapped(key: StoreKey): Entry | undefined {
    const whole = this.#whole
    if (whole !== undefined) return whole.get(key)
    return (this.#row as Entries[])[hashOfKey(key) >>> PIECE_SHIFT]?.get(key)
  }

  #insert(entry: Entry): void {
    const whole = this.#whole
    if (whole !== undefined) {
      whole.set(entry.key, entry)
      if (whole.size > WHOLE_ENTRIES_MAX) this.#fanOut(whole)
    } else {
      ;(this.#row as Entries[])[entry.hash >>> PIECE_SHIFT]?.set(entry.key, entry)
    }
  }

  /** A restored entry is asked for the first time: from now on it lies in a Map. */
  #wake(restored: RestoredEntries, key: StoreKey): Entry | undefined {
    const row = restored.find(key, hashOfKey(key))
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

  #fanOut(whole: Entries): void {
    const row: Entries[] = []
    for (let piece = 0; piece < PIECES; piece += 1) row.push(new Map())
    for (const [key, entry] of whole) row[entry.hash >>> PIECE_SHIFT]?.set(key, entry)
    this.#row = row
    this.#whole = undefined
  }
}

function entryOf(restored: RestoredEntries, row: number): Entry {
  const key = restored.key(row)
  const value = new RawValue(restored.bytes(row), restored.valueStart(row), restored.valueEnd(row))
  return new Entry(key, hashOfKey(key), value, LIVE | DURABLE | RAW)
}

/** Entries by piece; few ones are all put into the last, which any `after` leaves to be looked at. */
function deal(whole: Entries): readonly (Entry[] | undefined)[] {
  const dealt = new Array<Entry[] | undefined>(PIECES).fill(undefined)
  if (whole.size <= SORTED_AT_ONCE_MAX) {
    dealt[PIECES - 1] = [...whole.values()]
    return dealt
  }
  for (const entry of whole.values()) {
    const piece = entry.hash >>> PIECE_SHIFT
    const entries = dealt[piece]
    if (entries === undefined) dealt[piece] = [entry]
    else entries.push(entry)
  }
  return dealt
}

function byHash(left: Entry, right: Entry): number {
  return compareHashed(left.hash, left.key, right.hash, right.key)
}
