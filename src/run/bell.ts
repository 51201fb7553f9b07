import type { Timers } from '../sys/sys.ts'

/** Longest sleep in one piece; only that a timer is there counts. */
const AWAKE_MS = 60_000

/** Wakes one waiter; a ring while nobody waits is not lost. */
export class Bell {
  readonly #timers: Timers
  #rung = false
  #waiter: (() => void) | undefined

  constructor(timers: Timers) {
    this.#timers = timers
  }

  ring(): void {
    this.#rung = true
    this.#waiter?.()
  }

  /** A process in which only this waits goes on: without a timer Node would end it. */
  async wait(): Promise<void> {
    while (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = this.#timers.after(AWAKE_MS, resolve)
        this.#waiter = () => {
          timer.cancel()
          resolve()
        }
      })
    }
    this.#waiter = undefined
    this.#rung = false
  }
}
