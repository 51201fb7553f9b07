/**
 * A binary min-heap: the smallest element by a comparator, `push` and `pop` in O(log n).
 *
 * Equal elements come out in no defined order: where a run must be repeatable, the comparator breaks ties (the engine's
 * comparators all do).
 */
export class Heap<T> {
  readonly #compare: (a: T, b: T) => number
  /** Children of index i at 2i + 1 and 2i + 2; no child is smaller than its parent. */
  readonly #items: T[] = []

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare
  }

  get size(): number {
    return this.#items.length
  }

  /** The smallest element, undefined if there is none. */
  peek(): T | undefined {
    return this.#items[0]
  }

  push(item: T): void {
    const items = this.#items
    const compare = this.#compare
    let hole = items.length
    items.push(item)
    while (hole > 0) {
      const parent = (hole - 1) >> 1
      const above = items[parent] as T
      if (compare(item, above) >= 0) break
      items[hole] = above
      hole = parent
    }
    items[hole] = item
  }

  /** Takes the smallest element out. */
  pop(): T | undefined {
    const items = this.#items
    const smallest = items[0]
    const last = items.pop()
    if (items.length > 0) this.#sink(last as T)
    return smallest
  }

  /** The same as `pop` and then `push`, in one walk; for merging sorted inputs. */
  replace(item: T): T | undefined {
    const smallest = this.#items[0]
    if (this.#items.length === 0) this.#items.push(item)
    else this.#sink(item)
    return smallest
  }

  clear(): void {
    this.#items.length = 0
  }

  /** The elements in no defined order; for looking, while nothing changes. */
  values(): IterableIterator<T> {
    return this.#items.values()
  }

  /** Puts `item` at the root's place and lets it sink to its own. */
  #sink(item: T): void {
    const items = this.#items
    const compare = this.#compare
    const half = items.length >> 1
    let hole = 0
    while (hole < half) {
      let child = 2 * hole + 1
      const right = child + 1
      if (right < items.length && compare(items[right] as T, items[child] as T) < 0) child = right
      const below = items[child] as T
      if (compare(below, item) >= 0) break
      items[hole] = below
      hole = child
    }
    items[hole] = item
  }
}
