/** What the cache holds: the index of a segment, which can be read or made again. */
export interface CachedIndex {
  /** Lets the index go; it comes back at the next use. */
  releaseIndex(): void
}

/**
 * Which segments have their index in memory. A log of terabytes has thousands of indexes; those that were not used for
 * the longest time go when all together are larger than `bytesMax`.
 */
export class IndexCache {
  readonly #bytesMax: number
  /** Bytes by segment, in the order of their last use: a Map keeps the order of insertion. */
  readonly #sizes = new Map<CachedIndex, number>()
  #bytes = 0
  /** A reader or writer goes on in the same segment nearly always. */
  #latest: CachedIndex | undefined

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The segment's index was used, and has this size now. */
  use(segment: CachedIndex, bytes: number): void {
    if (segment === this.#latest && this.#sizes.get(segment) === bytes) return
    this.forget(segment)
    this.#sizes.set(segment, bytes)
    this.#bytes += bytes
    this.#latest = segment
    for (const [oldest] of this.#sizes) {
      if (this.#bytes <= this.#bytesMax || oldest === segment) break
      this.forget(oldest)
      oldest.releaseIndex()
    }
  }

  /** The index is gone already. */
  forget(segment: CachedIndex): void {
    this.#bytes -= this.#sizes.get(segment) ?? 0
    this.#sizes.delete(segment)
    if (this.#latest === segment) this.#latest = undefined
  }
}
