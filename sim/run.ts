import type { Timestamp } from '../src/base/brands.ts'
import { messageOf } from '../src/base/errors.ts'
import { LogVerifier } from '../src/log/verify.ts'
import { Administrator } from './actors/administrator.ts'
import { ClientProducer } from './actors/client-producer.ts'
import { GroupMember } from './actors/group-member.ts'
import { LatePackets } from './actors/late-packets.ts'
import { Processor } from './actors/processor.ts'
import { RemoteProducer } from './actors/remote-producer.ts'
import { TransactionalWriter } from './actors/transactional-writer.ts'
import { WholeWriter } from './actors/whole-writer.ts'
import { allCheckers } from './checkers/all.ts'
import type { Checker } from './checkers/checker.ts'
import { Faults } from './faults.ts'
import { InvariantBroken } from './invariant-broken.ts'
import { LastOfKeys } from './last-of-keys.ts'
import type { Ownership } from './model/model.ts'
import type { ObservedPositions } from './model/model-group.ts'
import { placeOf } from './model/place.ts'
import { Observer, type PartitionView } from './observation.ts'
import { type Actor, type Breakage, World } from './world.ts'

export const STEPS = 150
/** Everything is read again after so many steps, whether it moved or not. */
const FULL_LOOK_STEPS = 25
const FINISH_STEPS_MAX = 400
/** Of 100 turns, how many are faults and changes of topics: calm worlds have long lives. */
const FAULT_RATES = [2, 5, 10]
/** How often each of the others has its turn. */
const WEIGHTS = [0, 1, 1, 2, 8]

export interface RunOptions {
  readonly seed: number
  /** Default 150. */
  readonly steps?: number
  readonly breakage?: Breakage
  /** Names of those that are asked. Default: all. */
  readonly checkers?: readonly string[]
}

export interface RunReport {
  readonly seed: number
  /** The same for every run of the same seed and program. */
  readonly digest: string
  readonly lives: number
  readonly records: number
  readonly acknowledged: number
  readonly transactions: number
  readonly failure: RunFailure | undefined
}

export interface RunFailure {
  readonly step: number
  readonly checker: string
  readonly problem: string
  readonly stack: string
  readonly history: readonly string[]
}

/** One world from its beginning to its end. */
export function simulate({ seed, steps = STEPS, breakage = {}, checkers }: RunOptions): RunReport {
  const chosen = allCheckers().filter(({ name }) => checkers === undefined || checkers.includes(name))
  const simulation = new Simulation(seed, breakage, chosen)
  const failure = simulation.run(steps)
  const { model, history, life } = simulation.world
  const records = [...model.records.values()]
  return {
    seed,
    digest: history.digest,
    lives: life + 1,
    records: records.length,
    acknowledged: records.filter(({ outcome }) => outcome === 'acknowledged').length,
    transactions: model.transactions.length,
    failure,
  }
}

class Simulation {
  readonly world: World
  readonly #checkers: readonly Checker[]
  readonly #observer = new Observer()
  readonly #keys = new LastOfKeys()
  readonly #admin: Administrator
  readonly #faults: Faults
  readonly #remote: RemoteProducer[]
  readonly #members: (GroupMember | Processor)[]
  /** Those who work, each as often as its share of the turns. */
  readonly #turns: readonly Actor[]
  readonly #faultRate: number
  #answeredPositions: ObservedPositions[] = []
  #lookedAtLife = -1
  #lookedAt: Timestamp = 0
  #step = 0

  constructor(seed: number, breakage: Breakage, checkers: readonly Checker[]) {
    this.#checkers = checkers
    const world = new World(seed, breakage)
    this.world = world
    this.#admin = new Administrator(world)
    this.#faults = new Faults(world)
    this.#remote = [new RemoteProducer(world, 'remote-a'), new RemoteProducer(world, 'remote-b')]
    const { random } = world
    this.#faultRate = (FAULT_RATES[random.below(FAULT_RATES.length)] ?? 0) / 100
    const reader = { group: 'readers', topics: ['plain'], instance: null, remote: false }
    this.#members = [
      new GroupMember(world, 'reader-a', reader),
      new GroupMember(world, 'reader-b', { ...reader, topics: ['plain', 'short'], remote: true }),
      new GroupMember(world, 'reader-c', { ...reader, instance: 'seat-c', remote: true }),
      new GroupMember(world, 'passer-a', {
        ...reader,
        group: 'passers',
        topics: ['in', 'passing-0', 'passing-1'],
      }),
      new GroupMember(world, 'passer-b', { ...reader, group: 'passers', topics: ['in', 'passing-0'] }),
      new Processor(world, 'processor-a', { markers: true }),
      new Processor(world, 'processor-b', { markers: false }),
      new Processor(world, 'processor-c', { markers: true }),
    ]
    const late = new LatePackets(world)
    world.committed = (request) => late.note(request)
    const workers = [
      ...this.#remote,
      new ClientProducer(world, 'client'),
      new TransactionalWriter(world, 'writer-a', { id: 'tx-a', version: 2 }),
      new TransactionalWriter(world, 'writer-b', { id: 'tx-b', version: 1 }),
      new WholeWriter(world, 'whole'),
      new WholeWriter(world, 'quick', { topics: ['quick'], burst: 6, powerCuts: this.#faultRate }),
      late,
      ...this.#members,
    ]
    world.actors.push(this.#admin, this.#faults, ...workers)
    this.#turns = workers.flatMap((actor) =>
      Array<Actor>(WEIGHTS[random.below(WEIGHTS.length)] ?? 0).fill(actor),
    )
  }

  run(steps: number): RunFailure | undefined {
    try {
      this.#begin()
      for (this.#step = 1; this.#step <= steps; this.#step += 1) {
        this.#act()
        this.#check()
      }
      this.#finish()
      return undefined
    } catch (error) {
      const broken = error instanceof InvariantBroken
      return {
        step: this.#step,
        checker: broken ? error.checker : 'the-program-goes-on',
        problem: messageOf(error),
        stack: error instanceof Error ? (error.stack ?? '') : '',
        history: this.world.history.end(60),
      }
    }
  }

  #begin(): void {
    const { world } = this
    world.guard(() => {
      this.#admin.act()
      world.sys.time.advance(2000)
    })
    this.#check()
  }

  #act(): void {
    const { world } = this
    const { random } = world
    if (world.log.failure !== undefined && random.chance(0.3)) {
      this.#recover()
      return
    }
    world.guard(() => {
      // Several act at one moment, so that what they ask for meets in the log.
      for (let count = 1 + random.below(4); count > 0; count -= 1) this.#drawActor()
      world.sys.time.advance(this.#drawTime())
    })
  }

  #drawActor(): void {
    const { life, random } = this.world
    const turns = random.chance(this.#faultRate) ? [this.#admin, this.#faults] : this.#turns
    turns[random.below(turns.length)]?.act()
    if (life !== this.world.life) this.world.note('a new life began')
  }

  #drawTime(): number {
    const { random } = this.world
    const dice = random.below(100)
    if (dice < 45) return 0
    if (dice < 75) return 1 + random.below(30)
    if (dice < 95) return 100 + random.below(900)
    return 1000 + random.below(5000)
  }

  /** After a failed sync: the process begins anew, with or without a power cut. */
  #recover(): void {
    const { world } = this
    if (world.random.chance(0.5)) world.restart()
    else if (world.close()) world.guard(() => world.reopen())
  }

  #check(): void {
    const { world } = this
    if (this.#lookedAtLife !== world.life || this.#step % FULL_LOOK_STEPS === 0) this.#observer.forget()
    this.#lookedAtLife = world.life
    const { all, changed } = this.#observer.look(world.broker, 1 + world.random.below(4000))
    const now = world.sys.time.now()
    for (const view of changed) this.#keys.look(view, this.#lookedAt)
    this.#lookedAt = now
    const seen = {
      life: world.life,
      // Whatever the log took for the time of something may have been later by what was set back since.
      now: now + 2 * world.setBackMs,
      topics: world.broker.topics().filter(({ internal }) => !internal),
      views: new Map(all.map((view): [string, PartitionView] => [view.place, view])),
      changed,
      keys: this.#keys,
      lost: world.losses.take(),
      positions: this.#answeredPositions.splice(0),
      owners: this.#members.flatMap((member): Ownership[] => {
        const owned = member.ownership()
        // Who was removed, or whose group was deleted, may not know it yet.
        const members = owned === undefined ? [] : world.broker.groups.describe(owned.group)?.members
        return owned !== undefined && members?.some((each) => each.member === owned.member) === true
          ? [owned]
          : []
      }),
    }
    this.#adopt(seen.topics)
    for (const checker of this.#checkers) {
      const problem = checker.check(seen, world.model)
      if (problem !== undefined) throw new InvariantBroken(checker.name, problem)
    }
    this.#askPositions()
  }

  /** Topics of which nobody was told that they were made. */
  #adopt(topics: readonly { id: string; name: string; partitions: number }[]): void {
    for (const { id, name, partitions } of topics) {
      if (!this.world.model.topics.has(id)) this.world.model.topic(id, name, partitions)
    }
  }

  #askPositions(): void {
    const { world } = this
    for (const name of world.model.groups.keys()) {
      const floors = world.model.group(name).beginObservation()
      world.broker.groups.positions(
        name,
        world.answer((_, found) => {
          if (found === undefined) return
          const positions = found.positions.map(({ topic, partition, offset, metadata }) => {
            return [placeOf(topic, partition), { offset, metadata }] as const
          })
          const known = floors()
          this.#answeredPositions.push({ group: name, positions: new Map(positions), floors: known })
          // Whoever was answered may count on it from now on.
          if (known === undefined) return
          for (const [place, { offset }] of positions) world.model.group(name).raise(place, offset)
        }),
      )
    }
  }

  /** Faults end; what was sent must arrive, what is open must end, and all of it outlives a close. */
  #finish(): void {
    const { world } = this
    const writers = world.actors.filter((actor) => actor instanceof TransactionalWriter)
    let done = false
    for (let step = 0; !done; step += 1) {
      this.#step += 1
      if (step > FINISH_STEPS_MAX)
        throw new InvariantBroken('the-program-goes-on', 'work does not come to an end')
      if (world.log.failure !== undefined) this.#recover()
      world.guard(() => {
        this.#faults.makeRoom()
        done = [...this.#remote, ...writers].map((actor) => actor.finish()).every((ended) => ended)
        world.sys.time.advance(500)
      })
      this.#check()
    }
    world.guard(() => world.sys.time.advance(10_000))
    this.#check()
    for (let tries = 0; !world.close() && tries < 5; tries += 1) this.#check()
    world.reopen()
    this.#check()
    this.#verify()
  }

  /** Every byte, as `millrace check` reads it. */
  #verify(): void {
    const verifier = new LogVerifier(this.world.log)
    while (verifier.step());
    const [finding] = verifier.report().findings.filter(({ file }) => !file.endsWith('index'))
    if (finding === undefined) return
    throw new InvariantBroken('every-byte-is-sound', `${finding.file}:${finding.position}: ${finding.what}`)
  }
}
