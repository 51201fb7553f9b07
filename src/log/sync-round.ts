import { isDiskError } from './disk-error.ts'

/** Something that can be made durable as it is now. */
export interface SyncTarget {
  sync(done: (error: Error | undefined) => void): void
}

/**
 * Syncs of several files side by side, of which one outcome is told.
 *
 * A segment joins as soon as its bytes are written, so that the disk works while the checksum of these bytes and the
 * journal's entry are made; the journal joins last; then the round is closed.
 */
export class SyncRound {
  readonly #started = new Set<SyncTarget>()
  /** Syncs under way, and one for the round itself until it is closed. */
  #left = 1
  #failed: Error | undefined
  #done: ((error: Error | undefined) => void) | undefined

  get isEmpty(): boolean {
    return this.#started.size === 0
  }

  /** Once for each target: what is written to it after its first start belongs to a later round. */
  start(target: SyncTarget): void {
    if (this.#started.has(target)) return
    this.#started.add(target)
    this.#left += 1
    try {
      target.sync((error) => this.#one(error))
    } catch (error) {
      if (!isDiskError(error)) throw error
      this.#one(error as Error)
    }
  }

  /** Nothing joins any more. `done` is called when all have ended, perhaps at once, with the first failure. */
  close(done: (error: Error | undefined) => void): void {
    this.#done = done
    this.#one(undefined)
  }

  #one(error: Error | undefined): void {
    this.#failed ??= error
    this.#left -= 1
    if (this.#left === 0) this.#done?.(this.#failed)
  }
}
