import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../../base/brands.ts'
import { TimeInputs, TimeOutput, type TimeOwner } from '../time/time-edges.ts'
import type { Firing, TaskContext } from './operator.ts'

/** What a commit stores of an operator's time, and a restart gives back. */
export interface OperatorTime {
  /** The watermark that was passed on last. */
  readonly reached: Timestamp
  /** The greatest window end that was fired; what lies in those windows is late whatever the watermark says. */
  readonly fired: Timestamp
  /** Set when a commit fell into the firing of a window: its end, and the last key that was fired. */
  readonly cursor?: { readonly end: Timestamp; readonly key: string | number } | undefined
}

/**
 * An operator on whose watermark something falls due. When its watermark rises and nothing is due it passes it on at
 * once; else it asks to be fired, and passes it on when all that is due was fired, so that nobody behind it sees the
 * watermark before the results.
 */
export abstract class TimedOperator implements TimeOwner, Firing {
  readonly time: TimeInputs
  readonly output = new TimeOutput()
  readonly order: number
  /** The name under which its time is stored. */
  readonly name: string
  readonly partition: number
  /** The watermark that was passed on. */
  protected reached: Timestamp = MIN_TIMESTAMP
  /** The watermark from which on something has to be fired. Nothing: the end of time itself. */
  protected nextDue: Timestamp = Number.POSITIVE_INFINITY
  /** The last watermark before the end of time: what is stored, because more may come in a later run. */
  #finite: Timestamp = MIN_TIMESTAMP
  readonly #context: TaskContext
  #scheduled = false

  constructor(name: string, partition: number, order: number, context: TaskContext) {
    this.name = name
    this.partition = partition
    this.order = order
    this.#context = context
    this.time = new TimeInputs(this)
  }

  onWatermark(watermark: Timestamp): void {
    if (this.#scheduled) return
    if (watermark < this.nextDue) {
      this.#pass(watermark)
      return
    }
    this.#scheduled = true
    this.#context.schedule(this)
  }

  onIdle(idle: boolean): void {
    if (!this.#scheduled) this.output.setIdle(idle)
  }

  fire(resultsMax: number): boolean {
    const watermark = this.time.watermark
    if (!this.fireDue(watermark, resultsMax)) return false
    this.#scheduled = false
    this.#pass(watermark)
    if (this.time.idle) this.output.setIdle(true)
    return true
  }

  get storedTime(): Timestamp {
    return this.reached === MAX_TIMESTAMP ? this.#finite : this.reached
  }

  /** The lowest watermark it goes on from; called before the sources say theirs. */
  protected restoreReached(reached: Timestamp): void {
    this.reached = reached
    this.#finite = reached
    this.time.restore(reached)
  }

  /** Fires all that is due at `watermark`, at most so many results; false: there is more. */
  protected abstract fireDue(watermark: Timestamp, resultsMax: number): boolean

  #pass(watermark: Timestamp): void {
    this.reached = watermark
    if (watermark !== MAX_TIMESTAMP) this.#finite = watermark
    this.output.emit(watermark)
  }

  /** Says again what was passed on before the restart. */
  announce(): void {
    this.output.emit(this.reached)
    if (this.time.idle) this.output.setIdle(true)
  }
}
