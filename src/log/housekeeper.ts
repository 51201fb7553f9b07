/**
 * The scheduler of a log's work for itself.
 *
 * A round asks each partition for work of each kind and does it in steps. In the background a step takes about a
 * tenth of the budget of a second, and the next one waits until the budget allows it; a round that was asked for
 * (`runOnce`) waits for nothing. One step runs at a time. What fails is noted and tried again in the next round; what
 * is not finished when the log closes is left as it was before its last step.
 *
 * Cost of a round without work: one question for each partition and kind, a bounded number of them a turn.
 */
import { assert } from '../base/assert.ts'
import type { Timestamp } from '../base/brands.ts'
import { MillraceError, messageOf } from '../base/errors.ts'
import type { Clock, Timer, Timers } from '../sys/sys.ts'
import type {
  Housekeeping,
  HousekeepingOptions,
  HousekeepingReport,
  HousekeepingStatus,
  HousekeepingWhat,
} from './housekeeping.ts'
import type { Answer } from './log.ts'
import type { Partition } from './partition.ts'

/** One kind of work. */
export interface HousekeepingKind {
  readonly what: HousekeepingWhat
  /** What is to be done in the partition now; undefined: nothing. */
  readonly due: (partition: Partition, now: Timestamp) => HousekeepingJob | undefined
}

export interface HousekeepingJob {
  readonly bytesTotal: number
  readonly bytesDone: number
  /**
   * Does about `bytesMax` bytes more, at least something. `done` is called once, perhaps before this returns, and says
   * whether there is more to do. The partition may have been removed since the last step.
   */
  step(bytesMax: number, done: (error: Error | undefined, more: boolean) => void): void
  /** No further step comes: what it holds may go. */
  abandon(): void
}

export interface HousekeeperHost {
  readonly timers: Timers
  readonly clock: Clock
  readonly kinds: readonly HousekeepingKind[]
  readonly partitions: () => Iterable<Partition>
  readonly warn: (message: string) => void
}

const DEFAULT_INTERVAL_MS = 30_000
const DEFAULT_BYTES_PER_SECOND = 32 * 1024 * 1024
/** Of a step, where nothing waits for a budget. */
const UNPACED_STEP_BYTES = 16 * 1024 * 1024
/** Partitions without work that are asked in one turn. */
const QUESTIONS_A_TURN = 200

interface Current {
  readonly partition: Partition
  readonly what: HousekeepingWhat
  readonly job: HousekeepingJob
}

type Status = { -readonly [Key in keyof HousekeepingStatus]: HousekeepingStatus[Key] }

export class Housekeeper implements Housekeeping {
  readonly #host: HousekeeperHost
  readonly #intervalMs: number
  readonly #bytesPerSecond: number
  /** By partition, then by kind: a partition of a deleted topic takes its entry along. */
  readonly #status = new Map<Partition, Map<HousekeepingWhat, Status>>()
  /** Questions of this round that were not asked yet; undefined: no round. */
  #left: Iterator<readonly [Partition, HousekeepingKind], void, undefined> | undefined
  #current: Current | undefined
  #stepping = false
  /** Whoever asked for the round that runs, and for the one after it. */
  #asked: Answer<HousekeepingReport>[] = []
  #askedNext: Answer<HousekeepingReport>[] = []
  #report: HousekeepingReport['work'][number][] = []
  #timer: Timer | undefined
  #background = false
  #stopped = false
  #ended: (() => void) | undefined

  constructor(host: HousekeeperHost, options: HousekeepingOptions = {}) {
    this.#host = host
    this.#intervalMs = options.intervalMs ?? DEFAULT_INTERVAL_MS
    this.#bytesPerSecond = options.bytesPerSecond ?? DEFAULT_BYTES_PER_SECOND
    assert(this.#intervalMs > 0 && this.#bytesPerSecond > 0, 'housekeeping has time and a budget')
  }

  /** Runs rounds in the background from now on. */
  start(): void {
    this.#background = true
    this.#rest()
  }

  /** The log closes. Calls `ended` when no step is under way any more. */
  stop(ended: () => void): void {
    assert(!this.#stopped, 'a log closes once')
    this.#stopped = true
    this.#timer?.cancel()
    if (!this.#stepping) this.#current?.job.abandon()
    const asked = [...this.#asked, ...this.#askedNext]
    this.#asked = []
    this.#askedNext = []
    for (const answer of asked) answer(closed(), undefined)
    if (this.#stepping) this.#ended = ended
    else ended()
  }

  status(): readonly HousekeepingStatus[] {
    return [...this.#status]
      .filter(([partition]) => !partition.removed)
      .flatMap(([, kinds]) => [...kinds.values()].map((status) => ({ ...status })))
  }

  runOnce(answer: Answer<HousekeepingReport>): void {
    if (this.#stopped) {
      answer(closed(), undefined)
      return
    }
    // A round that runs may have passed what is due now: another one follows it at once.
    this.#askedNext.push(answer)
    if (this.#stepping) return
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#left === undefined) this.#begin()
    this.#run()
  }

  get #unpaced(): boolean {
    return this.#asked.length + this.#askedNext.length > 0
  }

  #begin(): void {
    this.#asked = this.#askedNext
    this.#askedNext = []
    this.#report = []
    for (const partition of this.#status.keys()) if (partition.removed) this.#status.delete(partition)
    this.#left = this.#questions()
  }

  *#questions(): Generator<readonly [Partition, HousekeepingKind], void, undefined> {
    for (const partition of [...this.#host.partitions()]) {
      for (const kind of this.#host.kinds) yield [partition, kind] as const
    }
  }

  /** Goes on until a step answers later, the budget or the turn is used up, or nothing is left. */
  #run(): void {
    let questions = 0
    while (this.#left !== undefined && !this.#stopped) {
      if (this.#current === undefined) {
        questions += 1
        if (questions > QUESTIONS_A_TURN) {
          this.#host.timers.soon(() => this.#goOn())
          return
        }
        if (!this.#next()) this.#end()
        continue
      }
      if (!this.#step(this.#current)) return
    }
  }

  /** A turn that was waited for; a `runOnce` may have taken it meanwhile. */
  #goOn(): void {
    if (!this.#stepping && this.#left !== undefined) this.#run()
  }

  /** Asks one question; false: none was left. */
  #next(): boolean {
    const next = this.#left?.next()
    if (next === undefined || next.done === true) return false
    const [partition, kind] = next.value
    if (partition.removed) return true
    try {
      const job = kind.due(partition, this.#host.clock.now())
      if (job !== undefined) this.#current = { partition, what: kind.what, job }
    } catch (error) {
      this.#note(partition, kind.what, undefined, messageOf(error))
    }
    return true
  }

  /** One step; true: the next one may follow at once. */
  #step(current: Current): boolean {
    const { partition, what, job } = current
    const before = job.bytesDone
    const bytesMax = this.#unpaced ? UNPACED_STEP_BYTES : Math.max(1, Math.floor(this.#bytesPerSecond / 10))
    this.#note(partition, what, job, undefined)
    this.#stepping = true
    let inside = true
    let goOn = false
    const done = (error: Error | undefined, more: boolean) => {
      this.#stepping = false
      if (error !== undefined || !more || this.#stopped) {
        this.#current = undefined
        if (more) job.abandon()
        this.#finish(current, error)
      } else this.#note(partition, what, job, undefined)
      if (this.#stopped) {
        this.#ended?.()
        return
      }
      const waitMs = this.#unpaced ? 0 : ((job.bytesDone - before) / this.#bytesPerSecond) * 1000
      // Others get their turn, also while nothing waits for the budget.
      if (this.#unpaced && job.bytesDone - before >= UNPACED_STEP_BYTES)
        this.#host.timers.soon(() => this.#goOn())
      else if (waitMs > 0) this.#timer = this.#host.timers.after(waitMs, () => this.#goOn(), true)
      else if (inside) goOn = true
      else this.#run()
    }
    try {
      job.step(bytesMax, done)
    } catch (error) {
      if (!this.#stepping) throw error
      job.abandon()
      done(error as Error, false)
    }
    inside = false
    return goOn
  }

  #finish({ partition, what, job }: Current, error: Error | undefined): void {
    this.#note(partition, what, job, error === undefined ? undefined : messageOf(error))
    const status = this.#status.get(partition)?.get(what)
    if (status === undefined) return
    status.running = false
    status.lastRun = this.#host.clock.now()
    const { topic, bytesDone, bytesTotal } = status
    this.#report.push({
      topic,
      partition: partition.index,
      what,
      bytesDone,
      bytesTotal,
      error: status.error,
    })
  }

  #note(
    partition: Partition,
    what: HousekeepingWhat,
    job: HousekeepingJob | undefined,
    error: string | undefined,
  ): void {
    const kinds = this.#status.get(partition) ?? new Map<HousekeepingWhat, Status>()
    this.#status.set(partition, kinds)
    const known = kinds.get(what)
    // Once for each fault, not once a round.
    if (error !== undefined && error !== known?.error && !partition.removed) {
      this.#host.warn(`${what} of ${partition.name} did not succeed and is tried again later: ${error}`)
    }
    kinds.set(what, {
      topic: partition.topic.name,
      partition: partition.index,
      what,
      running: job !== undefined,
      bytesDone: job?.bytesDone ?? 0,
      bytesTotal: job?.bytesTotal ?? 0,
      lastRun: known?.lastRun,
      error,
    })
  }

  #end(): void {
    this.#left = undefined
    const asked = this.#asked
    const report = { work: this.#report }
    this.#asked = []
    if (this.#askedNext.length > 0) this.#begin()
    else if (this.#background) this.#rest()
    for (const answer of asked) answer(undefined, report)
  }

  #rest(): void {
    this.#timer = this.#host.timers.after(
      this.#intervalMs,
      () => {
        if (this.#left !== undefined || this.#stopped) return
        this.#begin()
        this.#run()
      },
      true,
    )
  }
}

function closed(): MillraceError {
  return new MillraceError('MILLRACE_CLOSED', 'the log is closed; open it again')
}
