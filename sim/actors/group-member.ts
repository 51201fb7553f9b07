import { isMillraceError } from '../../src/base/errors.ts'
import { GroupConsumer } from '../../src/clients/group-consumer.ts'
import type { HandedRecord } from '../../src/clients/partition-feed.ts'
import type { Ownership } from '../model/model.ts'
import { placeOf } from '../model/place.ts'
import type { Actor, World } from '../world.ts'
import { FreezableTimers } from './freezable-timers.ts'

const HELD_MAX = 6

export interface MemberPlan {
  readonly group: string
  readonly topics: readonly string[]
  /** A static member's id. */
  readonly instance: string | null
  /** On another machine: the log still knows it after it was opened again. */
  readonly remote: boolean
}

/** A member of a group by the consumer of `clients/`: at least once, work that ends out of order, pauses, deaths. */
export class GroupMember implements Actor {
  readonly name: string
  readonly #world: World
  readonly #plan: MemberPlan
  #consumer: GroupConsumer | undefined
  #timers: FreezableTimers | undefined
  #frozen = false
  #held: HandedRecord[] = []

  constructor(world: World, name: string, plan: MemberPlan) {
    this.#world = world
    this.name = name
    this.#plan = plan
  }

  act(): void {
    const { random } = this.#world
    if (this.#consumer === undefined) {
      if (random.chance(0.6)) this.#start()
      return
    }
    const dice = random.below(100)
    if (this.#frozen) {
      if (dice < 40) this.#thaw()
    } else if (dice < 60) this.#work(this.#consumer)
    else if (dice < 75) this.#finishSome(this.#consumer)
    else if (dice < 83) this.#commit(this.#consumer)
    else if (dice < 88) this.#freeze()
    else if (dice < 93) this.#leave(this.#consumer)
    else if (dice < 96) this.#die()
  }

  /** What it owns, in which generation; undefined: that is not settled now. */
  ownership(): Ownership | undefined {
    const { membership } = this.#consumer ?? {}
    if (membership === undefined || (membership.phase !== 'stable' && membership.phase !== 'revoking')) return
    const { group, generation, member } = membership.identity
    return {
      group,
      generation,
      member,
      partitions: membership.owned.map(({ topic, partition }) => `${topic}-${partition}`),
    }
  }

  lost(): void {
    this.#timers?.freeze()
    this.#consumer = undefined
    this.#held = []
    this.#frozen = false
  }

  #start(): void {
    const { broker, sys, random } = this.#world
    const timers = new FreezableTimers(sys.timers)
    this.#timers = timers
    const { group, topics, instance, remote } = this.#plan
    const consumer: GroupConsumer = new GroupConsumer(
      { timers, lines: sys.lines },
      broker,
      {
        group,
        topics,
        instance,
        client: this.name,
        host: remote ? 'elsewhere' : '',
        sessionTimeoutMs: 1500,
        heartbeatMs: 300,
        rebalanceTimeoutMs: 2000,
        drainMs: 800,
        commitIntervalMs: random.chance(0.7) ? 200 + random.below(600) : undefined,
        commitFinished: true,
        isolation: 'read_committed',
        fetchBytesMax: 200 + random.below(3000),
        from: 'committed',
        ifNone: 'earliest',
        ifOutOfRange: 'earliest',
      },
      {
        wake: () => undefined,
        assigned: () => undefined,
        revoked: () => {
          this.#held = this.#held.filter(({ feed }) => !feed.gone)
        },
        failed: (error) => {
          this.#world.note(`${this.name}: ends: ${error.message}`)
          if (this.#consumer === consumer) this.#consumer = undefined
        },
      },
    )
    this.#consumer = consumer
    this.#held = []
    this.#world.note(`${this.name}: joins`)
    consumer.start()
  }

  #work(consumer: GroupConsumer): void {
    const { random } = this.#world
    for (let count = random.below(8); count > 0 && this.#held.length < HELD_MAX; count -= 1) {
      const handed = this.#take(consumer)
      if (handed === undefined) break
      if (random.chance(0.6)) this.#finish(consumer, handed)
      else this.#held.push(handed)
    }
  }

  #take(consumer: GroupConsumer): HandedRecord | undefined {
    try {
      return consumer.take()
    } catch (error) {
      // Records it had not read were deleted, or their topic: it starts again from what there is.
      const codes = ['MILLRACE_OFFSET_OUT_OF_RANGE', 'MILLRACE_UNKNOWN_TOPIC']
      if (!isMillraceError(error) || !codes.includes(error.code)) throw error
      this.#world.note(`${this.name}: ${error.message}`)
      this.#leave(consumer)
      return undefined
    }
  }

  #finishSome(consumer: GroupConsumer): void {
    const { random } = this.#world
    for (let count = random.below(4); count > 0 && this.#held.length > 0; count -= 1) {
      const [handed] = this.#held.splice(random.below(this.#held.length), 1)
      if (handed !== undefined) this.#finish(consumer, handed)
    }
  }

  #finish(consumer: GroupConsumer, handed: HandedRecord): void {
    const { feed, record } = handed
    const place = placeOf(feed.topic.id, feed.partition)
    this.#world.model.group(this.#plan.group).finish(place, record.offset)
    consumer.finish(handed)
    consumer.release(handed)
  }

  #commit(consumer: GroupConsumer): void {
    consumer.commit(
      this.#world.answer<void>((error) => {
        if (error !== undefined) this.#world.note(`${this.name}: commit: ${error.message}`)
      }),
    )
  }

  #freeze(): void {
    this.#world.note(`${this.name}: stops answering`)
    this.#frozen = true
    this.#timers?.freeze()
  }

  #thaw(): void {
    this.#world.note(`${this.name}: goes on`)
    this.#frozen = false
    this.#timers?.thaw()
  }

  #leave(consumer: GroupConsumer): void {
    this.#world.note(`${this.name}: leaves`)
    for (const handed of this.#held.splice(0)) this.#finish(consumer, handed)
    consumer.close(() => undefined)
    this.#consumer = undefined
  }

  #die(): void {
    this.#world.note(`${this.name}: dies`)
    this.lost()
  }
}
