import { describe, expect, test } from 'vitest'
import { MillraceError } from '../base/errors.ts'
import type { Answer, PartitionReader, TopicDescription } from '../broker/broker.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import type { GroupPositions } from '../broker/groups.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import { ClientsWorld, CONSUMER, Link } from './clients-test-world.ts'
import { GroupConsumer, type GroupConsumerOptions } from './group-consumer.ts'
import type { HandedRecord } from './partition-feed.ts'

class World extends ClientsWorld {
  readonly description: TopicDescription
  failure: Error | undefined

  constructor(partitions = 1) {
    super()
    this.description = this.topic('t', { partitions })
  }

  consumer(options: Partial<GroupConsumerOptions> = {}, broker: FullBroker = this.broker): GroupConsumer {
    const consumer = new GroupConsumer(
      this.sys,
      broker,
      { ...CONSUMER, ...options },
      {
        wake: () => undefined,
        assigned: () => undefined,
        revoked: () => undefined,
        failed: (error) => {
          this.failure = error
        },
      },
    )
    consumer.start()
    return consumer
  }

  /** The next record, however long it takes to come. */
  next(consumer: GroupConsumer): HandedRecord {
    let handed: HandedRecord | undefined
    this.until(() => {
      handed = consumer.take()
      return handed !== undefined
    })
    return handed as HandedRecord
  }

  done(consumer: GroupConsumer, handed: HandedRecord): void {
    consumer.finish(handed)
    consumer.release(handed)
  }

  close(consumer: GroupConsumer): void {
    this.now<void>((answer) => consumer.close(answer))
  }

  transaction(committed: boolean, texts: readonly string[]): void {
    const { transactions } = this.broker
    const request = { transactionalId: 'tx', timeoutMs: 60_000, version: 2 as const }
    const identity = this.now<{ producerId: number; producerEpoch: number }>((answer) =>
      transactions.initProducer(request, answer),
    )
    const builder = new BatchBuilder()
    for (const text of texts) builder.appendText(this.sys.clock.now(), null, text)
    const bytes = builder.build({ ...identity, baseSequence: 0, transactional: true })
    const batches = [{ topic: this.description.id, partition: 0, bytes }]
    this.now((answer) => transactions.append({ ...identity, transactionalId: 'tx', batches }, answer))
    const end = { ...identity, transactionalId: 'tx', committed, version: 2 as const }
    this.now((answer) => transactions.end(end, answer))
  }
}

/** A broker of which one part answers otherwise. */
function facing(world: World, part: 'groups' | 'read', instead: (whole: World) => unknown): FullBroker {
  return new Proxy(world.broker, {
    get: (target, name) => {
      if (name === part) return instead(world)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describe('positions at the start', () => {
  function failingPositions(world: World, errors: MillraceError[]): FullBroker {
    return facing(world, 'groups', () => {
      const { groups } = world.broker
      return new Proxy(groups, {
        get: (target, name) => {
          if (name === 'positions')
            return (group: string, answer: Answer<GroupPositions>) => {
              const error = errors.shift()
              if (error === undefined) groups.positions(group, answer)
              else answer(error, undefined)
            }
          const value: unknown = Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    })
  }

  test('that cannot be fetched are asked for again, and never taken for none', () => {
    const world = new World()
    world.append(world.description, 0, ['a', 'b', 'c'])
    const first = world.consumer()
    world.done(first, world.next(first))
    world.close(first)
    const errors = Array.from({ length: 5 }, () => new MillraceError('MILLRACE_TIMEOUT', 'no answer'))
    const second = world.consumer({ ifNone: 'latest' }, failingPositions(world, errors))
    expect(world.next(second).record.offset).toBe(1)
    expect(errors).toEqual([])
  })

  test('that cannot be fetched for good end the consumer; nothing is read or committed', () => {
    const world = new World()
    world.append(world.description, 0, ['a'])
    const broken = [new MillraceError('MILLRACE_CORRUPT', 'the topic of positions is damaged')]
    const consumer = world.consumer({ ifNone: 'latest' }, failingPositions(world, broken))
    world.until(() => world.failure !== undefined)
    expect(world.failure?.message).toMatch(/damaged/)
    expect(consumer.take()).toBeUndefined()
    world.sys.time.advance(2_000)
    expect(world.positions('g').size).toBe(0)
  })

  test('at the end of the log are committed though nothing was read: what comes while nobody is there is not lost', () => {
    const world = new World()
    world.append(world.description, 0, ['before'])
    const first = world.consumer({ from: 'latest' })
    world.until(() => first.lag() === 0)
    world.close(first)
    expect(world.positions('g').get(0)).toBe(1)
    world.append(world.description, 0, ['meanwhile'])
    expect(world.next(world.consumer()).record.offset).toBe(1)
  })
})

describe('the position passes what is not for users', () => {
  test.each([
    [true, 'the marker of a commit'],
    [false, 'aborted records and their marker'],
  ])('committed %s: %s at the end', (committed) => {
    const world = new World()
    world.append(world.description, 0, ['a'])
    world.transaction(committed, ['b', 'c'])
    const consumer = world.consumer()
    const expected = committed ? 3 : 1
    for (let count = 0; count < expected; count++) world.done(consumer, world.next(consumer))
    expect(consumer.take()).toBeUndefined()
    world.close(consumer)
    // 'a', 'b', 'c' and the marker.
    expect(world.positions('g').get(0)).toBe(4)
  })

  test('but not before the records before it are done', () => {
    const world = new World()
    world.append(world.description, 0, ['a'])
    world.transaction(false, ['b'])
    const consumer = world.consumer()
    const held = world.next(consumer)
    expect(consumer.take()).toBeUndefined()
    world.sys.time.advance(1_000)
    expect(world.positions('g').get(0) ?? 0).toBe(0)
    world.done(consumer, held)
    world.close(consumer)
    expect(world.positions('g').get(0)).toBe(3)
  })

  test('holes of a compacted partition', () => {
    const world = new World()
    const compacted = world.topic('c', {
      partitions: 1,
      cleanup: 'compact',
      segmentBytes: 1024 * 1024,
      minCleanableDirtyRatio: 0,
    })
    const append = (key: string): void => {
      const builder = new BatchBuilder()
      builder.appendText(world.sys.clock.now(), key, 'x'.repeat(400_000))
      const batches = [{ topic: compacted.id, partition: 0, bytes: builder.build() }]
      world.now((answer) => world.broker.append(batches, answer))
    }
    for (let count = 0; count < 8; count++) append('k')
    world.now((answer) => world.broker.admin.housekeeping.runOnce(answer))
    const consumer = world.consumer({ topics: ['c'] })
    const offsets: number[] = []
    world.until(() => {
      const handed = consumer.take()
      if (handed === undefined) return offsets.at(-1) === 7
      offsets.push(handed.record.offset)
      world.done(consumer, handed)
      return false
    })
    world.close(consumer)
    expect(offsets.length).toBeLessThan(8)
    expect(world.positions('g').get(0)).toBe(8)
  })
})

describe('a member that was thrown out', () => {
  test('in the middle of letting go commits nothing, not even to a group that is empty', () => {
    const world = new World(2)
    for (const partition of [0, 1]) world.append(world.description, partition, ['a', 'b', 'c'])
    const link = new Link(world)
    const zombie = world.consumer({ drainMs: 60_000, commitIntervalMs: undefined }, link.broker)
    const held = [world.next(zombie), world.next(zombie), world.next(zombie), world.next(zombie)]
    const other = world.consumer()
    world.until(() => zombie.owned.length === 1)
    // Its heartbeats are lost; the group throws it out, and the other one does everything and leaves.
    link.up = false
    world.until(() => other.owned.length === 2)
    for (let count = 0; count < 6; count++) world.done(other, world.next(other))
    world.close(other)
    expect([...world.positions('g').values()]).toEqual([3, 3])
    link.up = true
    for (const handed of held) world.done(zombie, handed)
    world.sys.time.advance(500)
    expect([...world.positions('g').values()]).toEqual([3, 3])
    world.close(zombie)
    expect([...world.positions('g').values()]).toEqual([3, 3])
  })

  test('may not commit before it is a member again: without a generation it would be taken for a tool', () => {
    const world = new World()
    const link = new Link(world)
    link.up = false
    const consumer = world.consumer({}, link.broker)
    const position = { topic: world.description.id, partition: 0, offset: 0, leaderEpoch: -1, metadata: '' }
    expect(() => world.now<void>((answer) => consumer.commitPositions([position], answer))).toThrow(
      /not a member of group g at the moment/,
    )
  })

  test('loses its partitions, joins again, and goes on where the group is', () => {
    const world = new World()
    world.append(world.description, 0, ['a', 'b'])
    const link = new Link(world)
    const consumer = world.consumer({}, link.broker)
    const held = world.next(consumer)
    link.up = false
    world.until(() => world.broker.groups.describe('g')?.members.length === 0)
    link.up = true
    world.until(() => held.feed.gone && consumer.owned.length === 1)
    world.done(consumer, held)
    expect(world.next(consumer).record.offset).toBe(0)
  })
})

describe('two members with one static id', () => {
  test('the later one has the partitions, the earlier one is told', () => {
    const world = new World()
    world.append(world.description, 0, ['a'])
    const first = world.consumer({ instance: 'one' })
    world.next(first)
    const second = world.consumer({ instance: 'one' })
    world.until(() => world.failure !== undefined)
    expect(world.failure).toMatchObject({ code: 'MILLRACE_FENCED_INSTANCE' })
    expect(world.next(second).record.offset).toBe(0)
    expect(first.owned).toEqual([])
  })
})

test('a slow reader of many partitions holds one fetch in memory, however much is appended', () => {
  const world = new World(8)
  const line = 'x'.repeat(1_000)
  const lines = Array.from({ length: 4 }, () => line)
  for (let round = 0; round < 50; round++)
    for (let partition = 0; partition < 8; partition++) world.append(world.description, partition, lines)
  let fetched = 0
  const broker = facing(world, 'read', () => (...args: Parameters<FullBroker['read']>): PartitionReader => {
    const reader = world.broker.read(...args)
    return {
      poll: (bytesMax) => {
        const answer = reader.poll(bytesMax)
        fetched += answer?.bytes.length ?? 0
        return answer
      },
      atEnd: () => reader.atEnd(),
      close: () => reader.close(),
    }
  })
  const consumer = world.consumer({}, broker)
  world.done(consumer, world.next(consumer))
  world.until(() => consumer.owned.length === 8)
  world.sys.time.advance(5_000)
  expect(fetched).toBeGreaterThan(0)
  expect(fetched).toBeLessThan(3 * CONSUMER.fetchBytesMax)
})
