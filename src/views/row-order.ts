import type { Key } from '../record/key-codec.ts'
import { compareKeys } from './key-order.ts'
import type { ViewRow } from './view-row.ts'

/** Rows in a sorted leaf before it is split. Inserting moves half of them: some 100 ns. */
const LEAF_ROWS_MAX = 512
/** Removed rows that the order may hold beside half of the live ones. */
const REMOVED_ROWS_ALLOWED = 1024
/** Parts that a leaf is split into: reading a row that lies far away in memory costs more than four comparisons. */
const SPLIT_PARTS = 16
/** Rows looked at for each border of the parts. */
const SAMPLES_PER_PART = 8
/** A split that leaves more than this in one part was a bad guess: the leaf is sorted as a whole then. */
const SPLIT_PART_MAX = 3 / 4

/** True for every row from a place in the order on, false for every row before it. */
export type Cut = (row: ViewRow) => boolean

interface Leaf {
  rows: ViewRow[]
  /** False: a heap of rows as they came, of any number, which is split as soon as a read comes to it. */
  sorted: boolean
  /** The keys of all rows of the leaf are below this one's, those of the next leaf are not; undefined: the last leaf. */
  end: ViewRow | undefined
}

/**
 * The rows of a view in the order of their keys, kept lazily.
 *
 * Purpose: ranges and pages, for views that mostly take updates of keys they have and are read by key.
 * State: `leaves`, one after the other in the order of their rows (a B+ tree of two levels), each sorted or not yet;
 * and `fresh`, rows that came since the last ordered read. A removed row keeps its place until it is swept or replaced.
 * Invariants: a live row is in exactly one of the two; every key of a leaf is below the leaf's `end` and not below the
 * `end` of the leaf before; only the last leaf has no `end`.
 * Cost: an update nothing; an insert or removal O(1) until somebody asks for an order. A read sorts only what it comes
 * to, by splitting the leaf that holds its place until it is small (a quicksort that goes down one side): after n
 * inserts the first page costs some 4n comparisons, all pages together n log n. A sweep is O(n), after O(n) removals.
 *
 * Sorted arrays alone would pay O(n) for the first page after every insert, a tree kept eagerly a microsecond for each
 * of the million inserts of a restore, and sorting all at the first page takes a second for a million rows.
 */
export class RowOrder {
  #leaves: Leaf[] = []
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
    if (this.#leaves.length === 0) return rows
    let leafIndex = this.#sort((leaves) => leafOf(leaves, lower))
    let index = firstIn(this.#leaves[leafIndex]?.rows, lower)
    for (;;) {
      const leaf = this.#leaves[leafIndex] as Leaf
      for (; index < leaf.rows.length; index++) {
        const row = leaf.rows[index] as ViewRow
        if (rows.length >= limit || upper(row)) return rows
        if (row.isLive) rows.push(row)
      }
      leafIndex++
      index = 0
      if (rows.length >= limit || leafIndex === this.#leaves.length) return rows
      this.#sort(() => leafIndex)
    }
  }

  #descending(lower: Cut, upper: Cut, limit: number): ViewRow[] {
    const rows: ViewRow[] = []
    if (this.#leaves.length === 0) return rows
    let leafIndex = this.#sort((leaves) => leafOf(leaves, upper))
    let index = firstIn(this.#leaves[leafIndex]?.rows, upper) - 1
    for (;;) {
      const leaf = this.#leaves[leafIndex] as Leaf
      for (; index >= 0; index--) {
        const row = leaf.rows[index] as ViewRow
        if (rows.length >= limit || !lower(row)) return rows
        if (row.isLive) rows.push(row)
      }
      const before = leafIndex
      if (rows.length >= limit || before === 0) return rows
      // Of what that leaf is split into, the last part is next.
      const leavesBehind = this.#leaves.length - before
      leafIndex = this.#sort((leaves) => leaves.length - leavesBehind - 1)
      index = (this.#leaves[leafIndex]?.rows.length ?? 0) - 1
    }
  }

  /** Splits and sorts the leaf that `choose` names until that one is sorted; answers its index. */
  #sort(choose: (leaves: readonly Leaf[]) => number): number {
    for (;;) {
      const index = choose(this.#leaves)
      const leaf = this.#leaves[index] as Leaf
      if (leaf.sorted) return index
      this.#removed -= leaf.rows.length
      const parts = partsOf(leaf)
      for (const { rows } of parts) this.#removed += rows.length
      this.#leaves.splice(index, 1, ...parts)
    }
  }

  /** Gives every fresh row its leaf. */
  #settle(): void {
    if (this.#fresh.length === 0) return
    const fresh = this.#fresh
    this.#fresh = []
    if (fresh.length * 4 > this.#live) {
      // So much is new that it is not worth finding the place of each: reads will, where they come.
      const rows = this.#leaves.length === 0 ? fresh : this.#leaves.flatMap((leaf) => leaf.rows).concat(fresh)
      this.#leaves = [{ rows, sorted: false, end: undefined }]
      return
    }
    for (const row of fresh) {
      if (row.isLive) this.#insert(row)
      else this.#removed--
    }
  }

  #insert(row: ViewRow): void {
    const leafIndex = leafOf(this.#leaves, (other) => compareKeys(other.key, row.key) > 0)
    const leaf = this.#leaves[leafIndex] as Leaf
    const { rows } = leaf
    if (!leaf.sorted) {
      rows.push(row)
      return
    }
    const index = firstIn(rows, (other) => compareRows(other, row) >= 0)
    const there = rows[index]
    if (there !== undefined && compareRows(there, row) === 0) {
      // The key was removed and came back: its old row, still in place, has been waiting for a sweep.
      rows[index] = row
      this.#removed--
      return
    }
    rows.splice(index, 0, row)
    if (rows.length <= LEAF_ROWS_MAX) return
    const right = rows.splice(rows.length >>> 1)
    this.#leaves.splice(leafIndex + 1, 0, { rows: right, sorted: true, end: leaf.end })
    leaf.end = right[0]
  }

  #sweep(): void {
    this.#fresh = this.#fresh.filter(isLive)
    for (const leaf of this.#leaves) leaf.rows = leaf.rows.filter(isLive)
    this.#leaves = this.#leaves.filter(({ rows }) => rows.length > 0)
    const last = this.#leaves.at(-1)
    if (last !== undefined) last.end = undefined
    this.#removed = 0
  }
}

/** The leaf in which the first row that `cut` is true for is, if there is one; else one behind which there is none. */
function leafOf(leaves: readonly Leaf[], cut: Cut): number {
  let low = 0
  let high = leaves.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (cut(leaves[middle]?.end as ViewRow)) high = middle
    else low = middle + 1
  }
  return low
}

/** The live rows of a leaf that is not sorted: sorted, or in parts that are not sorted either. At least one part. */
function partsOf({ rows, end }: Leaf): readonly Leaf[] {
  const borders = rows.length > LEAF_ROWS_MAX ? bordersOf(rows) : []
  const parts: ViewRow[][] = [[]]
  for (let part = 0; part < borders.length; part++) parts.push([])
  let live = 0
  for (const row of rows) {
    if (!row.isLive) continue
    live++
    parts[partOf(borders, row.key)]?.push(row)
  }
  const most = Math.max(...parts.map((part) => part.length))
  if (live <= LEAF_ROWS_MAX || most > live * SPLIT_PART_MAX)
    return leavesOf(parts.flat().sort(compareRows), end)
  const leaves = parts.map((part, index): Leaf => ({ rows: part, sorted: false, end: borders[index] ?? end }))
  // What belongs into an empty part goes into the one behind it; so the last one stays.
  return leaves.filter((leaf, index) => leaf.rows.length > 0 || index === leaves.length - 1)
}

/** Rows that divide the others into about equal parts, in order, no key twice. */
function bordersOf(rows: readonly ViewRow[]): readonly ViewRow[] {
  const samples: ViewRow[] = []
  const count = SPLIT_PARTS * SAMPLES_PER_PART
  for (let sample = 0; sample < count; sample++) {
    samples.push(rows[Math.floor((rows.length * sample) / count)] as ViewRow)
  }
  samples.sort(compareRows)
  const borders: ViewRow[] = []
  for (let at = SAMPLES_PER_PART; at < count; at += SAMPLES_PER_PART) {
    const border = samples[at] as ViewRow
    const last = borders.at(-1)
    if (last === undefined || compareKeys(last.key, border.key) < 0) borders.push(border)
  }
  return borders
}

/** The number of borders that are not above the key. */
function partOf(borders: readonly ViewRow[], key: Key): number {
  let low = 0
  let high = borders.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const border = (borders[middle] as ViewRow).key
    // One comparison of texts instead of two: this is where the time of a first page goes.
    const below =
      typeof key === 'string' && typeof border === 'string' ? key < border : compareKeys(key, border) < 0
    if (below) high = middle
    else low = middle + 1
  }
  return low
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

/** Leaves are left a quarter empty, so that the next inserts do not split them all. There is always one. */
function leavesOf(sorted: ViewRow[], end: ViewRow | undefined): readonly Leaf[] {
  if (sorted.length <= LEAF_ROWS_MAX) return [{ rows: sorted, sorted: true, end }]
  const rows = Math.ceil(LEAF_ROWS_MAX * 0.75)
  const leaves: Leaf[] = []
  for (let start = 0; start < sorted.length; start += rows) {
    leaves.push({ rows: sorted.slice(start, start + rows), sorted: true, end: sorted[start + rows] ?? end })
  }
  return leaves
}
