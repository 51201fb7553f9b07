import type { ViewRow } from './view-row.ts'

/** A Map stalls when it rehashes and ends at 2^24 entries; below this size a rehash takes some 50 ms. */
const ENTRIES_MAX = 2 ** 20

/**
 * Rows by the store form of their key, in a row of Maps of bounded size.
 *
 * A new entry goes into the first Map that has room, and a look-up asks one Map after the other: a view of up to a
 * million rows, the usual one, pays for a single Map and no hash of its own, one of ten million pays ten probes.
 */
export class RowMaps {
  readonly #maps: Map<string | number, ViewRow>[] = [new Map()]
  readonly #entriesMax: number
  #size = 0

  constructor(entriesMax: number = ENTRIES_MAX) {
    this.#entriesMax = entriesMax
  }

  get size(): number {
    return this.#size
  }

  get(key: string | number): ViewRow | undefined {
    for (const map of this.#maps) {
      const row = map.get(key)
      if (row !== undefined) return row
    }
    return undefined
  }

  /** The key must not be there: rows are updated in place. */
  add(key: string | number, row: ViewRow): void {
    let map = this.#maps.find((candidate) => candidate.size < this.#entriesMax)
    if (map === undefined) {
      map = new Map()
      this.#maps.push(map)
    }
    map.set(key, row)
    this.#size++
  }

  delete(key: string | number): void {
    for (const map of this.#maps) {
      if (!map.delete(key)) continue
      this.#size--
      return
    }
  }

  /** All rows. It may be kept over changes: then rows that came since may be left out, and one may come twice. */
  *all(): IterableIterator<ViewRow> {
    for (const map of this.#maps) yield* map.values()
  }

  clear(): void {
    this.#maps.length = 1
    this.#maps[0]?.clear()
    this.#size = 0
  }
}
