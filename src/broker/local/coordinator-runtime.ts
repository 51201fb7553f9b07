/**
 * Runs the coordinators over the log (see coordinators/coordinator.ts).
 *
 * Purpose: an operation's records are applied in the step that decides, so the next operation sees them; they go to the
 * log together with whatever must be there with them, as one group; answers come when that is durable.
 *
 * State: the machines, and the writes on their way, in the log's order.
 * Invariants: the machines hold what the log holds plus the writes on their way, in order. A write that failed takes its
 * records back: both machines are built again from the log, then the writes that are still on their way are applied.
 *
 * Cost: one batch for each coordinator a write. A failed write costs a replay of the topics, which are kept small.
 */
import { assert } from '../../base/assert.ts'
import type { Offset } from '../../base/brands.ts'
import { isMillraceError, MillraceError } from '../../base/errors.ts'
import type { Answer, Log, LogBatch } from '../../log/log.ts'
import type { Sys } from '../../sys/sys.ts'
import type { PartitionBatch } from '../broker.ts'
import type {
  CoordinatorMachine,
  CoordinatorRecord,
  CoordinatorRuntime,
  CoordinatorWrite,
  Moment,
} from '../coordinators/coordinator.ts'
import { CoordinatorTopic } from './coordinator-topic.ts'
import { legacyPositions, legacyRecords } from './legacy-positions.ts'

export const GROUPS_TOPIC = '__groups'
const TRANSACTIONS_TOPIC = '__transactions'
/** Only their coordinator changes them. */
export const COORDINATOR_TOPICS: readonly string[] = [GROUPS_TOPIC, TRANSACTIONS_TOPIC]

type CoordinatorName = 'groups' | 'transactions'
const TOPIC_NAMES: Readonly<Record<CoordinatorName, string>> = {
  groups: GROUPS_TOPIC,
  transactions: TRANSACTIONS_TOPIC,
}

export interface CoordinatorRuntimeOptions {
  /** A coordinator's topic is rewritten when it has grown by so much. */
  readonly rewriteBytes: number
}

interface InFlight {
  readonly write: CoordinatorWrite
  /** The log has it; else it waits for its topic. */
  appended: boolean
  /** Empty writes that wait for this one. */
  readonly followers: Answer<readonly Offset[]>[]
}

const NO_BATCHES: readonly PartitionBatch[] = Object.freeze([])

export class LocalCoordinatorRuntime implements CoordinatorRuntime {
  readonly #sys: Sys
  readonly #log: Log
  readonly #topics: readonly (readonly [CoordinatorName, CoordinatorTopic])[]
  /** Writes on their way, the oldest first. */
  readonly #inFlight: InFlight[] = []
  #closed = false
  /** The log cannot be read any more: what the machines hold is not to be trusted. */
  #broken: Error | undefined

  constructor(
    sys: Sys,
    log: Log,
    machines: Readonly<Partial<Record<CoordinatorName, CoordinatorMachine>>>,
    options: CoordinatorRuntimeOptions,
  ) {
    this.#sys = sys
    this.#log = log
    this.#topics = Object.entries(machines).map(([key, machine]) => {
      const name = key as CoordinatorName
      return [name, new CoordinatorTopic(log, TOPIC_NAMES[name], machine, options.rewriteBytes)]
    })
  }

  /**
   * Builds the machines from what is there, once; positions of a former version are written anew.
   * @throws MillraceError MILLRACE_CORRUPT, MILLRACE_NEWER_FORMAT.
   */
  replay(): void {
    for (const [name, topic] of this.#topics) topic.replay(this.#earlier(name))
    const legacy = legacyPositions(this.#log)
    if (legacy === undefined) return
    const whole = this.#topics.flatMap(([name, { machine }]) =>
      name === 'groups' ? [...machine.snapshot()] : [],
    )
    // If the disk is full, the next start finds the old topic again.
    this.write({ groups: whole }, (error) => {
      if (error === undefined && this.stopped === undefined)
        this.#log.deleteTopic(legacy.topic.name, () => {})
    })
  }

  now(): Moment {
    const { clock } = this.#sys
    return { wall: clock.now(), steady: clock.monotonic() }
  }

  /** Nothing is on its way: the machines hold exactly what the log holds. */
  get isSettled(): boolean {
    return this.#inFlight.length === 0
  }

  /** Why nothing is taken. */
  get stopped(): Error | undefined {
    if (this.#log.failure !== undefined) return this.#log.failure
    if (this.#broken !== undefined) return this.#broken
    if (!this.#closed) return undefined
    return new MillraceError('MILLRACE_CLOSED', `the log in ${this.#log.folder} is closed: open it again`)
  }

  close(): void {
    this.#closed = true
  }

  write(write: CoordinatorWrite, answer: Answer<readonly Offset[]>): void {
    const { stopped } = this
    if (stopped !== undefined) {
      answer(stopped, undefined)
      return
    }
    const last = this.#inFlight.at(-1)
    if (isEmpty(write)) {
      if (last === undefined) answer(undefined, [])
      else last.followers.push(answer)
      return
    }
    this.#checkBatches(write.batches ?? NO_BATCHES)
    this.#apply(write)
    const inFlight: InFlight = { write, appended: false, followers: [] }
    this.#inFlight.push(inFlight)
    this.#createThenAppend(inFlight, answer)
  }

  /** The first record of a topic makes it. Later writes with records wait for it as well, so that the order stays. */
  #createThenAppend(inFlight: InFlight, answer: Answer<readonly Offset[]>): void {
    const missing = this.#neededBy(inFlight.write).find(([, { partition }]) => partition === undefined)
    if (missing === undefined) {
      this.#append(inFlight, answer)
      return
    }
    missing[1].create((error) => {
      const failed = error ?? this.stopped
      if (failed === undefined) this.#createThenAppend(inFlight, answer)
      else this.#end(inFlight, answer, failed, undefined)
    })
  }

  #append(inFlight: InFlight, answer: Answer<readonly Offset[]>): void {
    const { write } = inFlight
    const batches = write.batches ?? NO_BATCHES
    const parts: LogBatch[] = [...batches]
    inFlight.appended = true
    const { wall } = this.now()
    try {
      for (const [name, topic] of this.#neededBy(write)) parts.push(topic.batch(write[name] ?? [], wall))
      this.#log.append(parts, (error, offsets) =>
        this.#end(inFlight, answer, error, offsets?.slice(0, batches.length)),
      )
    } catch (error) {
      // Faults of the caller that the log sees first; those of an answer are its owner's.
      if (!isMillraceError(error) || !this.#inFlight.includes(inFlight)) throw error
      this.#end(inFlight, answer, error, undefined)
    }
  }

  #end(
    inFlight: InFlight,
    answer: Answer<readonly Offset[]>,
    error: Error | undefined,
    offsets: readonly Offset[] | undefined,
  ): void {
    const index = this.#inFlight.indexOf(inFlight)
    assert(index >= 0, 'a write ends once')
    this.#inFlight.splice(index, 1)
    const followers = this.#released(inFlight, index, error)
    const waiting = error === undefined ? [] : this.#rebuild(inFlight.write)
    answer(error, offsets)
    for (const follower of followers) follower(error, error === undefined ? [] : undefined)
    for (const one of waiting) one(error as Error)
    if (error === undefined) this.#rewrite()
  }

  /**
   * Empty writes that are answered now. They may have seen the records of any write that was on its way: of one that
   * fails later (it waited for its topic, say) and of one that failed before. So they go with the oldest.
   */
  #released(ended: InFlight, index: number, error: Error | undefined): readonly Answer<readonly Offset[]>[] {
    if (error !== undefined)
      return [ended, ...this.#inFlight.slice(index)].flatMap(({ followers }) => followers.splice(0))
    const older = this.#inFlight[index - 1]
    if (older === undefined) return ended.followers
    older.followers.push(...ended.followers)
    return []
  }

  /** Takes the records of a failed write back. Returns those who waited in the machines. */
  #rebuild(failed: CoordinatorWrite): readonly ((error: Error) => void)[] {
    const waiting: ((error: Error) => void)[] = []
    for (const [name, topic] of this.#neededBy(failed)) {
      waiting.push(...topic.machine.clear())
      try {
        topic.replay(this.#earlier(name))
      } catch (error) {
        if (!isMillraceError(error)) throw error
        this.#broken = error
      }
      for (const { write } of this.#inFlight) {
        for (const record of write[name] ?? []) topic.machine.apply(record)
      }
    }
    return waiting
  }

  /** What a former topic holds as long as the upgrade is not done. */
  #earlier(name: CoordinatorName): readonly CoordinatorRecord[] {
    const legacy = name === 'groups' ? legacyPositions(this.#log) : undefined
    return legacy === undefined ? [] : legacyRecords(legacy)
  }

  #apply(write: CoordinatorWrite): void {
    for (const [name, topic] of this.#topics) {
      for (const record of write[name] ?? []) topic.machine.apply(record)
    }
  }

  /**
   * Keeps the topics small. A snapshot holds what is on its way as well: that is before it in the log, which takes
   * nothing after what it refused without having refused this, too.
   */
  #rewrite(): void {
    for (const [, topic] of this.#topics) {
      if (!topic.isDue || this.stopped !== undefined) continue
      if (!this.#inFlight.every(({ appended }) => appended)) continue
      const inFlight: InFlight = { write: {}, appended: true, followers: [] }
      this.#inFlight.push(inFlight)
      topic.rewrite(this.now().wall, (error) => this.#end(inFlight, () => {}, error, undefined))
    }
  }

  /** A fault of the caller is found before anything is applied. */
  #checkBatches(batches: readonly PartitionBatch[]): void {
    for (const { topic, partition } of batches) {
      if (this.#log.topicById(topic)?.partitions[partition] !== undefined) continue
      const message = `there is no partition ${partition} of a topic with the id ${topic}`
      throw new MillraceError('MILLRACE_UNKNOWN_TOPIC', message)
    }
  }

  #neededBy(write: CoordinatorWrite): readonly (readonly [CoordinatorName, CoordinatorTopic])[] {
    return this.#topics.filter(([name]) => has(write[name]))
  }
}

function has<T>(list: readonly T[] | undefined): list is readonly T[] {
  return list !== undefined && list.length > 0
}

function isEmpty({ groups, transactions, batches }: CoordinatorWrite): boolean {
  return !has(groups) && !has(transactions) && !has(batches)
}
