import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { TopicDescription } from '../broker/broker.ts'
import { ClientsWorld, CONSUMER, Link } from './clients-test-world.ts'
import { GroupConsumer } from './group-consumer.ts'
import type { HandedRecord } from './partition-feed.ts'

/**
 * Several consumers of one group over simulated time: they come and go, work slowly, die, and lose their way to the
 * coordinator for longer than their session. Whatever happens, in whatever order:
 *
 * - every record is handed out at least once, and exactly once when nobody died or was cut off;
 * - no partition has two owners in one generation;
 * - no position goes back, and none passes a record that nobody has finished;
 * - at the end everything is committed.
 */

const PARTITIONS = 3

type Action =
  | { readonly kind: 'join' | 'leave' | 'crash' | 'cut' | 'mend'; readonly which: number }
  | { readonly kind: 'append'; readonly partition: number; readonly count: number }
  | { readonly kind: 'wait'; readonly ms: number }

const which = fc.nat({ max: 3 })
const calm: fc.Arbitrary<Action>[] = [
  fc.record({ kind: fc.constantFrom('join' as const, 'leave' as const), which }),
  fc.record({
    kind: fc.constant('append' as const),
    partition: fc.nat({ max: PARTITIONS - 1 }),
    count: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 900 }) }),
]
const rough = fc.record({ kind: fc.constantFrom('crash' as const, 'cut' as const, 'mend' as const), which })

/** A member and its worker: takes a record, has it in hand for a while, finishes it. */
class Worker {
  readonly consumer: GroupConsumer
  readonly link: Link
  failure: Error | undefined
  closed = false
  readonly #world: GroupWorld
  readonly #slownessMs: number
  #working = 0

  constructor(world: GroupWorld, slownessMs: number) {
    this.#world = world
    this.#slownessMs = slownessMs
    this.link = new Link(world)
    this.consumer = new GroupConsumer(world.sys, this.link.broker, CONSUMER, {
      wake: () => this.#more(),
      assigned: () => undefined,
      revoked: () => undefined,
      failed: (error) => {
        this.failure = error
      },
    })
    this.consumer.start()
  }

  close(): void {
    this.closed = true
    this.consumer.close(() => undefined)
  }

  #more(): void {
    while (this.#working < 2 && !this.closed && !this.link.dead) {
      const handed = this.consumer.take()
      if (handed === undefined) return
      this.#working += 1
      this.#world.handed(handed)
      const ms = this.#world.sys.random.next() * this.#slownessMs
      this.#world.sys.timers.after(ms, () => this.#done(handed))
    }
  }

  #done(handed: HandedRecord): void {
    this.#working -= 1
    if (this.link.dead) return
    this.#world.finished(handed)
    this.consumer.finish(handed)
    this.consumer.release(handed)
    this.#more()
  }
}

class GroupWorld extends ClientsWorld {
  readonly description: TopicDescription
  readonly workers: Worker[] = []
  readonly #times = new Map<string, number>()
  readonly #finished = new Set<string>()
  readonly #before = new Map<number, number>()
  readonly #ends = new Map<number, number>()

  constructor(seed: number) {
    super(seed)
    this.description = this.topic('t', { partitions: PARTITIONS })
  }

  handed({ feed, record }: HandedRecord): void {
    const name = `${feed.partition}@${record.offset}`
    this.#times.set(name, (this.#times.get(name) ?? 0) + 1)
  }

  finished({ feed, record }: HandedRecord): void {
    this.#finished.add(`${feed.partition}@${record.offset}`)
  }

  act(action: Action): void {
    if (action.kind === 'wait') this.pass(action.ms)
    else if (action.kind === 'append') {
      const texts = Array.from({ length: action.count }, (_, index) => `r${index}`)
      const offset = this.append(this.description, action.partition, texts)
      this.#ends.set(action.partition, offset + action.count)
    } else if (action.kind === 'join') {
      if (this.live().length < 4)
        this.workers.push(new Worker(this, [0, 20, 400][action.which % 3] as number))
    } else {
      const worker = this.live()[action.which]
      if (worker === undefined) return
      if (action.kind === 'leave') worker.close()
      if (action.kind === 'crash') worker.link.dead = true
      if (action.kind === 'cut') worker.link.up = false
      if (action.kind === 'mend') worker.link.up = true
    }
    this.pass(1)
  }

  live(): Worker[] {
    return this.workers.filter(({ closed, link }) => !closed && !link.dead)
  }

  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 10) {
      this.sys.time.advance(Math.min(10, ms - passed))
      this.#check()
    }
  }

  settle(): void {
    for (const { link } of this.workers) link.up = true
    if (this.live().length === 0) this.workers.push(new Worker(this, 5))
    for (let turn = 0; turn < 60 && !this.isSettled(); turn += 1) this.pass(500)
    expect(this.live().map(({ failure }) => failure)).toEqual(this.live().map(() => undefined))
    for (const [partition, end] of this.#ends) expect(this.positions('g').get(partition)).toBe(end)
    for (const [partition, end] of this.#ends) {
      for (let offset = 0; offset < end; offset += 1)
        expect(this.#times.get(`${partition}@${offset}`)).toBeGreaterThan(0)
    }
  }

  isSettled(): boolean {
    const positions = this.positions('g')
    return [...this.#ends].every(([partition, end]) => positions.get(partition) === end)
  }

  get mostOften(): number {
    return Math.max(0, ...this.#times.values())
  }

  #check(): void {
    const owners = new Set<string>()
    for (const { consumer } of this.live()) {
      const { generation } = consumer.membership.identity
      for (const { partition } of consumer.owned) {
        const name = `${partition} in generation ${generation}`
        expect(owners.has(name), `partition ${name} has two owners`).toBe(false)
        owners.add(name)
      }
    }
    for (const [partition, offset] of this.positions('g')) {
      const before = this.#before.get(partition) ?? 0
      expect(offset, `position of ${partition}`).toBeGreaterThanOrEqual(before)
      for (let passed = before; passed < offset; passed += 1)
        expect(this.#finished, 'committed, so finished').toContain(`${partition}@${passed}`)
      this.#before.set(partition, offset)
    }
  }
}

test('members that come and go: every record exactly once', () => {
  fc.assert(
    fc.property(fc.nat(), fc.array(fc.oneof(...calm), { minLength: 5, maxLength: 40 }), (seed, actions) => {
      const world = new GroupWorld(seed)
      for (const action of actions) world.act(action)
      world.settle()
      expect(world.mostOften).toBeLessThanOrEqual(1)
    }),
    { numRuns: 60 },
  )
}, 60_000)

test('members that die and lose their way: every record at least once, positions only forward', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.array(fc.oneof(...calm, rough), { minLength: 5, maxLength: 50 }),
      (seed, actions) => {
        const world = new GroupWorld(seed)
        for (const action of actions) world.act(action)
        world.settle()
      },
    ),
    { numRuns: 100 },
  )
}, 60_000)
