import type { Timer, Timers } from '../../src/sys/sys.ts'

/** Timers of a process that may be stopped for a while: what was due meanwhile runs when it goes on. */
export class FreezableTimers implements Timers {
  readonly #timers: Timers
  #frozen = false
  #due: (() => void)[] = []

  constructor(timers: Timers) {
    this.#timers = timers
  }

  after(ms: number, run: () => void, background?: boolean): Timer {
    let cancelled = false
    const timer = this.#timers.after(ms, () => this.#run(() => cancelled || run()), background)
    return {
      cancel: () => {
        cancelled = true
        timer.cancel()
      },
    }
  }

  soon(run: () => void): void {
    this.#timers.soon(() => this.#run(run))
  }

  freeze(): void {
    this.#frozen = true
  }

  thaw(): void {
    this.#frozen = false
    for (const run of this.#due.splice(0)) this.#timers.soon(() => this.#run(run))
  }

  #run(run: () => unknown): void {
    if (this.#frozen) this.#due.push(() => void run())
    else run()
  }
}
