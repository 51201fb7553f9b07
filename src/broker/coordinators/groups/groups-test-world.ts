import type { MillraceError } from '../../../base/errors.ts'
import type { Answer } from '../../broker.ts'
import type { GroupMember, JoinedGroup, JoinGroup, NewPosition, SyncedGroup } from '../../groups.ts'
import type { CoordinatorRecord } from '../coordinator.ts'
import { GroupMachine, type GroupMachineOptions } from './group-machine.ts'
import type { Step } from './step.ts'

/** An answer that came, or did not come yet. */
export interface Asked<T> {
  came: boolean
  error: MillraceError | undefined
  value: T | undefined
}

/** A machine with a clock of its own; its records are durable at once. */
export class GroupsWorld {
  readonly machine: GroupMachine
  readonly written: CoordinatorRecord[] = []
  now = 0
  #ids = 0

  constructor(options: GroupMachineOptions = {}) {
    this.machine = new GroupMachine(() => {
      this.#ids += 1
      return `${this.#ids}`
    }, options)
  }

  /** The next process draws other ids. */
  skipIds(count: number): void {
    this.#ids += count
  }

  ask<T>(operation: (answer: Answer<T>, step: Step) => void): Asked<T> {
    const asked: Asked<T> = { came: false, error: undefined, value: undefined }
    this.do((step) =>
      operation((error, value) => {
        if (asked.came) throw new Error('answered twice')
        asked.came = true
        asked.error = error as MillraceError | undefined
        asked.value = value
      }, step),
    )
    return asked
  }

  do(operation: (step: Step) => void): void {
    const step = this.machine.begin({ wall: 1_000_000 + this.now, steady: this.now })
    operation(step)
    for (const record of step.records) this.machine.apply(record)
    // The log keeps nothing but texts.
    for (const { key, value } of step.records) this.written.push({ key, value })
    step.settle(undefined)
  }

  /** Lets time pass and everything happen that is due. */
  pass(ms: number): void {
    const end = this.now + ms
    for (let turn = 0; this.machine.nextDeadline <= end; turn += 1) {
      if (turn > 10_000) throw new Error(`the machine is due at ${this.machine.nextDeadline} for ever`)
      this.now = Math.max(this.now, this.machine.nextDeadline)
      this.do((step) => this.machine.tick(step))
    }
    this.now = end
  }

  join(request: Partial<JoinGroup> = {}): Asked<JoinedGroup> {
    return this.ask((answer, step) => this.machine.join(joinOf(request), answer, step))
  }

  reserve(request: Partial<JoinGroup> = {}): Asked<string> {
    return this.ask((answer, step) => this.machine.reserveMember(joinOf(request), answer, step))
  }

  sync(member: Partial<GroupMember>, assignments: Readonly<Record<string, string>> = {}): Asked<SyncedGroup> {
    const list = Object.entries(assignments).map(([id, text]) => ({ member: id, assignment: bytesOf(text) }))
    const request = { ...memberOf(member), assignments: list }
    return this.ask((answer, step) => this.machine.sync(request, answer, step))
  }

  heartbeat(member: Partial<GroupMember>): MillraceError | undefined {
    const asked = this.ask<void>((answer, step) => this.machine.heartbeat(memberOf(member), answer, step))
    if (!asked.came) throw new Error('a heartbeat is answered at once')
    return asked.error
  }

  leave(...members: { member?: string; instance?: string | null }[]): (MillraceError | undefined)[] {
    const list = members.map(({ member = '', instance = null }) => ({ member, instance }))
    const asked = this.ask<readonly (MillraceError | undefined)[]>((answer, step) =>
      this.machine.leave({ group: 'g', members: list }, answer, step),
    )
    return [...(asked.value ?? [])]
  }

  commit(member: Partial<GroupMember>, ...positions: NewPosition[]): MillraceError | undefined {
    return this.ask<void>((answer, step) => {
      const { records, response } = this.machine.commit({ ...memberOf(member), positions }, step)
      step.write(...records)
      if (response === undefined) step.answer(answer, undefined)
      else step.refuse(answer, response)
    }).error
  }

  commitPending(
    producerId: number,
    member: Partial<GroupMember>,
    ...positions: NewPosition[]
  ): MillraceError | undefined {
    let refusal: MillraceError | undefined
    this.do((step) => {
      const request = { ...memberOf(member), positions }
      const { records, response } = this.machine.commitPending(producerId, request, step)
      step.write(...records)
      refusal = response ?? undefined
    })
    return refusal
  }

  end(producerId: number, committed: boolean): void {
    this.do((step) => step.write(...this.machine.endTransaction(producerId, committed)))
  }

  reset(...positions: NewPosition[]): MillraceError | undefined {
    return this.ask<void>((answer, step) => this.machine.reset('g', positions, answer, step)).error
  }

  delete(group = 'g'): MillraceError | undefined {
    return this.ask<void>((answer, step) => this.machine.delete(group, answer, step)).error
  }

  /** Offsets by 'topic/partition'. */
  offsets(group = 'g'): Readonly<Record<string, number>> {
    const { positions } = this.machine.positions(group)
    return Object.fromEntries(
      positions.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]),
    )
  }

  get state(): string | undefined {
    return this.machine.describe('g')?.state
  }

  get generation(): number {
    return this.machine.generation('g')
  }

  get memberIds(): string[] {
    return (this.machine.describe('g')?.members ?? []).map(({ member }) => member)
  }

  /** A group in which `count` members have what they need; the first is the leader. */
  stable(count: number, request: Partial<JoinGroup> = {}): string[] {
    const ids: string[] = []
    let waiting: Asked<JoinedGroup>[] = []
    for (let index = 0; index < count; index += 1) {
      // The others wait in the join phase until each known member has joined again.
      const joined = this.join({ ...request, client: `c${index}` })
      waiting = ids.map((member) => this.join({ ...request, client: 'c', member }))
      if (joined.value === undefined) throw joined.error ?? new Error('the join phase did not end')
      ids.push(joined.value.member)
      const { generation, leader } = joined.value
      const all = Object.fromEntries(ids.map((id) => [id, `work of ${id}`]))
      for (const member of ids) if (member !== leader) this.sync({ member, generation })
      this.sync({ member: leader, generation }, all)
    }
    if (waiting.some(({ error }) => error !== undefined)) throw new Error('a join was refused')
    return ids
  }

  /** The same records in a fresh machine. */
  replayed(): GroupMachine {
    const fresh = new GroupMachine(() => 'never')
    for (const record of this.written) fresh.apply(record)
    return fresh
  }
}

export function joinOf(request: Partial<JoinGroup> = {}): JoinGroup {
  return {
    group: 'g',
    member: '',
    instance: null,
    client: 'c',
    host: '',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    protocolType: 'consumer',
    protocols: [{ name: 'sticky', metadata: bytesOf('topics') }],
    ...request,
  }
}

export function memberOf(member: Partial<GroupMember>): GroupMember {
  return { group: 'g', member: '', generation: -1, instance: null, ...member }
}

export function position(partition: number, offset: number, topic = 't', metadata = ''): NewPosition {
  return { topic, partition, offset, leaderEpoch: 0, metadata }
}

export function bytesOf(text: string): Uint8Array {
  return Buffer.from(text)
}

export function textOf(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString()
}

/** What a machine would write of itself, in an order that does not matter. */
export function durable(machine: GroupMachine): string[] {
  return Array.from(machine.snapshot(), ({ key, value }) => `${key} ${value}`).sort()
}
