/** Work that is under way, for whoever waits until all of it has ended, well or not. */
export class Underway {
  readonly #all = new Set<Promise<unknown>>()

  /** @returns what the work does. */
  async watch<T>(work: Promise<T>): Promise<T> {
    this.#all.add(work)
    try {
      return await work
    } finally {
      this.#all.delete(work)
    }
  }

  /** Resolves when all that is under way now has ended. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#all)
  }
}
