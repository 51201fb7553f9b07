import type { TopicId } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type { Timer, Timers } from '../../sys/sys.ts'
import type { Answer, Membership } from '../broker.ts'
import type { CoordinatorRuntime } from '../coordinators/coordinator.ts'
import type { GroupMachine } from '../coordinators/groups/group-machine.ts'
import type { Step } from '../coordinators/groups/step.ts'
import type {
  CommitPositions,
  GroupDescription,
  GroupListing,
  GroupMember,
  GroupPort,
  GroupPositions,
  JoinedGroup,
  JoinGroup,
  LeaveGroup,
  NewPosition,
  SyncedGroup,
  SyncGroup,
} from '../groups.ts'

/** A timer later than this was held up by its process, which could not take heartbeats either. */
const LATE_MS = 1_000
/** Longer than any session: only the retention of positions is so far away, and no process stays alive for that. */
const FAR_MS = 1_800_000
/** Timers count in 31 bits. */
const TIMER_MAX_MS = 24 * 3_600_000

export interface LocalGroupsHost {
  readonly runtime: CoordinatorRuntime
  readonly timers: Timers
  /** Why nothing is taken. */
  readonly stopped: () => Error | undefined
  /** A position of a partition that is not there. */
  readonly positionFault: (positions: readonly NewPosition[]) => MillraceError | undefined
}

/** The groups of a log in this process: the machine decides, the runtime writes, one timer lets time act. */
export class LocalGroups implements GroupPort {
  readonly #machine: GroupMachine
  readonly #host: LocalGroupsHost
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(machine: GroupMachine, host: LocalGroupsHost) {
    this.#machine = machine
    this.#host = host
  }

  /** After the replay. */
  start(): void {
    this.#do((step) => this.#machine.dismissLocalMembers(step))
  }

  /** Whoever waits in a join or a sync is told. */
  close(error: Error): void {
    this.#timer?.cancel()
    for (const waiting of this.#machine.giveUpWaiting()) waiting(error)
  }

  join(request: JoinGroup, answer: Answer<JoinedGroup>): void {
    this.#ask(answer, request.group, (step) => this.#machine.join(request, answer, step))
  }

  reserveMember(request: JoinGroup, answer: Answer<string>): void {
    this.#ask(answer, request.group, (step) => this.#machine.reserveMember(request, answer, step))
  }

  sync(request: SyncGroup, answer: Answer<SyncedGroup>): void {
    this.#ask(answer, request.group, (step) => this.#machine.sync(request, answer, step))
  }

  heartbeat(request: GroupMember, answer: Answer<void>): void {
    this.#ask(answer, request.group, (step) => this.#machine.heartbeat(request, answer, step))
  }

  leave(request: LeaveGroup, answer: Answer<readonly (MillraceError | undefined)[]>): void {
    this.#ask(answer, request.group, (step) => this.#machine.leave(request, answer, step))
  }

  commit(request: CommitPositions, answer: Answer<void>): void {
    this.#ask(answer, request.group, (step) => {
      const fault = this.#host.positionFault(request.positions)
      const { records, response } =
        fault === undefined ? this.#machine.commit(request, step) : { records: [], response: fault }
      step.write(...records)
      if (response === undefined) step.answer(answer, undefined)
      else step.refuse(answer, response)
    })
  }

  positions(group: string, answer: Answer<GroupPositions>): void {
    this.#ask(answer, group, (step) => step.answer(answer, this.#machine.positions(group)))
  }

  list(): readonly GroupListing[] {
    return this.#machine.list()
  }

  describe(group: string): GroupDescription | undefined {
    return this.#machine.describe(group)
  }

  reset(group: string, positions: readonly NewPosition[], answer: Answer<void>): void {
    this.#ask(answer, group, (step) => {
      const fault = this.#host.positionFault(positions)
      if (fault === undefined) this.#machine.reset(group, positions, answer, step)
      else step.refuse(answer, fault)
    })
  }

  delete(group: string, answer: Answer<void>): void {
    this.#ask(answer, group, (step) => this.#machine.delete(group, answer, step))
  }

  /** The engine's join (broker.ts). */
  takeOver(group: string, answer: Answer<Membership>): void {
    this.#ask(answer, group, (step) => this.#machine.takeOver(group, answer, step))
  }

  /** A topic is gone: nobody needs its positions. If they cannot be removed they do no harm, since no topic gets its id. */
  forgetTopic(topic: TopicId): void {
    if (this.#host.stopped() === undefined)
      this.#do((step) => step.write(...this.#machine.forgetTopic(topic)))
  }

  #ask<T>(answer: Answer<T>, group: string, operation: (step: Step) => void): void {
    const stopped = this.#host.stopped() ?? nameFault(group)
    if (stopped === undefined) this.#do(operation)
    else answer(stopped, undefined)
  }

  #do(operation: (step: Step) => void): void {
    const step = this.#machine.begin(this.#host.runtime.now())
    operation(step)
    if (!step.isEmpty) this.#host.runtime.write({ groups: step.records }, (error) => step.settle(error))
    this.#schedule()
  }

  #schedule(): void {
    const { nextDeadline } = this.#machine
    if (nextDeadline >= this.#timerAt) return
    this.#timer?.cancel()
    const { steady } = this.#host.runtime.now()
    const wait = Math.min(Math.max(0, nextDeadline - steady), TIMER_MAX_MS)
    this.#timerAt = steady + wait
    this.#timer = this.#host.timers.after(wait, () => this.#tick(), wait > FAR_MS)
  }

  #tick(): void {
    const now = this.#host.runtime.now()
    const late = now.steady - this.#timerAt
    this.#timerAt = Number.POSITIVE_INFINITY
    if (this.#host.stopped() !== undefined) return
    if (late > LATE_MS) this.#machine.postpone(late, now)
    this.#do((step) => this.#machine.tick(step))
  }
}

function nameFault(group: string): MillraceError | undefined {
  if (group !== '') return undefined
  return new MillraceError('MILLRACE_INVALID_ARGUMENT', 'the name of a group is empty: give it a name')
}
