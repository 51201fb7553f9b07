import { hashOfKey } from '../state/key-hash.ts'
import type { StoreKey } from '../state/keyed-store.ts'
import type { ViewRow } from './view-row.ts'

/** Up to here one Map needs no hash of our own. */
const WHOLE_ROWS_MAX = 16_384
const PIECES = 256
const PIECE_SHIFT = 24

type Rows = Map<StoreKey, ViewRow>

/**
 * Rows by the store form of their key: one Map while there are few, then a row of 256 Maps by the top bits of the key's
 * hash.
 *
 * One Map for all would stall for 50 ms when it rehashes a million entries, and would end at 2^24. And rows that come
 * Map by Map, as from a snapshot, fill Maps that fit into the processor's cache: that is half of a restore's time.
 */
export class RowMaps {
  readonly #wholeMax: number
  #whole: Rows | undefined = new Map()
  #pieces: readonly Rows[] = []
  #size = 0

  constructor(wholeMax: number = WHOLE_ROWS_MAX) {
    this.#wholeMax = wholeMax
  }

  get size(): number {
    return this.#size
  }

  get(key: StoreKey): ViewRow | undefined {
    return this.#mapOf(key).get(key)
  }

  /** The key must not be there: rows are updated in place. */
  add(key: StoreKey, row: ViewRow): void {
    this.#mapOf(key).set(key, row)
    this.#size++
    if (this.#whole !== undefined && this.#size > this.#wholeMax) this.#fanOut(this.#whole)
  }

  delete(key: StoreKey): void {
    if (this.#mapOf(key).delete(key)) this.#size--
  }

  /** All rows. It may be kept over changes: then rows that came since may be left out, and one may come twice. */
  *all(): IterableIterator<ViewRow> {
    if (this.#whole !== undefined) yield* this.#whole.values()
    else for (const piece of this.#pieces) yield* piece.values()
  }

  clear(): void {
    this.#whole = new Map()
    this.#pieces = []
    this.#size = 0
  }

  #mapOf(key: StoreKey): Rows {
    return this.#whole ?? (this.#pieces[hashOfKey(key) >>> PIECE_SHIFT] as Rows)
  }

  #fanOut(whole: Rows): void {
    this.#pieces = Array.from({ length: PIECES }, () => new Map())
    this.#whole = undefined
    for (const [key, row] of whole) this.#mapOf(key).set(key, row)
  }
}
