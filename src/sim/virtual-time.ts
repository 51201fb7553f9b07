import { assert } from '../base/assert.ts'
import type { Timestamp } from '../base/brands.ts'
import { Heap } from '../base/heap.ts'
import type { Clock, Timer, Timers } from '../sys/sys.ts'

interface Entry {
  readonly due: number
  readonly order: number
  run: (() => void) | undefined
}

/** More steps than this without time passing is a loop that never ends. */
const STEPS_MAX = 10_000_000

/**
 * Clock and timers that stand still until a test moves them. What is due runs in order of its time, then of its
 * registration; `soon` comes before any timer of the same moment. Nothing runs inside `after` or `soon`.
 */
export class VirtualTime implements Clock, Timers {
  /** The wall clock when the monotonic one was 0, as it is set now. */
  #begin: Timestamp
  #elapsed = 0
  #order = 0
  readonly #timers = new Heap<Entry>((a, b) => a.due - b.due || a.order - b.order)
  #soon: (() => void)[] = []

  constructor(begin: Timestamp = 0) {
    this.#begin = begin
  }

  now(): Timestamp {
    return Math.floor(this.#begin + this.#elapsed)
  }

  monotonic(): number {
    return this.#elapsed
  }

  /** The wall clock is set, forward or, if negative, back. Timers do not go by it. */
  setWall(byMs: number): void {
    this.#begin += byMs
  }

  after(ms: number, run: () => void): Timer {
    const entry: Entry = { due: this.#elapsed + Math.max(0, ms), order: this.#order, run }
    this.#order += 1
    this.#timers.push(entry)
    return {
      cancel() {
        entry.run = undefined
      },
    }
  }

  soon(run: () => void): void {
    this.#soon.push(run)
  }

  /** Lets `ms` pass and runs all that is due until then, also what that starts. */
  advance(ms: number): void {
    assert(ms >= 0, () => `time goes forward, got ${ms}`)
    const end = this.#elapsed + ms
    let steps = 0
    while (this.#step(end)) this.#countStep(++steps)
    this.#elapsed = end
  }

  /** Runs everything, jumping from timer to timer, until nothing waits or `limitMs` have passed. */
  runUntilIdle(limitMs = Number.POSITIVE_INFINITY): void {
    const end = this.#elapsed + limitMs
    let steps = 0
    while (this.#step(end)) this.#countStep(++steps)
  }

  /** Runs what waits for this very moment: `soon`, and timers that are due. */
  settle(): void {
    this.advance(0)
  }

  /** When the next timer is due, on the monotonic clock; undefined if there is none. */
  get nextDue(): number | undefined {
    this.#dropCancelled()
    return this.#timers.peek()?.due
  }

  /** Forgets everything that waits, as a power cut does. */
  clear(): void {
    this.#timers.clear()
    this.#soon = []
  }

  #step(end: number): boolean {
    if (this.#soon.length > 0) {
      const batch = this.#soon
      this.#soon = []
      for (const run of batch) run()
      return true
    }
    this.#dropCancelled()
    const next = this.#timers.peek()
    if (next === undefined || next.due > end) return false
    this.#timers.pop()
    this.#elapsed = Math.max(this.#elapsed, next.due)
    next.run?.()
    return true
  }

  #dropCancelled(): void {
    while (this.#timers.size > 0 && this.#timers.peek()?.run === undefined) this.#timers.pop()
  }

  #countStep(steps: number): void {
    assert(steps < STEPS_MAX, 'a simulated world comes to rest')
  }
}
