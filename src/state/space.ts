/**
 * The entries of one namespace.
 *
 * State: one Map while there are few entries, which needs no hash at all; beyond `WHOLE_ENTRIES_MAX` a row of 256 Maps
 * by the top 8 bits of the key's hash. Also the list of entries that changed since the last commit.
 *
 * Invariants: an entry is in exactly one Map; it is in `dirty` exactly if its DIRTY flag is set; `size` counts the
 * LIVE ones. A ghost (deleted, not yet committed) stays in its Map, so that a new put of the key finds out whether
 * the changelog knows it.
 *
 * Cost: the one stall is the fan-out of 16,384 entries (about 2 ms). Afterwards Maps rehash one by one, and a scan sorts one
 * of them at a time. 256 Maps of 2^20 are more than a heap of Node holds.
 */
import { DIRTY, Entry, LIVE } from './entry.ts'
import { compareHashed, hashOfKey } from './key-hash.ts'
import type { Namespace, StoreKey } from './keyed-store.ts'

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

  constructor(namespace: Namespace) {
    this.namespace = namespace
  }

  /** The entry of a key, perhaps a ghost. */
  find(key: StoreKey): Entry | undefined {
    const whole = this.#whole
    if (whole !== undefined) return whole.get(key)
    return (this.#row as Entries[])[hashOfKey(key) >>> PIECE_SHIFT]?.get(key)
  }

  /** Adds a key that is not there. */
  add(key: StoreKey, value: unknown, flags: number): Entry {
    const hash = hashOfKey(key)
    const entry = new Entry(key === 0 ? 0 : key, hash, value, flags)
    const whole = this.#whole
    if (whole !== undefined) {
      whole.set(entry.key, entry)
      if (whole.size > WHOLE_ENTRIES_MAX) this.#fanOut(whole)
    } else {
      ;(this.#row as Entries[])[hash >>> PIECE_SHIFT]?.set(entry.key, entry)
    }
    return entry
  }

  /** Puts an entry in the place of the one that the key may have. True: it had none. */
  set(key: StoreKey, value: unknown, flags: number): boolean {
    const hash = hashOfKey(key)
    const entry = new Entry(key === 0 ? 0 : key, hash, value, flags)
    const entries = (this.#whole ?? this.#row?.[hash >>> PIECE_SHIFT]) as Entries
    const before = entries.size
    entries.set(entry.key, entry)
    if (entries === this.#whole && entries.size > WHOLE_ENTRIES_MAX) this.#fanOut(entries)
    return entries.size > before
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
    if (this.#whole !== undefined) yield* this.#whole.values()
    else for (const piece of this.#row as Entries[]) yield* piece.values()
  }

  /** Live entries in the order of (hash, key), sorted piece by piece as they are asked for. */
  *sorted(after: StoreKey | undefined): IterableIterator<Entry> {
    const afterHash = after === undefined ? 0 : hashOfKey(after)
    const first = afterHash >>> PIECE_SHIFT
    const dealt = this.#whole === undefined ? undefined : deal(this.#whole)
    for (let piece = first; piece < PIECES; piece += 1) {
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

  #fanOut(whole: Entries): void {
    const row: Entries[] = []
    for (let piece = 0; piece < PIECES; piece += 1) row.push(new Map())
    for (const [key, entry] of whole) row[entry.hash >>> PIECE_SHIFT]?.set(key, entry)
    this.#row = row
    this.#whole = undefined
  }
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
