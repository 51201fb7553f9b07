import { describe, expect, test } from 'vitest'
import type { MillraceError } from '../../base/errors.ts'
import { openLog } from '../../log/open.ts'
import { BatchBuilder } from '../../record/batch-builder.ts'
import { decodeCommitted } from '../../record/committed-filter.ts'
import { restartSys, type SimSys, simSys } from '../../sim/sim-sys.ts'
import type { Answer, PartitionBatch, TopicDescription } from '../broker.ts'
import type { GroupPositions } from '../groups.ts'
import type { InitProducer, ProducerIdentity, TransactionVersion } from '../transactions.ts'
import { LocalBroker } from './local-broker.ts'

const TIMEOUT_MS = 60_000

/** What a call answered: an error's code, or the value. */
type Answered<T> = { readonly code: string } | { readonly value: T }

class World {
  readonly sys: SimSys
  readonly broker: LocalBroker
  readonly topic: TopicDescription
  readonly #sequences = new Map<string, number>()

  constructor(sys: SimSys = simSys(1)) {
    this.sys = sys
    sys.disk.delaySync(2)
    this.broker = new LocalBroker(sys, openLog(sys, '/data'))
    this.topic = this.value((answer) => this.broker.createTopic('t', { partitions: 2 }, answer))
  }

  /** As after a power cut: what was not synced is gone. */
  crashed(): World {
    return new World(restartSys(this.sys, 2))
  }

  ask<T>(call: (answer: Answer<T>) => void): Answered<T> {
    let answered: Answered<T> | undefined
    call((error, value) => {
      expect(answered, 'one answer').toBeUndefined()
      answered = error === undefined ? { value: value as T } : { code: (error as MillraceError).code }
    })
    for (let turn = 0; answered === undefined && turn < 1_000; turn++) this.sys.time.advance(1)
    if (answered === undefined) throw new Error('no answer')
    return answered
  }

  value<T>(call: (answer: Answer<T>) => void): T {
    const answered = this.ask(call)
    if ('code' in answered) throw new Error(answered.code)
    return answered.value
  }

  init(request: Partial<InitProducer> = {}): Answered<ProducerIdentity> {
    const full = {
      transactionalId: 'tx',
      timeoutMs: TIMEOUT_MS,
      version: 2 as TransactionVersion,
      ...request,
    }
    return this.ask((answer) => this.broker.transactions.initProducer(full, answer))
  }

  started(version: TransactionVersion = 2): ProducerIdentity {
    const answered = this.init({ version })
    if ('code' in answered) throw new Error(answered.code)
    return answered.value
  }

  batch(
    identity: ProducerIdentity,
    partition: number,
    texts: readonly string[],
    transactional = true,
  ): PartitionBatch {
    const builder = new BatchBuilder()
    for (const text of texts) builder.appendText(this.sys.clock.now(), null, text)
    const name = `${identity.producerId}/${identity.producerEpoch}/${partition}`
    const baseSequence = this.#sequences.get(name) ?? 0
    this.#sequences.set(name, baseSequence + texts.length)
    return {
      topic: this.topic.id,
      partition,
      bytes: builder.build({ ...identity, baseSequence, transactional }),
    }
  }

  append(identity: ProducerIdentity, ...batches: PartitionBatch[]): Answered<readonly number[]> {
    return this.ask((answer) =>
      this.broker.transactions.append({ ...identity, transactionalId: 'tx', batches }, answer),
    )
  }

  send(identity: ProducerIdentity, partition: number, ...texts: string[]): Answered<readonly number[]> {
    return this.append(identity, this.batch(identity, partition, texts))
  }

  add(identity: ProducerIdentity, partition: number): Answered<void> {
    const partitions = [{ topic: this.topic.id, partition }]
    return this.ask((answer) =>
      this.broker.transactions.addPartitions({ ...identity, transactionalId: 'tx', partitions }, answer),
    )
  }

  end(
    identity: ProducerIdentity,
    committed: boolean,
    version: TransactionVersion = 2,
  ): Answered<ProducerIdentity> {
    return this.ask((answer) =>
      this.broker.transactions.end({ ...identity, transactionalId: 'tx', committed, version }, answer),
    )
  }

  sendPosition(identity: ProducerIdentity, offset: number): Answered<void> {
    const positions = [{ topic: this.topic.id, partition: 0, offset, leaderEpoch: 0, metadata: '' }]
    const request = {
      ...identity,
      transactionalId: 'tx',
      group: 'g',
      member: '',
      generation: -1,
      instance: null,
    }
    return this.ask((answer) => this.broker.transactions.commitPositions({ ...request, positions }, answer))
  }

  positions(): GroupPositions {
    return this.value((answer) => this.broker.groups.positions('g', answer))
  }

  /** Texts that readers of committed records see. */
  read(partition: number): string[] {
    const { start } = this.broker.bounds(this.topic.id, partition)
    const reader = this.broker.read(this.topic.id, partition, start, () => {})
    const texts: string[] = []
    for (let fetched = reader.poll(1e6); fetched !== undefined; fetched = reader.poll(1e6)) {
      for (const { value } of decodeCommitted(fetched.bytes, fetched.aborted)) {
        texts.push(Buffer.from(value ?? []).toString())
      }
    }
    reader.close()
    return texts
  }
}

const next = ({ producerId, producerEpoch }: ProducerIdentity) => ({
  producerId,
  producerEpoch: producerEpoch + 1,
})

describe('a transaction', () => {
  test('is seen whole when it commits, in all its partitions, and not before', () => {
    const world = new World()
    const identity = world.started()
    expect(world.send(identity, 0, 'a', 'b')).toEqual({ value: [0] })
    world.send(identity, 1, 'c')
    expect([world.read(0), world.read(1)]).toEqual([[], []])
    expect(world.end(identity, true)).toEqual({ value: next(identity) })
    expect([world.read(0), world.read(1)]).toEqual([['a', 'b'], ['c']])
  })

  test('is never seen when it is aborted', () => {
    const world = new World()
    const identity = world.started()
    world.send(identity, 0, 'a')
    const second = world.end(identity, false)
    expect(second).toEqual({ value: next(identity) })
    world.send(next(identity), 0, 'b')
    world.end(next(identity), true)
    expect(world.read(0)).toEqual(['b'])
  })

  test('holds back what others wrote behind its first record', () => {
    const world = new World()
    const identity = world.started()
    world.send(identity, 0, 'open')
    const plain = new BatchBuilder()
    plain.appendText(0, null, 'plain')
    const batches = [{ topic: world.topic.id, partition: 0, bytes: plain.build() }]
    world.value((answer) => world.broker.append(batches, answer))
    expect(world.read(0)).toEqual([])
    expect(world.broker.bounds(world.topic.id, 0)).toMatchObject({ lastStable: 0, end: 2 })
    world.end(identity, false)
    expect(world.read(0)).toEqual(['plain'])
  })

  test('goes on after a crash of the log: its client did not crash', () => {
    const world = new World()
    const identity = world.started()
    world.send(identity, 0, 'before')
    const after = world.crashed()
    const builder = new BatchBuilder()
    builder.appendText(0, null, 'after')
    const bytes = builder.build({ ...identity, baseSequence: 1, transactional: true })
    expect(after.append(identity, { topic: after.topic.id, partition: 0, bytes })).toEqual({ value: [1] })
    expect(after.read(0)).toEqual([])
    after.end(identity, true)
    expect(after.read(0)).toEqual(['before', 'after'])
  })

  test('that committed is committed after a crash', () => {
    const world = new World()
    const identity = world.started()
    world.send(identity, 0, 'a')
    world.send(identity, 1, 'b')
    world.end(identity, true)
    const after = world.crashed()
    expect([after.read(0), after.read(1)]).toEqual([['a'], ['b']])
    expect(after.end(identity, true)).toEqual({ value: next(identity) })
  })
})

describe('fencing', () => {
  test('a new owner of the id aborts what was open, and the old one is refused everywhere', () => {
    const world = new World()
    const old = world.started()
    world.send(old, 0, 'old')
    expect(world.init()).toEqual({ value: next(old) })
    expect(world.send(old, 0, 'late')).toEqual({ code: 'MILLRACE_FENCED' })
    expect(world.end(old, true)).toEqual({ code: 'MILLRACE_FENCED' })
    expect(world.add(old, 1)).toEqual({ code: 'MILLRACE_FENCED' })
    expect(world.sendPosition(old, 1)).toEqual({ code: 'MILLRACE_FENCED' })
    world.send(next(old), 0, 'new')
    world.end(next(old), true)
    expect(world.read(0)).toEqual(['new'])
  })

  test('a late end of an earlier transaction does not end the next one (KIP-890)', () => {
    const world = new World()
    const first = world.started()
    world.send(first, 0, 'first')
    world.end(first, true)
    world.send(next(first), 0, 'second')
    // The first end's request was delayed on its way, and comes a second time now.
    expect(world.end(first, true)).toEqual({ code: 'MILLRACE_FENCED' })
    expect(world.read(0)).toEqual(['first'])
  })

  test('an end that is asked again gets the same answer; the other end is refused', () => {
    const world = new World()
    const identity = world.started()
    world.send(identity, 0, 'a')
    world.end(identity, true)
    expect(world.end(identity, true)).toEqual({ value: next(identity) })
    expect(world.end(identity, false)).toEqual({ code: 'MILLRACE_INVALID_TRANSACTION_STATE' })
    expect(world.read(0)).toEqual(['a'])
  })

  test('a caller that names the producer it was is refused when another has taken over', () => {
    const world = new World()
    const old = world.started()
    world.init()
    world.init()
    expect(world.init({ producer: old })).toEqual({ code: 'MILLRACE_FENCED' })
  })

  test('batches must carry the identity of their request', () => {
    const world = new World()
    const identity = world.started()
    const other = { producerId: identity.producerId + 1, producerEpoch: 0 }
    expect(world.append(identity, world.batch(other, 0, ['x']))).toEqual({
      code: 'MILLRACE_INVALID_ARGUMENT',
    })
    expect(world.append(identity, world.batch(identity, 0, ['x'], false))).toEqual({
      code: 'MILLRACE_INVALID_ARGUMENT',
    })
    expect(world.broker.bounds(world.topic.id, 0).end).toBe(0)
  })

  test('after 32,766 epochs the producer gets a new id', () => {
    const world = new World()
    let identity = world.started()
    const { producerId } = identity
    for (let epoch = 0; epoch < 32_766; epoch++) {
      world.end(identity, false)
      identity = next(identity)
    }
    world.send(identity, 0, 'last of its id')
    const answered = world.end(identity, true)
    expect(answered).toEqual({ value: { producerId: expect.any(Number), producerEpoch: 0 } })
    expect(answered).not.toEqual({ value: { producerId, producerEpoch: 0 } })
    expect(world.read(0)).toEqual(['last of its id'])
  }, 30_000)
})

describe('clients of version 1', () => {
  test('keep their epoch; a partition that was not added is refused', () => {
    const world = new World()
    const identity = world.started(1)
    expect(world.send(identity, 0, 'x')).toEqual({ code: 'MILLRACE_INVALID_TRANSACTION_STATE' })
    world.add(identity, 0)
    world.send(identity, 0, 'a')
    expect(world.append(identity, world.batch(identity, 1, ['b']))).toEqual({
      code: 'MILLRACE_INVALID_TRANSACTION_STATE',
    })
    expect(world.end(identity, true, 1)).toEqual({ value: identity })
    expect(world.end(identity, true, 1)).toEqual({ value: identity })
    expect(world.read(0)).toEqual(['a'])
  })

  test('may not end what they never began', () => {
    const world = new World()
    const identity = world.started(1)
    expect(world.end(identity, false, 1)).toEqual({ code: 'MILLRACE_INVALID_TRANSACTION_STATE' })
    expect(world.end(identity, true, 1)).toEqual({ code: 'MILLRACE_INVALID_TRANSACTION_STATE' })
  })
})

describe('time', () => {
  test('a transaction past its timeout is aborted and fenced, and its client is told why', () => {
    const world = new World()
    const identity = world.started()
    world.send(identity, 0, 'slow')
    world.sys.time.advance(TIMEOUT_MS + 1_000)
    expect(world.broker.transactions.describe('tx')).toMatchObject({ state: 'CompleteAbort', partitions: [] })
    expect(world.send(identity, 0, 'late')).toEqual({ code: 'MILLRACE_TRANSACTION_EXPIRED' })
    expect(world.end(identity, true)).toEqual({ code: 'MILLRACE_TRANSACTION_EXPIRED' })
    expect(world.read(0)).toEqual([])
    const again = world.init({ producer: identity })
    expect(again).toEqual({ value: expect.objectContaining({ producerId: identity.producerId }) })
  })

  test('also when the log was closed in between', () => {
    const world = new World()
    const identity = world.started()
    world.send(identity, 0, 'slow')
    const after = world.crashed()
    after.sys.time.advance(TIMEOUT_MS + 1_000)
    expect(after.broker.transactions.describe('tx')?.state).toBe('CompleteAbort')
    expect(after.broker.bounds(after.topic.id, 0)).toMatchObject({ lastStable: 2, end: 2 })
    expect(after.read(0)).toEqual([])
  })

  test('an id that nobody used for a week is forgotten', () => {
    const world = new World()
    const identity = world.started()
    world.sys.time.advance(8 * 24 * 3_600_000)
    expect(world.broker.transactions.list()).toEqual([])
    expect(world.send(identity, 0, 'x')).toEqual({ code: 'MILLRACE_INVALID_TRANSACTION_STATE' })
  })

  test.each([0, -1, 1.5, 15 * 60_000 + 1])('a timeout of %s ms is refused', (timeoutMs) => {
    expect(new World().init({ timeoutMs })).toEqual({ code: 'MILLRACE_INVALID_ARGUMENT' })
  })
})

describe('positions of a group in a transaction', () => {
  test('count when it commits, and are pending before', () => {
    const world = new World()
    const identity = world.started()
    world.sendPosition(identity, 7)
    expect(world.positions()).toMatchObject({ positions: [], pending: [{ partition: 0 }] })
    world.end(identity, true)
    expect(world.positions()).toMatchObject({ positions: [{ partition: 0, offset: 7 }], pending: [] })
  })

  test('are dropped when it is aborted', () => {
    const world = new World()
    const identity = world.started()
    world.sendPosition(identity, 7)
    world.end(identity, false)
    expect(world.positions()).toMatchObject({ positions: [], pending: [] })
  })

  test('count after a crash in the middle, when it commits then', () => {
    const world = new World()
    const identity = world.started()
    world.sendPosition(identity, 7)
    const after = world.crashed()
    expect(after.positions()).toMatchObject({ positions: [], pending: [{ partition: 0 }] })
    after.end(identity, true)
    expect(after.positions()).toMatchObject({ positions: [{ offset: 7 }], pending: [] })
  })
})

describe('producer ids', () => {
  test('are never given out twice, also over crashes', () => {
    let world = new World()
    const seen = new Set<number>()
    for (let crash = 0; crash < 5; crash++) {
      for (let index = 0; index < 3; index++) {
        const answered = world.init({ transactionalId: null })
        if ('code' in answered) throw new Error(answered.code)
        expect(seen).not.toContain(answered.value.producerId)
        seen.add(answered.value.producerId)
      }
      world = world.crashed()
    }
  })

  test('more than a block of them', () => {
    const world = new World()
    const ids = Array.from({ length: 2_500 }, () => world.init({ transactionalId: null }))
    expect(new Set(ids.map((answered) => JSON.stringify(answered))).size).toBe(2_500)
  })
})

test('a full disk refuses an end whole; tried again it succeeds', () => {
  const world = new World()
  const identity = world.started()
  world.send(identity, 0, 'a')
  world.send(identity, 1, 'b')
  world.sys.disk.diskFull(0)
  expect(world.end(identity, true)).toEqual({ code: 'MILLRACE_DISK' })
  expect(world.read(0)).toEqual([])
  expect(world.broker.transactions.describe('tx')?.state).toBe('Ongoing')
  world.sys.disk.diskFull(Number.POSITIVE_INFINITY)
  expect(world.end(identity, true)).toEqual({ value: next(identity) })
  expect([world.read(0), world.read(1)]).toEqual([['a'], ['b']])
})

test('a topic that was deleted meanwhile does not hold up the end', () => {
  const world = new World()
  const identity = world.started()
  world.send(identity, 0, 'a')
  world.value<void>((answer) => world.broker.admin.deleteTopic('t', answer))
  expect(world.end(identity, true)).toEqual({ value: next(identity) })
})

test('a producer id is not given out when the block it comes from was refused, though later writes are durable', () => {
  const seen = new Set<string>()
  for (let ms = 0; ms < 12; ms += 1) {
    const world = new World()
    const { sys, broker } = world
    const position = { topic: world.topic.id, partition: 0, leaderEpoch: -1, metadata: '' }
    const commit = (offset: number, answer: Answer<void>): void => {
      const outside = { group: 'g', member: '', generation: -1, instance: null }
      broker.groups.commit({ ...outside, positions: [{ ...position, offset }] }, answer)
    }
    world.value<void>((answer) => commit(1, answer))
    const told = new Map<string, string>()
    const note = (name: string) => (error: Error | undefined) => {
      told.set(name, error === undefined ? 'ok' : (error as MillraceError).code)
    }
    const request = { transactionalId: null, timeoutMs: 0, version: 2 as TransactionVersion }
    // While the log syncs, all that follows gathers.
    commit(2, () => undefined)
    // The first needs a topic, which is not there when the room ends, or the log begins to close.
    broker.transactions.initProducer(request, note('first'))
    commit(3, note('commit'))
    broker.transactions.initProducer(request, note('second'))
    sys.time.advance(ms / 2)
    if (ms % 2 === 0) broker.close(() => undefined)
    else sys.disk.diskFull(0)
    sys.time.runUntilIdle(100)
    expect(told.get('second'), `after ${ms / 2} ms`).toBe(told.get('first'))
    seen.add(`${told.get('first')}, commit ${told.get('commit')}`)
  }
  expect(seen).toContain('MILLRACE_CLOSED, commit ok')
  expect(seen).toContain('MILLRACE_DISK, commit ok')
})
