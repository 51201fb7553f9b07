/**
 * Says when the work on a record takes too long. One timer for all of them: the oldest record in work decides when it
 * fires, and who ends in time costs two operations on a map and no timer.
 */
import type { DurationMs } from '../base/brands.ts'
import type { Sys, Timer } from '../sys/sys.ts'

export class WorkWatch<T> {
  readonly #sys: Pick<Sys, 'timers' | 'clock'>
  readonly #limitMs: DurationMs
  readonly #tooLong: (item: T) => void
  /** What is in work, with the time of its beginning, oldest first. */
  readonly #begun = new Map<T, number>()
  #timer: Timer | undefined

  /** @param tooLong called once for every item that is in work for longer than the limit. */
  constructor(sys: Pick<Sys, 'timers' | 'clock'>, limitMs: DurationMs, tooLong: (item: T) => void) {
    this.#sys = sys
    this.#limitMs = limitMs
    this.#tooLong = tooLong
  }

  begin(item: T): void {
    this.#begun.set(item, this.#sys.clock.monotonic())
    this.#timer ??= this.#wake(this.#limitMs)
  }

  end(item: T): void {
    this.#begun.delete(item)
  }

  /** Nothing is watched any more. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#begun.clear()
  }

  #wake(ms: DurationMs): Timer {
    return this.#sys.timers.after(ms, () => this.#look())
  }

  #look(): void {
    this.#timer = undefined
    const now = this.#sys.clock.monotonic()
    for (const [item, since] of this.#begun) {
      if (now - since < this.#limitMs) {
        this.#timer ??= this.#wake(Math.ceil(since + this.#limitMs - now))
        return
      }
      this.#begun.delete(item)
      this.#tooLong(item)
    }
  }
}
