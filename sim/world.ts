/**
 * A machine with a log on it, and those who use it. From one seed everything follows: what the actors do, what time
 * passes, what fails.
 *
 * Lives: from an opening of the log to its end. A power cut ends a life in the middle of anything; what was asked for
 * and not answered then has an unknown outcome. The model and the actors that are "on other machines" go on.
 */
import { isMillraceError } from '../src/base/errors.ts'
import type { Answer } from '../src/broker/broker.ts'
import type { CommitPositions } from '../src/broker/groups.ts'
import { LocalBroker } from '../src/broker/local/local-broker.ts'
import type { Log } from '../src/log/log.ts'
import { openLog } from '../src/log/open.ts'
import { PowerLoss } from '../src/sim/power-loss.ts'
import { SeededRandom } from '../src/sim/seeded-random.ts'
import { restartSys, type SimSys, simSys } from '../src/sim/sim-sys.ts'
import { History } from './history.ts'
import { Losses } from './losses.ts'
import { Model } from './model/model.ts'

const BEGIN = 1_700_000_000_000
export const FOLDER = '/data/log'
const OPENINGS_MAX = 50
const CLOSE_MS_MAX = 120_000

/** Who acts. */
export interface Actor {
  readonly name: string
  /** Does a little of its work. Called only while the log is open. */
  act(): void
  /** The log's life is over: nothing that was asked will be answered. */
  lost(): void
}

/** How a test breaks the program. */
export interface Breakage {
  /** Called for each log that was opened. */
  opened?(log: Log, broker: LocalBroker, sys: SimSys): void
  /** Nobody looks at checksums. */
  readonly unverified?: boolean
}

export class World {
  readonly random: SeededRandom
  readonly model = new Model()
  readonly history = new History()
  readonly actors: Actor[] = []
  sys: SimSys
  log!: Log
  broker!: LocalBroker
  /** Hears of every commit of a member. */
  committed: (request: CommitPositions) => void = () => undefined
  /** By how much the wall clock was set back, in all. */
  setBackMs = 0
  /** Counts openings. */
  life = 0
  /** What is drawn for the disk of this life. */
  slow = 0
  readonly #seed: number
  readonly breakage: Breakage
  readonly #faults: SeededRandom

  constructor(seed: number, breakage: Breakage = {}) {
    this.#seed = seed
    this.breakage = breakage
    this.random = new SeededRandom(seed).fork('world')
    this.#faults = new SeededRandom(seed).fork('faults')
    this.sys = simSys(seed, { now: BEGIN })
    this.#open()
  }

  note(line: string): void {
    this.history.note(`${this.sys.time.now() - BEGIN} ${line}`)
  }

  /** An answer that counts in this life only: afterwards its actor has given it up. */
  answer<T>(answer: Answer<T>): Answer<T> {
    const { life } = this
    return (error, value) => {
      if (life === this.life && this.isOn) answer(error, value)
    }
  }

  /** Whether there is power. Without, a program may still run to the end of its turn, but nobody hears of it. */
  get isOn(): boolean {
    try {
      this.sys.disk.check()
      return true
    } catch (error) {
      if (!(error instanceof PowerLoss)) throw error
      return false
    }
  }

  /** Whether a refusal says that nothing was written. */
  isRefusal(_error: Error): boolean {
    return this.log.failure === undefined
  }

  /** Runs what may meet a power cut. */
  guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      if (!(error instanceof PowerLoss)) throw error
    }
    if (!this.isOn) this.restart()
  }

  /** The power fails at one of the next operations of the disk, whatever it is. */
  armPowerCut(): void {
    const { disk } = this.sys
    const at = disk.operations + 1 + this.#faults.below(this.#faults.chance(0.5) ? 6 : 60)
    this.note(`fault: the power fails at operation ${at}`)
    disk.crashAt(at)
  }

  /** Cuts the power now, and opens what is left. */
  restart(): void {
    this.note(`power cut at operation ${this.sys.disk.operations}`)
    this.#end()
    this.sys = restartSys(this.sys, this.#seed * 1000 + this.life)
    this.#open()
  }

  /** The last close went well: nothing that was written is in doubt. */
  closedCleanly = false
  readonly losses = new Losses(this.model)

  /** Closes the log as a program does; false if the power failed meanwhile, and the log is open again. */
  close(): boolean {
    const { life } = this
    let closed = false
    this.guard(() => {
      this.broker.close((error) => {
        closed = true
        this.closedCleanly = error === undefined && this.log.failure === undefined
        this.note(`closed${error === undefined ? '' : `: ${error.message}`}`)
      })
      for (let ms = 0; !closed && ms < CLOSE_MS_MAX; ms += 100) this.sys.time.advance(100)
    })
    if (life !== this.life) return false
    if (!closed) throw new Error('the log does not close')
    this.#end()
    return true
  }

  /** After `close`. */
  reopen(): void {
    const { time } = this.sys
    time.clear()
    this.#open()
  }

  /** Replaces the machine by another one with a copy of its disk. */
  moveTo(sys: SimSys): void {
    // All copies are made with one seed; two lives that draw the same uuids would have two topics of one id.
    const random = new SeededRandom(this.#seed * 1000 + this.life).fork('moved')
    this.sys = { ...sys, random }
  }

  #end(): void {
    this.life += 1
    for (const actor of this.actors) actor.lost()
  }

  #open(): void {
    for (let opening = 0; opening < OPENINGS_MAX; opening += 1) {
      const random = this.#faults
      this.slow = random.chance(0.3) ? 1 + random.below(20) : 0
      this.sys.disk.delaySync(this.slow)
      // Recovery itself may be cut off, several times in a row.
      if (this.life > 0 && random.chance(0.2)) {
        this.sys.disk.crashAt(this.sys.disk.operations + 1 + random.below(12))
      }
      try {
        this.#openOnce(random)
        return
      } catch (error) {
        if (isMillraceError(error) && error.code === 'MILLRACE_DISK') {
          // It says why: no room, or a sync that failed. As soon as the disk works again, it opens.
          this.note(`not opened: ${error.message}`)
          this.sys.disk.diskFull(Number.POSITIVE_INFINITY)
          continue
        }
        if (!(error instanceof PowerLoss)) throw error
        this.note(`power cut while opening, at operation ${this.sys.disk.operations}`)
        this.life += 1
        this.sys = restartSys(this.sys, this.#seed * 1000 + this.life)
      }
    }
    throw new Error(`the log does not open in ${OPENINGS_MAX} tries`)
  }

  #openOnce(random: SeededRandom): void {
    const background = random.chance(0.3) ? { intervalMs: 500 + random.below(5000) } : undefined
    this.log = openLog(this.sys, FOLDER, {
      verifyReads: true,
      journalBytesMax: 3000 + random.below(20_000),
      segmentFirstBytes: 600 + random.below(4000),
      openFilesMax: 4 + random.below(60),
      housekeeping: background,
    })
    const { recovery } = this.log
    this.note(`opened: clean ${recovery.clean}, ${recovery.entriesReplayed} entries, sync ${this.slow} ms`)
    this.broker = new LocalBroker(this.sys, this.log, { positionsBytesMax: 500 + random.below(20_000) })
    this.#recordCommits()
    this.breakage.opened?.(this.log, this.broker, this.sys)
    this.losses.opened(this.broker, recovery.clean)
  }

  /** Whatever a client commits, the model hears of. */
  #recordCommits(): void {
    const { groups } = this.broker
    const commit = groups.commit.bind(groups)
    groups.commit = (request, answer) => {
      const group = this.model.group(request.group)
      group.ask(request.positions)
      this.committed(request)
      const { life } = this
      commit(request, (error, value) => {
        if (error === undefined && life === this.life && this.isOn) group.acknowledge(request.positions)
        answer(error, value)
      })
    }
  }
}
