/**
 * Entries as a restore read them, found by key, without an object of the heap for each: a restart is quick because
 * a million of them are a few arrays of integers over the blocks that were read.
 *
 * State: `#rows`, five integers an entry: its block, the range of its key in it (or -1 - its key's index in `#keys`,
 * for what is no ASCII text), the range of its value. `#tables`, from hashes to rows: one while there are few entries,
 * then 256 by the top 8 bits of the hash, as in a space and therefore in a snapshot: entries that come in its order
 * meet a table that is in the processor's cache. `#blocks`, and how many entries of each are left.
 *
 * Invariants: a key has one row, which keeps its number when the value is replaced. A block is let go with its last
 * entry.
 *
 * Cost: some 100 ns to set an entry, 36 to 52 bytes of memory; a look-up compares bytes, without making a string.
 */
import { hashOfAscii, hashOfKey } from './key-hash.ts'
import type { StoreKey } from './keyed-store.ts'
import { SlotTable } from './slot-table.ts'

/** Up to here one table fits into the cache. */
const WHOLE_ENTRIES_MAX = 4_096
const PIECES = 256
const PIECE_SHIFT = 24
const ROWS_MIN = 8
/** Keys to be looked for at once. */
export const LOOK_AHEAD = 32
const ROW_FIELDS = 5
/** In place of the number of the block, which comes first. */
const GONE = -1
const KEY_START = 1
const KEY_END = 2
const VALUE_START = 3
const VALUE_END = 4

const { latin1Slice } = Buffer.prototype

export class RestoredEntries {
  #tables: readonly SlotTable[] = [new SlotTable()]
  /** Of the top bits of a hash: those that choose the table. */
  #pieceMask = 0
  #rows = new Int32Array(ROWS_MIN * ROW_FIELDS)
  #rowCount = 0
  #size = 0
  readonly #blocks: (Uint8Array | undefined)[] = []
  readonly #blockSizes: number[] = []
  readonly #numbers = new Map<Uint8Array, number>()
  #lastBytes: Uint8Array | undefined
  #lastBlock = 0
  readonly #keys: StoreKey[] = []
  readonly #ahead = new Int32Array(LOOK_AHEAD)

  get size(): number {
    return this.#size
  }

  /** Sets the value of a key whose text lies in ASCII in the same bytes, which nobody may change. Returns the row. */
  setText(bytes: Uint8Array, keyStart: number, keyEnd: number, start: number, end: number): number {
    const hash = hashOfAscii(bytes, keyStart, keyEnd)
    const table = this.#tableOf(hash)
    let row = table.first(hash)
    while (row >= 0 && !this.#hasText(row, bytes, keyStart, keyEnd)) row = table.next(hash)
    return this.#set(row, hash, bytes, keyStart, keyEnd, start, end)
  }

  /** The same for any key. */
  set(key: StoreKey, bytes: Uint8Array, start: number, end: number): number {
    const hash = hashOfKey(key)
    const row = this.find(key, hash)
    const present = row < 0 ? 0 : (this.#rows[row * ROW_FIELDS + KEY_START] as number)
    return this.#set(row, hash, bytes, present < 0 ? present : -this.#keys.push(key), 0, start, end)
  }

  /**
   * Reads what `setText` will look at for keys with these hashes, so that the processor waits for all of them at
   * once and not for one after the other.
   */
  lookAhead(hashes: Int32Array, count: number): void {
    const ahead = this.#ahead
    for (let index = 0; index < count; index += 1) {
      const hash = hashes[index] as number
      ahead[index] = this.#tableOf(hash).peek(hash)
    }
    const rows = this.#rows
    let read = 0
    for (let index = 0; index < count; index += 1) {
      const at = (ahead[index] as number) * ROW_FIELDS
      read += (rows[at + KEY_END] as number) + (rows[at + VALUE_END] as number)
    }
    for (let index = 0; index < count; index += 1) {
      const at = (ahead[index] as number) * ROW_FIELDS
      const start = rows[at + KEY_START] as number
      if (start >= 0) read += this.#blocks[rows[at] as number]?.[start] ?? 0
    }
    // Without an effect the compiler might leave the reads out.
    this.#ahead[0] = read
  }

  /** The row of a key, negative if there is none. */
  find(key: StoreKey, hash: number): number {
    const table = this.#tableOf(hash)
    let row = table.first(hash)
    while (row >= 0 && !this.#hasKey(row, key)) row = table.next(hash)
    return row
  }

  /** Removes a key. False: it was not there. */
  remove(key: StoreKey, hash: number): boolean {
    const row = this.find(key, hash)
    if (row < 0) return false
    this.#tableOf(hash).removeHere()
    this.#release(this.#rows[row * ROW_FIELDS] as number)
    this.#rows[row * ROW_FIELDS] = GONE
    this.#size -= 1
    return true
  }

  key(row: number): StoreKey {
    const at = row * ROW_FIELDS
    const start = this.#rows[at + KEY_START] as number
    if (start < 0) return this.#keys[-1 - start] as StoreKey
    return latin1Slice.call(this.bytes(row), start, this.#rows[at + KEY_END])
  }

  bytes(row: number): Uint8Array {
    return this.#blocks[this.#rows[row * ROW_FIELDS] as number] as Uint8Array
  }

  valueStart(row: number): number {
    return this.#rows[row * ROW_FIELDS + VALUE_START] as number
  }

  valueEnd(row: number): number {
    return this.#rows[row * ROW_FIELDS + VALUE_END] as number
  }

  /** Whether `piece` tells the entries apart; a few are not worth it. */
  get inPieces(): boolean {
    return this.#tables.length > 1
  }

  /** The rows whose key's hash begins with these 8 bits. */
  piece(piece: number): readonly number[] {
    const rows: number[] = []
    this.#tables[piece]?.forEach((_hash, row) => rows.push(row))
    return rows
  }

  /** All rows, in the order in which they came. What is removed meanwhile is not given later. */
  *all(): IterableIterator<number> {
    for (let row = 0; row < this.#rowCount; row += 1) if (this.#rows[row * ROW_FIELDS] !== GONE) yield row
  }

  #tableOf(hash: number): SlotTable {
    return this.#tables[(hash >>> PIECE_SHIFT) & this.#pieceMask] as SlotTable
  }

  #hasKey(row: number, key: StoreKey): boolean {
    const at = row * ROW_FIELDS
    const start = this.#rows[at + KEY_START] as number
    if (start < 0) return this.#keys[-1 - start] === key
    const end = this.#rows[at + KEY_END] as number
    return typeof key === 'string' && isText(key, this.bytes(row), start, end)
  }

  #hasText(row: number, bytes: Uint8Array, keyStart: number, keyEnd: number): boolean {
    const at = row * ROW_FIELDS
    const start = this.#rows[at + KEY_START] as number
    if (start < 0) {
      const key = this.#keys[-1 - start] as StoreKey
      return typeof key === 'string' && isText(key, bytes, keyStart, keyEnd)
    }
    const length = keyEnd - keyStart
    if ((this.#rows[at + KEY_END] as number) - start !== length) return false
    const present = this.bytes(row)
    for (let index = 0; index < length; index += 1) {
      if (present[start + index] !== bytes[keyStart + index]) return false
    }
    return true
  }

  /** @param present the key's row, negative if it is new. */
  #set(
    present: number,
    hash: number,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    start: number,
    end: number,
  ): number {
    const block = this.#blockOf(bytes)
    const row = present < 0 ? this.#rowCount : present
    const at = row * ROW_FIELDS
    if (present < 0) this.#add(hash)
    else this.#release(this.#rows[at] as number)
    const rows = this.#rows
    rows[at] = block
    rows[at + KEY_START] = keyStart
    rows[at + KEY_END] = keyEnd
    rows[at + VALUE_START] = start
    rows[at + VALUE_END] = end
    return row
  }

  #add(hash: number): void {
    const row = this.#rowCount
    if ((row + 1) * ROW_FIELDS > this.#rows.length) {
      const larger = new Int32Array(this.#rows.length * 2)
      larger.set(this.#rows)
      this.#rows = larger
    }
    this.#rowCount += 1
    this.#size += 1
    this.#tableOf(hash).add(hash, row)
    if (this.#pieceMask === 0 && this.#size > WHOLE_ENTRIES_MAX) this.#fanOut()
  }

  #fanOut(): void {
    const [whole] = this.#tables
    this.#tables = Array.from({ length: PIECES }, () => new SlotTable())
    this.#pieceMask = PIECES - 1
    whole?.forEach((hash, row) => this.#tableOf(hash).add(hash, row))
  }

  /** The number of a block, for one more entry. Mostly blocks come one after the other, each with all its entries. */
  #blockOf(bytes: Uint8Array): number {
    if (bytes !== this.#lastBytes) {
      this.#lastBytes = bytes
      this.#lastBlock = this.#numbers.get(bytes) ?? this.#newBlock(bytes)
    }
    const block = this.#lastBlock
    this.#blockSizes[block] = (this.#blockSizes[block] as number) + 1
    return block
  }

  #newBlock(bytes: Uint8Array): number {
    const block = this.#blocks.push(bytes) - 1
    this.#blockSizes.push(0)
    this.#numbers.set(bytes, block)
    return block
  }

  #release(block: number): void {
    const left = (this.#blockSizes[block] as number) - 1
    this.#blockSizes[block] = left
    if (left > 0) return
    this.#numbers.delete(this.#blocks[block] as Uint8Array)
    this.#blocks[block] = undefined
    this.#lastBytes = undefined
  }
}

function isText(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start
  if (text.length !== length) return false
  for (let index = 0; index < length; index += 1) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false
  }
  return true
}
