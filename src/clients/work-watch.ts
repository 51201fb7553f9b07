/**
 * Says when the work on a record takes too long. One timer for all of them, and nothing to do for a record that passes: of
 * what holds many records in turn the watch sees now and then how far it got.
 */
import type { DurationMs } from '../base/brands.ts'
import type { Sys, Timer } from '../sys/sys.ts'

/** Looks in the time of one limit: a record that was begun between two of them is told of by so much later. */
const LOOKS_PER_LIMIT = 8

/** What was seen last, and when it began at the latest. */
interface Seen {
  readonly progress: number
  readonly since: number
}

export class WorkWatch<T> {
  readonly #sys: Pick<Sys, 'timers' | 'clock'>
  readonly #limitMs: DurationMs
  readonly #progressOf: (item: T) => number
  readonly #tooLong: (item: T) => void
  /** What is in work, in the order of `since`. */
  readonly #seen = new Map<T, Seen>()
  #timer: Timer | undefined

  /**
   * @param progressOf another number for each record that an item holds in turn.
   * @param tooLong called once for every item that stays at a record for longer than the limit; never before it, and at
   * most an eighth of it later.
   */
  constructor(
    sys: Pick<Sys, 'timers' | 'clock'>,
    limitMs: DurationMs,
    progressOf: (item: T) => number,
    tooLong: (item: T) => void,
  ) {
    this.#sys = sys
    this.#limitMs = limitMs
    this.#progressOf = progressOf
    this.#tooLong = tooLong
  }

  begin(item: T): void {
    this.#see(item, this.#sys.clock.monotonic())
    this.#timer ??= this.#wake(this.#limitMs)
  }

  end(item: T): void {
    this.#seen.delete(item)
  }

  /** Nothing is watched any more. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#seen.clear()
  }

  #see(item: T, now: number): void {
    this.#seen.delete(item)
    this.#seen.set(item, { progress: this.#progressOf(item), since: now })
  }

  #wake(untilDueMs: DurationMs): Timer {
    const ms = Math.min(untilDueMs, this.#limitMs / LOOKS_PER_LIMIT)
    return this.#sys.timers.after(Math.ceil(ms), () => this.#look())
  }

  #look(): void {
    this.#timer = undefined
    const now = this.#sys.clock.monotonic()
    // Those that got on go to the end, and are met there again with nothing to say.
    for (const [item, { progress, since }] of this.#seen) {
      if (this.#progressOf(item) !== progress) {
        this.#see(item, now)
      } else if (now - since >= this.#limitMs) {
        this.#seen.delete(item)
        this.#tooLong(item)
      }
    }
    for (const { since } of this.#seen.values()) {
      this.#timer ??= this.#wake(since + this.#limitMs - now)
      return
    }
  }
}
