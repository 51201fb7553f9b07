import type { Offset } from '../../src/base/brands.ts'
import { isMillraceError } from '../../src/base/errors.ts'
import type { HousekeepingReport } from '../../src/broker/admin.ts'
import type { TopicDescription } from '../../src/broker/broker.ts'
import type { NewPosition } from '../../src/broker/groups.ts'
import type { TopicSettings } from '../../src/record/topic-settings.ts'
import type { Actor, World } from '../world.ts'

export const TOPICS: Readonly<Record<string, TopicSettings>> = {
  plain: { partitions: 2, segmentBytes: 2000 },
  in: { partitions: 2, segmentBytes: 4000 },
  out: { partitions: 2, segmentBytes: 1500 },
  compact: {
    partitions: 1,
    segmentBytes: 1200,
    cleanup: 'compact',
    minCleanableDirtyRatio: 0.01,
    deleteRetentionMs: 3000,
  },
  short: { partitions: 1, segmentBytes: 1024, retentionMs: 4000 },
  quick: { partitions: 2, segmentBytes: 1500, durability: 'os' },
  small: { partitions: 1, segmentBytes: 1100, retentionBytes: 3000 },
  'compact-short': {
    partitions: 1,
    segmentBytes: 1024,
    cleanup: 'compact,delete',
    retentionMs: 20_000,
    minCleanableDirtyRatio: 0.01,
  },
}
/** Topics that come and go. */
const PASSING = ['passing-0', 'passing-1']

/** Creates, changes and deletes topics and groups, deletes records, and has the log tidy up. */
export class Administrator implements Actor {
  readonly name = 'admin'
  readonly #world: World
  readonly #resets = new Set<(outcome: 'unknown') => void>()

  constructor(world: World) {
    this.#world = world
  }

  act(): void {
    const { random, broker } = this.#world
    const missing = Object.keys(TOPICS).filter((name) => broker.topic(name) === undefined)
    const dice = random.below(100)
    if (missing.length > 0) for (const name of missing) this.#create(name, TOPICS[name] as TopicSettings)
    else if (dice < 12)
      this.#create(PASSING[random.below(2)] as string, {
        partitions: 1 + random.below(2),
        segmentBytes: 1024,
      })
    else if (dice < 22) this.#delete(PASSING[random.below(2)] as string)
    else if (dice < 30) this.#alter()
    else if (dice < 45) this.#deleteRecords()
    else if (dice < 75) this.#tidy()
    else if (dice < 88) this.#reset()
    else if (dice < 92) this.#deleteGroup()
    else this.#commitByHand()
  }

  lost(): void {
    for (const end of this.#resets) end('unknown')
    this.#resets.clear()
  }

  #create(name: string, settings: TopicSettings): void {
    this.#world.broker.createTopic(
      name,
      settings,
      this.#world.answer<TopicDescription>((error, topic) => {
        this.#world.note(`admin: create ${name}: ${error?.message ?? topic?.id}`)
        if (topic !== undefined) this.#world.model.topic(topic.id, name, topic.partitions)
      }),
    )
  }

  #delete(name: string): void {
    const { broker, model } = this.#world
    const topic = broker.topic(name)
    if (topic === undefined) return
    const known = model.topic(topic.id, name, topic.partitions)
    known.deleted = 'asked'
    broker.admin.deleteTopic(
      name,
      this.#world.answer<void>((error) => {
        this.#world.note(`admin: delete ${name} ${topic.id}: ${error?.message ?? 'ok'}`)
        if (error === undefined) known.deleted = 'yes'
      }),
    )
  }

  #alter(): void {
    const { broker, model, random } = this.#world
    const name = random.chance(0.5) ? 'plain' : (PASSING[random.below(2)] as string)
    const topic = broker.topic(name)
    if (topic === undefined || topic.partitions >= 4) return
    const known = model.topic(topic.id, name, topic.partitions)
    const partitions = topic.partitions + 1
    known.partitionsAsked = Math.max(known.partitionsAsked, partitions)
    broker.admin.alterTopic(
      name,
      { partitions, segmentBytes: 1024 + random.below(2000) },
      this.#world.answer<TopicDescription>((error) => {
        this.#world.note(`admin: alter ${name}: ${error?.message ?? partitions}`)
        if (error === undefined) known.partitions = Math.max(known.partitions, partitions)
      }),
    )
  }

  #deleteRecords(): void {
    const { broker, model, random } = this.#world
    const names = ['plain', 'short', 'quick', ...PASSING]
    const name = names[random.below(names.length)] as string
    const topic = broker.topic(name)
    if (topic === undefined) return
    const partition = random.below(topic.partitions)
    const { start, end } = broker.bounds(topic.id, partition)
    const before: Offset = start + random.below(Math.ceil((end - start) / 2) + 1)
    const { cutAsked, cutDone } = model.topic(topic.id, name, topic.partitions)
    cutAsked.set(partition, Math.max(cutAsked.get(partition) ?? 0, before))
    broker.admin.deleteRecords(
      topic.id,
      partition,
      before,
      this.#world.answer<Offset>((error, to) => {
        this.#world.note(
          `admin: delete records of ${name}-${partition} before ${before}: ${error?.message ?? to}`,
        )
        if (to !== undefined) cutDone.set(partition, Math.max(cutDone.get(partition) ?? 0, to))
      }),
    )
  }

  #tidy(): void {
    this.#world.broker.admin.housekeeping.runOnce(
      this.#world.answer<HousekeepingReport>((error, report) => {
        const work = report?.work.map(
          ({ topic, what, bytesDone, error: wrong }) => `${topic} ${what} ${wrong ?? bytesDone}`,
        )
        this.#world.note(`admin: tidy: ${error?.message ?? work?.join()}`)
      }),
    )
  }

  #drawPositions(): readonly NewPosition[] {
    const { broker, random } = this.#world
    const topic = broker.topic('plain')
    if (topic === undefined) return []
    return Array.from({ length: topic.partitions }, (_, partition) => {
      const { start, end } = broker.bounds(topic.id, partition)
      const offset = start + random.below(end - start + 1)
      return { topic: topic.id, partition, offset, leaderEpoch: -1, metadata: 'reset' }
    })
  }

  #reset(): void {
    const positions = this.#drawPositions()
    const end = this.#began(this.#world.model.group('readers').reset(positions))
    const answer = this.#world.answer<void>((error) => {
      this.#world.note(`admin: reset readers: ${error?.message ?? 'ok'}`)
      end(this.#outcome(error))
    })
    this.#world.broker.groups.reset('readers', positions, answer)
  }

  #deleteGroup(): void {
    const end = this.#began(this.#world.model.group('readers').reset(undefined))
    const answer = this.#world.answer<void>((error) => {
      this.#world.note(`admin: delete group readers: ${error?.message ?? 'ok'}`)
      end(this.#outcome(error))
    })
    this.#world.broker.groups.delete('readers', answer)
  }

  #began(reset: (outcome: 'acknowledged' | 'refused' | 'unknown') => void): typeof reset {
    this.#resets.add(reset)
    return (outcome) => {
      if (this.#resets.delete(reset)) reset(outcome)
    }
  }

  #outcome(error: Error | undefined): 'acknowledged' | 'refused' | 'unknown' {
    if (error === undefined) return 'acknowledged'
    if (!isMillraceError(error)) throw error
    return this.#world.isRefusal(error) ? 'refused' : 'unknown'
  }

  /** Outside any membership, which is taken only while the group is empty. Never lower than what is known. */
  #commitByHand(): void {
    const group = this.#world.model.group('by-hand')
    const positions = this.#drawPositions().map((position) => {
      const place = `${position.topic}/${position.partition}`
      group.byHand.set(place, Number.POSITIVE_INFINITY)
      return {
        ...position,
        offset: Math.max(position.offset, group.floors.get(place) ?? 0, group.asked(place)),
      }
    })
    this.#world.broker.groups.commit(
      { group: 'by-hand', member: '', generation: -1, instance: null, positions },
      this.#world.answer<void>((error) =>
        this.#world.note(`admin: commit by hand: ${error?.message ?? 'ok'}`),
      ),
    )
  }
}
