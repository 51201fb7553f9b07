import { compareKeys } from './key-order.ts'
import type { ViewRow } from './view-row.ts'

/** Rows in a leaf before it is split. Inserting moves half of them: some 100 ns. */
const LEAF_ROWS_MAX = 512
/** Removed rows that the order may hold beside half of the live ones. */
const REMOVED_ROWS_ALLOWED = 1024

/** True for every row from a place in the order on, false for every row before it. */
export type Cut = (row: ViewRow) => boolean

/**
 * The rows of a view in the order of their keys, kept lazily.
 *
 * Purpose: ranges and pages, for views that mostly take updates of keys they have and are read by key.
 * State: `leaves`, sorted arrays of sorted rows (a B+ tree of two levels), and `fresh`, rows that came since the last
 * ordered read, unsorted. A removed row keeps its place until it is swept or replaced.
 * Invariants: a live row is in exactly one of the two; leaves are never empty; keys ascend strictly over all leaves.
 * Cost: an update nothing; an insert or removal O(1) until somebody asks for an order; then a sort of what is fresh,
 * O(f log f), and O(log n + leaf) for each of it, or one merge when it is much. A sweep is O(n), after O(n) removals.
 *
 * Sorted arrays alone would pay O(n) for the first page after every insert, a tree kept eagerly a microsecond for each
 * of the million inserts of a restore.
 */
export class RowOrder {
  #leaves: ViewRow[][] = []
  #fresh: ViewRow[] = []
  #live = 0
  #removed = 0

  /** A row with a key that no live row has. */
  add(row: ViewRow): void {
    this.#fresh.push(row)
    this.#live++
  }

  /** A row was removed: it is not live from now on. */
  noteRemoved(): void {
    this.#live--
    this.#removed++
    if (this.#removed > this.#live / 2 + REMOVED_ROWS_ALLOWED) this.#sweep()
  }

  clear(): void {
    this.#leaves = []
    this.#fresh = []
    this.#live = 0
    this.#removed = 0
  }

  /** Live rows from `lower` on and before `upper`, at most `limit`, from the lower or from the upper end. */
  slice(lower: Cut, upper: Cut, limit: number, reverse: boolean): ViewRow[] {
    this.#settle()
    return reverse ? this.#descending(lower, upper, limit) : this.#ascending(lower, upper, limit)
  }

  #ascending(lower: Cut, upper: Cut, limit: number): ViewRow[] {
    const rows: ViewRow[] = []
    let leafIndex = this.#leafOf(lower)
    let index = firstIn(this.#leaves[leafIndex], lower)
    for (; leafIndex < this.#leaves.length; leafIndex++, index = 0) {
      const leaf = this.#leaves[leafIndex] as ViewRow[]
      for (; index < leaf.length; index++) {
        const row = leaf[index] as ViewRow
        if (rows.length >= limit || upper(row)) return rows
        if (row.isLive) rows.push(row)
      }
    }
    return rows
  }

  #descending(lower: Cut, upper: Cut, limit: number): ViewRow[] {
    const rows: ViewRow[] = []
    let leafIndex = Math.min(this.#leafOf(upper), this.#leaves.length - 1)
    let index = firstIn(this.#leaves[leafIndex], upper) - 1
    for (; leafIndex >= 0; leafIndex--, index = (this.#leaves[leafIndex]?.length ?? 0) - 1) {
      const leaf = this.#leaves[leafIndex] as ViewRow[]
      for (; index >= 0; index--) {
        const row = leaf[index] as ViewRow
        if (rows.length >= limit || !lower(row)) return rows
        if (row.isLive) rows.push(row)
      }
    }
    return rows
  }

  /** The first leaf whose last row is behind the cut; the number of leaves when there is none. */
  #leafOf(cut: Cut): number {
    let low = 0
    let high = this.#leaves.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const leaf = this.#leaves[middle] as ViewRow[]
      if (cut(leaf[leaf.length - 1] as ViewRow)) high = middle
      else low = middle + 1
    }
    return low
  }

  /** Gives every fresh row its place. */
  #settle(): void {
    if (this.#fresh.length === 0) return
    const fresh = this.#fresh.filter(isLive)
    this.#removed -= this.#fresh.length - fresh.length
    this.#fresh = []
    fresh.sort(compareRows)
    if (fresh.length * 4 > this.#live) this.#merge(fresh)
    else for (const row of fresh) this.#insert(row)
  }

  #insert(row: ViewRow): void {
    const cut: Cut = (other) => compareRows(other, row) >= 0
    const leafIndex = Math.min(this.#leafOf(cut), this.#leaves.length - 1)
    const leaf = this.#leaves[leafIndex] as ViewRow[]
    const index = firstIn(leaf, cut)
    const there = leaf[index]
    if (there !== undefined && compareRows(there, row) === 0) {
      // The key was removed and came back: its old row, still in place, has been waiting for a sweep.
      leaf[index] = row
      this.#removed--
      return
    }
    leaf.splice(index, 0, row)
    if (leaf.length > LEAF_ROWS_MAX) this.#leaves.splice(leafIndex + 1, 0, leaf.splice(leaf.length >>> 1))
  }

  /** Builds all leaves anew from what is live. */
  #merge(fresh: readonly ViewRow[]): void {
    const sorted: ViewRow[] = []
    let next = 0
    for (const leaf of this.#leaves) {
      for (const row of leaf) {
        if (!row.isLive) continue
        while (next < fresh.length && compareRows(fresh[next] as ViewRow, row) < 0) {
          sorted.push(fresh[next++] as ViewRow)
        }
        sorted.push(row)
      }
    }
    while (next < fresh.length) sorted.push(fresh[next++] as ViewRow)
    this.#removed = 0
    this.#leaves = leavesOf(sorted)
  }

  #sweep(): void {
    this.#fresh = this.#fresh.filter(isLive)
    this.#leaves = this.#leaves.map((leaf) => leaf.filter(isLive)).filter((leaf) => leaf.length > 0)
    this.#removed = 0
  }
}

function isLive(row: ViewRow): boolean {
  return row.isLive
}

/** By key; rows of one key, which only a broken partitioning can give, by partition. */
function compareRows(left: ViewRow, right: ViewRow): number {
  return compareKeys(left.key, right.key) || left.partition - right.partition
}

function firstIn(leaf: readonly ViewRow[] | undefined, cut: Cut): number {
  let low = 0
  let high = leaf?.length ?? 0
  while (low < high) {
    const middle = (low + high) >>> 1
    if (cut(leaf?.[middle] as ViewRow)) high = middle
    else low = middle + 1
  }
  return low
}

/** Leaves are left a quarter empty, so that the next inserts do not split them all. */
function leavesOf(sorted: readonly ViewRow[]): ViewRow[][] {
  const rows = Math.ceil(LEAF_ROWS_MAX * 0.75)
  const leaves: ViewRow[][] = []
  for (let start = 0; start < sorted.length; start += rows) leaves.push(sorted.slice(start, start + rows))
  return leaves
}
