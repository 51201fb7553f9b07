/**
 * Inputs whose records can reach a common task. Among them the record with the smallest timestamp is taken; an input
 * that is caught up is not waited for, one that has more on the broker is (SEMANTICS 1.7). At equal timestamps tables
 * come first, then the order of the plan, then the partition: that is the order in which they stand here.
 *
 * State: per input the greatest timestamp that was taken while it was empty. A record that comes then and should have
 * been before that is marked: who takes all of it again has it at hand from the start, and has to be told to wait.
 */
import type { DurationMs, Timestamp } from '../../base/brands.ts'
import type { Clock } from '../../sys/sys.ts'
import type { Input } from './input.ts'
import { MarkRecorder } from './mark-recorder.ts'
import { MarkReplay, type StoredMarks } from './mark-replay.ts'
import { laneName } from './operator-time.ts'

/** Nothing was taken while the input was empty. */
const NEVER: Timestamp = Number.NEGATIVE_INFINITY
/** What was taken is not known any more: whatever comes is marked. */
const UNKNOWN: Timestamp = Number.POSITIVE_INFINITY

export class InputGroup {
  readonly inputs: readonly Input[]
  /** Of this run, for later ones. */
  readonly marks: MarkRecorder
  /** One lane: when it becomes idle nobody's watermark moves. */
  readonly #single: boolean
  #live: Input[]
  /** One a live input. */
  #passed: Timestamp[]
  /** How many of them are something else than NEVER: mostly none, and there is nothing to look at. */
  #noted: number
  #replay: MarkReplay | undefined
  readonly #clock: Clock
  /** When an input that others wait for was read to its end; undefined: it is not, or none waits for any. */
  readonly #emptySince: Map<Input, number> | undefined
  #waitUntil: number | undefined

  /** @param resumed an earlier run took some of its records. */
  constructor(inputs: readonly Input[], clock: Clock, resumed: boolean, stored: readonly StoredMarks[]) {
    this.#clock = clock
    const patient = inputs.length > 1 && inputs.some((input) => patienceFor(input) > 0)
    this.#emptySince = patient ? new Map() : undefined
    this.inputs = [...inputs].sort(
      (left, right) => left.rank - right.rank || left.partition - right.partition,
    )
    this.marks = new MarkRecorder(this.inputs)
    this.#single = inputs.length === 1 && inputs[0]?.lanes.length === 1
    this.#live = [...this.inputs]
    this.#passed = inputs.map(() => (resumed ? UNKNOWN : NEVER))
    this.#noted = resumed ? inputs.length : 0
    if (stored.length > 0) this.#replay = new MarkReplay(this.inputs, stored)
  }

  /** The input whose record is next, and is taken now; undefined: none is there, or something has to be waited for. */
  choose(): Input | undefined {
    if (this.#replay !== undefined) return this.#chooseAgain(this.#replay)
    const live = this.#live
    let chosen = -1
    let least: Timestamp = 0
    let empty = false
    for (let index = 0; index < live.length; index += 1) {
      const input = live[index] as Input
      if (!input.ready) {
        const state = input.fill()
        if (state === 'later') return undefined
        if (state !== 'ready') {
          empty = true
          continue
        }
      }
      if (chosen === -1 || input.headTime < least) {
        chosen = index
        least = input.headTime
      }
    }
    if (this.#emptySince !== undefined && this.#waits(this.#emptySince)) return undefined
    if (chosen === -1) return undefined
    if (empty || this.#noted > 0) this.#note(chosen, least)
    return live[chosen]
  }

  /** An input that has ended is not looked at any more. */
  remove(input: Input): void {
    const index = this.#live.indexOf(input)
    if (index === -1) return
    this.#live.splice(index, 1)
    if (this.#passed.splice(index, 1)[0] !== NEVER) this.#noted -= 1
  }

  /** Follows the marks of an earlier run: until it has, the clock makes no input idle. */
  get replaying(): boolean {
    return this.#replay !== undefined
  }

  /** Offset of the first record of marks that is still ahead; undefined: none is. */
  get firstMark(): number | undefined {
    return this.#replay?.pending() === true ? this.#replay.firstOffset : undefined
  }

  /** When there is something to do though nothing came, in monotonic ms: a lane becomes idle, or a wait is over. */
  dueAt(): number | undefined {
    const idleAt = this.#idleAt()
    const waitUntil = this.#waitUntil
    return idleAt === undefined || (waitUntil !== undefined && waitUntil < idleAt) ? waitUntil : idleAt
  }

  #idleAt(): number | undefined {
    let first: number | undefined
    for (const input of this.inputs) {
      for (const lane of input.lanes) {
        if (lane.idle || lane.ended || lane.idleAfterMs === false) continue
        const at = input.lastRecordAt + lane.idleAfterMs
        if (first === undefined || at < first) first = at
      }
    }
    return first
  }

  /** Makes idle what is caught up and was quiet for long enough (SEMANTICS 1.6), and marks it. True: something did. */
  becomeIdle(now: number): boolean {
    const at = this.#idleAt()
    if (at === undefined || at > now) return false
    let some = false
    for (const input of this.inputs) {
      if (input.ready || input.fill() !== 'empty') continue
      for (const [index, lane] of input.lanes.entries()) {
        if (lane.idle || lane.ended || lane.idleAfterMs === false) continue
        if (now - input.lastRecordAt < lane.idleAfterMs) continue
        if (!this.#single) this.marks.idle(input, laneName(input, index))
        lane.becomeIdle()
        some = true
      }
    }
    return some
  }

  /** When `choose` gave nothing: makes idle what became idle here in the earlier run. True: something did. */
  passIdle(): boolean {
    return this.#replay?.passIdle() === true
  }

  /** All inputs are at their ends: a mark that is still ahead is of records that are gone. True: there was one. */
  endReplay(): boolean {
    if (this.#replay === undefined || this.#live.some((input) => input.fill() !== 'empty')) return false
    this.#forget()
    return true
  }

  /** Whether an input that is caught up is still waited for. Not in a replay: there marks say what went before it. */
  #waits(emptySince: Map<Input, number>): boolean {
    const now = this.#clock.monotonic()
    this.#waitUntil = undefined
    for (const input of this.#live) {
      const patience = patienceFor(input)
      if (patience === 0) continue
      if (input.ready) {
        emptySince.delete(input)
        continue
      }
      const since = emptySince.get(input) ?? now
      emptySince.set(input, since)
      if (now - since >= patience) continue
      const until = since + patience
      if (this.#waitUntil === undefined || until < this.#waitUntil) this.#waitUntil = until
    }
    return this.#waitUntil !== undefined
  }

  #chooseAgain(replay: MarkReplay): Input | undefined {
    if (!replay.pending()) {
      this.#forget()
      return this.choose()
    }
    for (const input of this.#live) if (!input.ready && input.fill() === 'later') return undefined
    if (replay.idleDue) return undefined
    const ready = this.#live.filter((input) => input.ready)
    const free = ready.filter((input) => !replay.holds(input))
    if (free.length > 0) return leastOf(free)
    if (ready.length > 0) replay.release()
    return leastOf(ready)
  }

  #forget(): void {
    this.#replay = undefined
    this.#passed.fill(UNKNOWN)
    this.#noted = this.#passed.length
  }

  #note(chosen: number, time: Timestamp): void {
    const live = this.#live
    const passed = this.#passed
    for (let index = 0; index < live.length; index += 1) {
      const before = passed[index] as Timestamp
      if (before >= time || (live[index] as Input).ready) continue
      if (before === NEVER) this.#noted += 1
      passed[index] = time
    }
    const before = passed[chosen] as Timestamp
    if (before === NEVER) return
    passed[chosen] = NEVER
    this.#noted -= 1
    if (time <= before && this.inputs.length > 1) this.marks.held(live[chosen] as Input)
  }
}

function patienceFor({ lanes }: Input): DurationMs {
  let patience = 0
  for (const { node } of lanes) {
    if (node.kind === 'topicSource') patience = Math.max(patience, node.maxTaskIdleMs ?? 0)
  }
  return patience
}

function leastOf(inputs: readonly Input[]): Input | undefined {
  let least: Input | undefined
  for (const input of inputs) if (least === undefined || input.headTime < least.headTime) least = input
  return least
}
