/**
 * Watermarks between operators (SEMANTICS 1.4, 1.6, 1.14), as direct calls from who makes time to who needs it: steps
 * that keep no time (filter, map, keyBy, tables) lie on no such edge, so a watermark costs nothing in them.
 *
 * State: in every receiver the last watermark of each of its inputs and whether the input counts. None of it is
 * stored: after a restart the sources say their watermarks again, and each operator restores only the one it passed on
 * last, below which it does not go.
 */
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../../base/brands.ts'

/** Who gets a combined watermark. */
export interface TimeOwner {
  /** The combined watermark rose to this one. */
  onWatermark(watermark: Timestamp): void
  /** All inputs are idle, or one is active again. */
  onIdle(idle: boolean): void
}

/** The input counts in the minimum. */
const ALIGNED = 0
/** It came back from idleness and its watermark has not reached the last output yet. */
const BEHIND = 1
const IDLE = 2

export class TimeInputs {
  /** Never goes back. */
  watermark: Timestamp = MIN_TIMESTAMP
  idle = false
  readonly #owner: TimeOwner
  readonly #marks: Timestamp[] = []
  readonly #status: number[] = []

  constructor(owner: TimeOwner) {
    this.#owner = owner
  }

  get inputCount(): number {
    return this.#marks.length
  }

  addInput(): number {
    this.#marks.push(MIN_TIMESTAMP)
    this.#status.push(ALIGNED)
    return this.#marks.length - 1
  }

  /** Before anything runs: nothing below this is said again. */
  restore(watermark: Timestamp): void {
    this.watermark = watermark
  }

  /** After a restart: an input below the watermark had come back from idleness and not reached it yet. */
  realign(): void {
    for (let input = 0; input < this.#marks.length; input += 1) {
      const behind = (this.#marks[input] as Timestamp) < this.watermark
      if (behind && this.#status[input] === ALIGNED) this.#status[input] = BEHIND
    }
    this.#combine()
  }

  advance(input: number, mark: Timestamp): void {
    const before = this.#marks[input] as Timestamp
    if (mark <= before) return
    this.#marks[input] = mark
    if (this.#marks.length === 1) {
      if (mark <= this.watermark) return
      this.watermark = mark
      this.#owner.onWatermark(mark)
      return
    }
    if (this.#status[input] === BEHIND && mark >= this.watermark) this.#status[input] = ALIGNED
    // Only the input that was last can have held the others back.
    if (this.#status[input] === ALIGNED && before <= this.watermark) this.#combine()
  }

  setIdle(input: number): void {
    if (this.#status[input] === IDLE) return
    this.#status[input] = IDLE
    if (this.#status.every((status) => status === IDLE)) {
      this.idle = true
      this.#raise(Math.max(...this.#marks))
      this.#owner.onIdle(true)
    } else {
      this.#combine()
    }
  }

  setActive(input: number): void {
    if (this.#status[input] !== IDLE) return
    this.#status[input] = (this.#marks[input] as Timestamp) >= this.watermark ? ALIGNED : BEHIND
    if (!this.idle) return
    this.idle = false
    this.#owner.onIdle(false)
  }

  #combine(): void {
    let least = MAX_TIMESTAMP
    let aligned = false
    for (let input = 0; input < this.#marks.length; input += 1) {
      if (this.#status[input] !== ALIGNED) continue
      aligned = true
      const mark = this.#marks[input] as Timestamp
      if (mark < least) least = mark
    }
    if (aligned) this.#raise(least)
  }

  #raise(watermark: Timestamp): void {
    if (watermark <= this.watermark) return
    this.watermark = watermark
    this.#owner.onWatermark(watermark)
  }
}

/** The outgoing edges of one who makes time. */
export class TimeOutput {
  readonly #targets: { readonly inputs: TimeInputs; readonly slot: number; readonly hold: number }[] = []

  get connected(): boolean {
    return this.#targets.length > 0
  }

  connect(inputs: TimeInputs, hold: number): void {
    this.#targets.push({ inputs, slot: inputs.addInput(), hold })
  }

  emit(watermark: Timestamp): void {
    const targets = this.#targets
    for (let index = 0; index < targets.length; index += 1) {
      const target = targets[index] as (typeof targets)[number]
      target.inputs.advance(target.slot, held(watermark, target.hold))
    }
  }

  setIdle(idle: boolean): void {
    for (const { inputs, slot } of this.#targets) {
      if (idle) inputs.setIdle(slot)
      else inputs.setActive(slot)
    }
  }
}

/** The beginning and the end of time stay what they are. */
function held(watermark: Timestamp, hold: number): Timestamp {
  return watermark === MAX_TIMESTAMP || watermark === MIN_TIMESTAMP ? watermark : watermark - hold
}
