/**
 * Entries by key, in a table that is also nearly sorted by the hash of the key, so that a scan hardly sorts.
 *
 * State: `#entries` by row, in the order in which they came, with holes where some were removed; from `#rows` on stand
 * entries of an earlier life of the table, to be used again. `#slots`: the row plus one and the hash, in turn, by linear
 * probing from the place that the upper bits of the hash say. `#tags`: a byte for each slot, from the lower bits of its
 * hash, so that a key that is not there is not looked for in eight times the memory.
 *
 * Invariants: at most half of the slots are not free, so every walk ends and a place lies close to where it should.
 * Walking over the slots in order, hashes rise but for neighbours that met. An array of entries is never compacted in
 * place: who walks over it meanwhile misses none.
 *
 * Cost: a look-up is a byte, and where the key is there an integer and the entry itself; growing is linear and goes
 * through both arrays of slots in order.
 */
import { bringNear, type Entry, NEAR_ENTRIES } from './entry.ts'
import { compareKeys } from './key-hash.ts'
import type { StoreKey } from './keyed-store.ts'

const SLOT_FIELDS = 2
const CAPACITY_BITS_MIN = 3
/** Of a slot's row and tag: nothing was ever there. */
const FREE = 0
/** Of a slot's row: what was there is gone. The tag stays. */
const REMOVED = -1
/** A tag of a slot that is not free. */
const USED = 0x80

export class EntryTable {
  /** Upper bits that are the same in all hashes of this table, and tell nothing. */
  readonly #skip: number
  #slots = new Int32Array(SLOT_FIELDS << CAPACITY_BITS_MIN)
  #tags = new Uint8Array(1 << CAPACITY_BITS_MIN)
  #shift = 32 - CAPACITY_BITS_MIN
  #mask = (1 << CAPACITY_BITS_MIN) - 1
  /** Slots that are not free. */
  #used = 0
  #size = 0
  #rows = 0
  #entries: (Entry | undefined)[] = []

  constructor(skip = 0) {
    this.#skip = skip
  }

  get size(): number {
    return this.#size
  }

  find(key: StoreKey, hash: number): Entry | undefined {
    const slots = this.#slots
    const tags = this.#tags
    const mask = this.#mask
    const tag = USED | (hash & 0x7f)
    for (let place = this.#homeOf(hash); ; place = (place + 1) & mask) {
      const found = tags[place] as number
      if (found === FREE) return undefined
      if (found !== tag || slots[place * SLOT_FIELDS + 1] !== hash) continue
      const row = slots[place * SLOT_FIELDS] as number
      if (row === REMOVED) continue
      const entry = this.#entries[row - 1] as Entry
      if (entry.key === key) return entry
    }
  }

  /** Adds an entry whose key is not there. */
  add(entry: Entry): void {
    this.#size += 1
    const row = this.#rows
    // A spare one stands there already.
    if (this.#entries[row] !== entry) this.#entries[row] = entry
    this.#rows = row + 1
    this.#put(row + 1, entry.hash)
    if (this.#used * 2 > this.#mask) this.#grow()
  }

  /** An entry that nobody uses, for the next `add`; until then it is given again. */
  spare(): Entry | undefined {
    const row = this.#rows
    if (row % NEAR_ENTRIES === 0) bringNear(this.#entries, row)
    return this.#entries[row]
  }

  /**
   * Begins anew with the memory it has: its entries become spare ones. False, and it is left as it was: it had so few
   * of late that it is too large.
   */
  recycle(): boolean {
    if (this.#size * 16 < this.#mask) return false
    // Not more than were used: what a busy hour needed must not stay for ever.
    this.#entries.length = this.#rows
    this.#slots.fill(FREE)
    this.#tags.fill(FREE)
    this.#used = 0
    this.#size = 0
    this.#rows = 0
    return true
  }

  remove(entry: Entry): void {
    const slots = this.#slots
    let place = this.#homeOf(entry.hash)
    for (;;) {
      const row = slots[place * SLOT_FIELDS] as number
      if (row === FREE) return
      if (row !== REMOVED && this.#entries[row - 1] === entry) {
        slots[place * SLOT_FIELDS] = REMOVED
        this.#entries[row - 1] = undefined
        this.#size -= 1
        return
      }
      place = (place + 1) & this.#mask
    }
  }

  /** Those that are there now and still when their turn comes; some of them may be removed ones, which have no flags. */
  *values(): IterableIterator<Entry> {
    const entries = this.#entries
    const count = this.#rows
    for (let row = 0; row < count; row += 1) {
      if (row % NEAR_ENTRIES === 0) bringNear(entries, row)
      const entry = entries[row]
      if (entry !== undefined) yield entry
    }
  }

  /**
   * The entries with this hash or a greater one, and perhaps some before them, by hash, taken as unsigned, then by key.
   * Looks into an entry only where hashes are equal.
   */
  sorted(fromHash = 0): Entry[] {
    const slots = this.#slots
    const order = new HashOrder(this.#size, this.#entries)
    // What stands before its home had no place at the end any more: it comes last.
    for (let place = this.#homeOf(fromHash); place <= this.#mask; place += 1) {
      const row = slots[place * SLOT_FIELDS] as number
      const hash = slots[place * SLOT_FIELDS + 1] as number
      if (row > FREE && this.#homeOf(hash) <= place) order.insert(hash, row)
    }
    for (let place = 0; slots[place * SLOT_FIELDS] !== FREE; place += 1) {
      const row = slots[place * SLOT_FIELDS] as number
      const hash = slots[place * SLOT_FIELDS + 1] as number
      if (row > FREE && this.#homeOf(hash) > place) order.insert(hash, row)
    }
    return order.entries()
  }

  #homeOf(hash: number): number {
    return (hash << this.#skip) >>> this.#shift
  }

  #put(stored: number, hash: number): void {
    const slots = this.#slots
    let place = this.#homeOf(hash)
    const tags = this.#tags
    while (tags[place] !== FREE) place = (place + 1) & this.#mask
    tags[place] = USED | (hash & 0x7f)
    slots[place * SLOT_FIELDS] = stored
    slots[place * SLOT_FIELDS + 1] = hash
    this.#used += 1
  }

  /** Room for twice the entries, without the holes. */
  #grow(): void {
    const before = this.#slots
    const rows = this.#size < this.#rows ? this.#compact() : undefined
    let bits = CAPACITY_BITS_MIN
    while (1 << bits < this.#size * 4) bits += 1
    this.#shift = 32 - bits
    this.#mask = (1 << bits) - 1
    this.#slots = new Int32Array(SLOT_FIELDS << bits)
    this.#tags = new Uint8Array(1 << bits)
    this.#used = 0
    for (let at = 0; at < before.length; at += SLOT_FIELDS) {
      const row = before[at] as number
      if (row <= FREE) continue
      this.#put(rows === undefined ? row : (rows[row] as number), before[at + 1] as number)
    }
  }

  /** Moves the entries together, into an array of their own; returns where each stored row went. */
  #compact(): Int32Array {
    const rows = new Int32Array(this.#rows + 1)
    const entries: Entry[] = []
    for (let row = 0; row < this.#rows; row += 1) {
      const entry = this.#entries[row]
      if (entry !== undefined) rows[row + 1] = entries.push(entry)
    }
    this.#entries = entries
    this.#rows = entries.length
    return rows
  }
}

/** Sorts what comes nearly sorted, by insertion. */
class HashOrder {
  readonly #hashes: Uint32Array
  readonly #rows: Int32Array
  readonly #entries: readonly (Entry | undefined)[]
  #count = 0

  constructor(size: number, entries: readonly (Entry | undefined)[]) {
    this.#hashes = new Uint32Array(size)
    this.#rows = new Int32Array(size)
    this.#entries = entries
  }

  /** Rows are counted from 1. */
  insert(signedHash: number, row: number): void {
    const hash = signedHash >>> 0
    const hashes = this.#hashes
    const rows = this.#rows
    let at = this.#count
    for (; at > 0; at -= 1) {
      const before = hashes[at - 1] as number
      if (before < hash || (before === hash && this.#keysRise(rows[at - 1] as number, row))) break
      hashes[at] = before
      rows[at] = rows[at - 1] as number
    }
    hashes[at] = hash
    rows[at] = row
    this.#count += 1
  }

  entries(): Entry[] {
    const sorted: Entry[] = []
    for (let index = 0; index < this.#count; index += 1) {
      sorted.push(this.#entries[(this.#rows[index] as number) - 1] as Entry)
    }
    return sorted
  }

  #keysRise(left: number, right: number): boolean {
    return compareKeys((this.#entries[left - 1] as Entry).key, (this.#entries[right - 1] as Entry).key) < 0
  }
}
