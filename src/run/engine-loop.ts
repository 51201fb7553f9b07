import type { EngineHandle } from '../flow/runtime/engine-port.ts'
import type { Sys, Timer } from '../sys/sys.ts'

/**
 * Drives an engine on the event loop of Node: steps while there is work, but never longer than `SLICE_MS` at a time,
 * so that syncs of the disk, sockets and signals have their turn; sleeps until something wakes it or a step is due.
 */
const SLICE_MS = 4
/** Longest sleep. */
const AWAKE_MS = 60_000

export class EngineLoop {
  readonly #sys: Sys
  readonly #engine: EngineHandle
  readonly #settled: Promise<void>
  #resolve: () => void = () => undefined
  #reject: (error: Error) => void = () => undefined
  #waiting: { readonly condition: () => boolean; readonly resolve: () => void }[] = []
  #scheduled = false
  #sleeping: Timer | undefined
  #stopped = false

  /** @param makeEngine gets the function that wakes the loop. */
  constructor(sys: Sys, makeEngine: (wake: () => void) => EngineHandle) {
    this.#sys = sys
    this.#settled = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever waits for the end hears of a failure; nobody has to.
    this.#settled.catch(() => undefined)
    this.#engine = makeEngine(() => this.wake())
    this.wake()
  }

  get engine(): EngineHandle {
    return this.#engine
  }

  /** Resolves when the engine ended, rejects with its failure. */
  get settled(): Promise<void> {
    return this.#settled
  }

  /** Resolves when a condition on the engine holds after one of its steps. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ condition, resolve }))
  }

  wake(): void {
    if (this.#scheduled || this.#stopped) return
    this.#scheduled = true
    this.#sleeping?.cancel()
    this.#sleeping = undefined
    this.#sys.timers.soon(() => this.#turn())
  }

  /** No step is taken any more; waiting for the end answers as if it had ended. */
  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#sleeping?.cancel()
    this.#engine.abandon()
    this.#resolve()
  }

  #turn(): void {
    this.#scheduled = false
    if (this.#stopped) return
    const until = this.#sys.clock.monotonic() + SLICE_MS
    let busy = true
    while (busy && this.#sys.clock.monotonic() < until) busy = this.#step()
    this.#answerWaiting()
    const { state, failure } = this.#engine
    if (state === 'failed') {
      this.#stopped = true
      this.#reject(failure ?? new Error('the engine failed and did not say why'))
    } else if (state === 'ended') {
      this.#stopped = true
      this.#resolve()
    } else if (busy) this.wake()
    else this.#sleep()
  }

  #answerWaiting(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const one of waiting) {
      if (one.condition()) one.resolve()
      else this.#waiting.push(one)
    }
  }

  #step(): boolean {
    const busy = this.#engine.step()
    return busy && this.#engine.state !== 'failed' && this.#engine.state !== 'ended'
  }

  #sleep(): void {
    if (this.#scheduled) return
    const due = this.#engine.dueAt()
    // An app that only waits for records is running: without a timer Node would end its process.
    const ms = due === undefined ? AWAKE_MS : Math.max(0, Math.ceil(due - this.#sys.clock.monotonic()))
    this.#sleeping = this.#sys.timers.after(ms, () => this.wake())
  }
}
