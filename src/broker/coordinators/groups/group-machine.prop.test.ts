import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { JoinedGroup } from '../../groups.ts'
import { type Asked, durable, GroupsWorld, joinOf, position, textOf } from './groups-test-world.ts'

/**
 * Several members over a virtual clock, each doing what a client may do at any time, lawful or not: join, sync, beat,
 * commit, leave, fall silent, come back under its old id or generation. A leader divides the partitions. Looked at from
 * outside, after every step:
 *
 * - in one generation each partition belongs to at most one member;
 * - nobody whose generation is not the present one commits or is kept alive;
 * - positions go back only by a reset;
 * - the records written so far build the same durable state, and so does a snapshot;
 * - whoever waits is answered in the end.
 */
const PARTITIONS = 6
const SLOTS = 4

interface Client {
  readonly instance: string | null
  member: string
  generation: number
  joining: Asked<JoinedGroup> | undefined
  syncing: ReturnType<GroupsWorld['sync']> | undefined
}

type ClientAction =
  | {
      readonly kind: 'join' | 'sync' | 'heartbeat' | 'leave' | 'forget' | 'reserve' | 'stale'
      readonly slot: number
    }
  | { readonly kind: 'commit'; readonly slot: number; readonly partition: number; readonly ahead: number }

type WorldAction =
  | { readonly kind: 'outside' | 'reset'; readonly partition: number; readonly offset: number }
  | { readonly kind: 'pending' | 'end'; readonly producer: number; readonly committed: boolean }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'restart' | 'settle' }

type Action = ClientAction | WorldAction

class Model {
  world = new GroupsWorld({ positionsRetentionMs: Number.MAX_SAFE_INTEGER })
  readonly clients: Client[] = Array.from({ length: SLOTS }, (_, slot) => ({
    // Two of them are one static member in two processes.
    instance: slot >= SLOTS - 2 ? 'fixed' : null,
    member: '',
    generation: -1,
    joining: undefined,
    syncing: undefined,
  }))
  /** Who got a partition, by generation. */
  readonly owners = new Map<string, string>()
  readonly #highest = new Map<string, number>()

  run(action: Action): void {
    if ('slot' in action) this.#act(action, this.clients[action.slot] as Client)
    else this.#happen(action)
    this.#collect()
    this.#check()
  }

  #act(action: ClientAction, client: Client): void {
    const { world } = this
    const who = { member: client.member, generation: client.generation, instance: client.instance }
    switch (action.kind) {
      case 'join':
        client.joining = world.join({
          member: client.member,
          instance: client.instance,
          sessionTimeoutMs: 1_000,
        })
        break
      case 'reserve': {
        const reserved = world.reserve({ sessionTimeoutMs: 1_000 })
        if (reserved.value !== undefined && client.instance === null) client.member = reserved.value
        break
      }
      case 'sync': {
        const { leader, members = [] } = world.machine.describe('g') ?? {}
        const given = Object.fromEntries(
          members.map(({ member }, index) => [member, this.#share(index, members.length)]),
        )
        client.syncing = world.sync(who, leader === client.member ? given : {})
        break
      }
      case 'heartbeat':
        if (world.heartbeat(who) === undefined) expect(who.generation).toBe(world.generation)
        break
      case 'leave':
        world.leave(who)
        break
      case 'forget':
        client.member = ''
        client.generation = -1
        break
      case 'commit': {
        const offset = (world.offsets()[`t/${action.partition}`] ?? 0) + action.ahead
        const { generation } = world
        const refusal = world.commit(who, position(action.partition, offset))
        // Without a member id and a generation it is a commit from outside.
        if (refusal === undefined && who.generation >= 0) expect(who.generation).toBe(generation)
        break
      }
      case 'stale':
        // An old generation, and what it would have committed then.
        expect(
          world.commit(
            { ...who, generation: world.generation - 1, member: client.member || 'x' },
            position(0, 0),
          ),
        ).toBeDefined()
        break
    }
  }

  #happen(action: WorldAction): void {
    const { world } = this
    switch (action.kind) {
      case 'pass':
        world.pass(action.ms)
        break
      case 'outside': {
        const offset = (world.offsets()[`t/${action.partition}`] ?? 0) + action.offset
        const active = (world.machine.list()[0]?.members ?? 0) > 0
        if (world.commit({}, position(action.partition, offset)) === undefined) expect(active).toBe(false)
        break
      }
      case 'reset': {
        const active = (world.machine.list()[0]?.members ?? 0) > 0
        const refusal = world.reset(position(action.partition, action.offset))
        expect(refusal?.code).toBe(active ? 'MILLRACE_GROUP_ACTIVE' : undefined)
        if (refusal === undefined) this.#highest.delete(`t/${action.partition}`)
        break
      }
      case 'pending': {
        const partition = action.producer % PARTITIONS
        // Never below what another transaction wants: its owner has read on from there.
        this.#pendingOffset += 1
        world.commitPending(action.producer, {}, position(partition, 1_000 + this.#pendingOffset))
        break
      }
      case 'end':
        world.end(action.producer, action.committed)
        break
      case 'restart':
        this.#restart()
        break
      case 'settle':
        this.#settle()
        break
    }
  }

  #pendingOffset = 0

  /** The process ends; another one reads what it wrote. Its clients live elsewhere, and do not know. */
  #restart(): void {
    const before = this.world
    const after = new GroupsWorld({ positionsRetentionMs: Number.MAX_SAFE_INTEGER })
    after.now = before.now
    after.do(() => {})
    for (const record of before.written) after.machine.apply(record)
    after.written.push(...before.written)
    expect(durable(after.machine)).toEqual(durable(before.machine))
    // Ids are random in life.
    after.skipIds(10_000 * (this.#restarts += 1))
    this.world = after
    for (const client of this.clients) {
      client.joining = undefined
      client.syncing = undefined
    }
  }

  #restarts = 0

  /** For a while all clients but the second process of the static member do what they should. */
  #settle(): void {
    for (let round = 0; round < 4; round += 1) {
      for (const slot of [0, 1, 2]) {
        const client = this.clients[slot] as Client
        const who = { member: client.member, generation: client.generation, instance: client.instance }
        const refusal = this.world.heartbeat(who)
        if (refusal === undefined) this.run({ kind: 'sync', slot })
        else if (client.joining === undefined) {
          if (refusal.code !== 'MILLRACE_REBALANCE_IN_PROGRESS') this.run({ kind: 'forget', slot })
          this.run({ kind: 'join', slot })
        }
        this.#collect()
      }
    }
  }

  #collect(): void {
    for (const client of this.clients) {
      const { joining, syncing } = client
      if (joining?.came) {
        client.joining = undefined
        if (joining.value !== undefined) {
          client.member = joining.value.member
          client.generation = joining.value.generation
        } else {
          client.generation = -1
          if (joining.error?.code !== 'MILLRACE_REBALANCE_IN_PROGRESS') client.member = ''
        }
      }
      if (syncing?.came) {
        client.syncing = undefined
        if (syncing.value !== undefined) this.#own(client, textOf(syncing.value.assignment))
      }
    }
  }

  /** Partitions of one of `count` members. */
  #share(index: number, count: number): string {
    return Array.from({ length: PARTITIONS }, (_, partition) => partition)
      .filter((partition) => partition % count === index)
      .join()
  }

  #own({ member, generation, instance }: Client, partitions: string): void {
    for (const partition of partitions === '' ? [] : partitions.split(',')) {
      const key = `${generation}/${partition}`
      // The next process of a static member is the same owner: the one before is fenced.
      const owner = instance ?? member
      expect(this.owners.get(key) ?? owner, `${key} has one owner`).toBe(owner)
      this.owners.set(key, owner)
    }
  }

  #check(): void {
    const { world } = this
    for (const [key, offset] of Object.entries(world.offsets())) {
      expect(offset, `${key} never goes back`).toBeGreaterThanOrEqual(this.#highest.get(key) ?? 0)
      this.#highest.set(key, offset)
    }
  }

  /** Everything calms down: whoever waits is answered. */
  end(): void {
    const { world } = this
    expect(durable(world.replayed())).toEqual(durable(world.machine))
    const copy = new GroupsWorld()
    for (const record of world.machine.snapshot()) copy.machine.apply(record)
    expect(durable(copy.machine)).toEqual(durable(world.machine))
    const waiting = this.clients.flatMap(({ joining, syncing }) => [joining, syncing])
    world.pass(1_000_000)
    for (const asked of waiting) expect(asked?.came ?? true, 'nobody waits for ever').toBe(true)
    expect(world.memberIds).toEqual([])
    expect(world.join(joinOf()).value).toBeDefined()
  }
}

const slot = fc.nat({ max: SLOTS - 1 })
const partition = fc.nat({ max: PARTITIONS - 1 })
const producer = fc.integer({ min: 1, max: 3 })
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('join' as const), slot }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('sync' as const), slot }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('heartbeat' as const), slot }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('leave' as const, 'forget' as const, 'reserve' as const),
      slot,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      slot,
      partition,
      ahead: fc.nat({ max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stale' as const), slot }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('outside' as const, 'reset' as const),
      partition,
      offset: fc.nat({ max: 9 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('pending' as const, 'end' as const),
      producer,
      committed: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 1_500 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'settle' as const }) },
)

test('whatever members do, groups keep their promises', () => {
  let stable = 0
  fc.assert(
    fc.property(fc.array(action, { minLength: 20, maxLength: 120 }), (actions) => {
      const model = new Model()
      for (const one of actions) model.run(one)
      if (model.owners.size > PARTITIONS) stable += 1
      model.end()
    }),
    { numRuns: 300 },
  )
  // The property would mean nothing if groups never got so far.
  expect(stable).toBeGreaterThan(100)
})
