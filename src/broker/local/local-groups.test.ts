import { describe, expect, test } from 'vitest'
import type { MillraceError } from '../../base/errors.ts'
import { openLog } from '../../log/open.ts'
import { restartSys, type SimSys, simSys } from '../../sim/sim-sys.ts'
import type { Answer, Membership, TopicDescription } from '../broker.ts'
import { batch, group as commitOf } from '../contract.ts'
import type { GroupPositions, JoinedGroup, JoinGroup, SyncedGroup } from '../groups.ts'
import { LocalBroker } from './local-broker.ts'

interface Asked<T> {
  came: boolean
  error: MillraceError | undefined
  value: T | undefined
}

function ask<T>(call: (answer: Answer<T>) => void): Asked<T> {
  const asked: Asked<T> = { came: false, error: undefined, value: undefined }
  call((error, value) => {
    expect(asked.came, 'one answer').toBe(false)
    asked.came = true
    asked.error = error as MillraceError | undefined
    asked.value = value
  })
  return asked
}

/** A broker whose syncs take 2 ms, with a topic of two partitions. */
class World {
  readonly sys: SimSys
  readonly broker: LocalBroker
  readonly topic: TopicDescription

  constructor(sys: SimSys = simSys(1), retentionMs = 7 * 24 * 3_600_000) {
    this.sys = sys
    sys.disk.delaySync(2)
    const options = { positionsBytesMax: 2_000, positionsRetentionMs: retentionMs }
    this.broker = new LocalBroker(sys, openLog(sys, '/data'), options)
    this.topic = this.now(ask((answer) => this.broker.createTopic('t', { partitions: 2 }, answer)))
  }

  now<T>(asked: Asked<T>): T {
    for (let turn = 0; !asked.came && turn < 1_000; turn += 1) this.sys.time.advance(1)
    if (asked.error !== undefined) throw asked.error
    if (!asked.came) throw new Error('no answer')
    return asked.value as T
  }

  join(request: Partial<JoinGroup> = {}): Asked<JoinedGroup> {
    return ask((answer) => this.broker.groups.join({ ...JOIN, ...request }, answer))
  }

  sync(joined: JoinedGroup): Asked<SyncedGroup> {
    const assignments = joined.members.map(({ member }) => ({ member, assignment: Buffer.from(member) }))
    const { member, generation } = joined
    return ask((answer) =>
      this.broker.groups.sync({ group: 'g', member, generation, instance: null, assignments }, answer),
    )
  }

  stable(request: Partial<JoinGroup> = {}): JoinedGroup {
    const joined = this.now(this.join(request))
    this.now(this.sync(joined))
    return joined
  }

  heartbeat({ member, generation }: JoinedGroup): Asked<void> {
    return ask((answer) =>
      this.broker.groups.heartbeat({ group: 'g', member, generation, instance: null }, answer),
    )
  }

  commit(offset: number, by = { member: '', generation: -1 }, group = 'g'): Asked<void> {
    const positions = [{ topic: this.topic.id, partition: 0, offset, leaderEpoch: 0, metadata: '' }]
    return ask((answer) => this.broker.groups.commit({ group, ...by, instance: null, positions }, answer))
  }

  positions(group = 'g'): Asked<GroupPositions> {
    return ask((answer) => this.broker.groups.positions(group, answer))
  }

  offset(group = 'g'): number | undefined {
    return this.now(this.positions(group)).positions[0]?.offset
  }

  close(): void {
    this.now(ask<void>((answer) => this.broker.close(answer)))
  }
}

const JOIN: JoinGroup = {
  group: 'g',
  member: '',
  instance: null,
  client: 'c',
  host: '',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  protocolType: 'consumer',
  protocols: [{ name: 'sticky', metadata: Buffer.from('m') }],
}

describe('answers come when they are durable', () => {
  test('a commit does not answer before the sync, and a read of positions does not run ahead of it', () => {
    const world = new World()
    world.now(world.commit(1))
    const commit = world.commit(5)
    const positions = world.positions()
    const heartbeat = ask<void>((answer) =>
      world.broker.groups.heartbeat({ group: 'g', member: 'x', generation: 1, instance: null }, answer),
    )
    expect([commit.came, positions.came, heartbeat.came]).toEqual([false, false, false])
    world.sys.time.advance(10)
    expect([commit.came, positions.came, heartbeat.came]).toEqual([true, true, true])
    expect(positions.value?.positions[0]?.offset).toBe(5)
    expect(world.positions().came).toBe(true)
  })

  test('the first records make the topic, and keep their order', () => {
    const world = new World()
    const commits = [1, 2, 3].map((offset) => world.commit(offset))
    for (const commit of commits) world.now(commit)
    expect(world.offset()).toBe(3)
    expect(world.broker.topic('__groups')).toMatchObject({ internal: true, partitions: 1 })
  })

  test('a rebalance needs no write: a join answers at once, assignments when they are durable', () => {
    const world = new World()
    const joined = world.join()
    expect(joined.came).toBe(true)
    const synced = world.sync(joined.value as JoinedGroup)
    expect(synced.came).toBe(false)
    expect(Buffer.from(world.now(synced).assignment).toString()).toBe(joined.value?.member)
  })
})

describe('bad requests', () => {
  test('a position of a partition that is not there', () => {
    const world = new World()
    const positions = [{ topic: world.topic.id, partition: 2, offset: 1, leaderEpoch: 0, metadata: '' }]
    const who = { group: 'g', member: '', generation: -1, instance: null }
    const commit = ask<void>((answer) => world.broker.groups.commit({ ...who, positions }, answer))
    expect(commit.error?.code).toBe('MILLRACE_UNKNOWN_TOPIC')
    const reset = ask<void>((answer) => world.broker.groups.reset('g', positions, answer))
    expect(reset.error?.code).toBe('MILLRACE_UNKNOWN_TOPIC')
    expect(world.broker.groups.list()).toEqual([])
  })

  test('a group without a name', () => {
    const world = new World()
    expect(world.join({ group: '' }).error?.code).toBe('MILLRACE_INVALID_ARGUMENT')
    expect(world.positions('').error?.code).toBe('MILLRACE_INVALID_ARGUMENT')
  })

  test('a reset while a member is there changes nothing; afterwards it does', () => {
    const world = new World()
    const joined = world.stable()
    world.now(world.commit(5, joined))
    const positions = [{ topic: world.topic.id, partition: 0, offset: 1, leaderEpoch: 0, metadata: '' }]
    const active = ask<void>((answer) => world.broker.groups.reset('g', positions, answer))
    world.sys.time.advance(10)
    expect(active.error).toMatchObject({ code: 'MILLRACE_GROUP_ACTIVE', retriable: true })
    expect(world.offset()).toBe(5)
    const members = [{ member: joined.member, instance: null }]
    world.now(ask((answer) => world.broker.groups.leave({ group: 'g', members }, answer)))
    world.now(ask<void>((answer) => world.broker.groups.reset('g', positions, answer)))
    expect(world.offset()).toBe(1)
    world.now(ask<void>((answer) => world.broker.groups.delete('g', answer)))
    expect(world.broker.groups.describe('g')).toBeUndefined()
  })
})

describe('time', () => {
  test('a silent member is removed when its session ends', () => {
    const world = new World()
    const joined = world.stable()
    world.sys.time.advance(9_990)
    expect(world.broker.groups.list()).toMatchObject([{ state: 'Stable', members: 1 }])
    world.sys.time.advance(20)
    expect(world.broker.groups.list()).toMatchObject([{ state: 'Empty', members: 0 }])
    expect(world.heartbeat(joined).error?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
  })

  test('a process that was held up for longer than the session keeps its members', () => {
    const sys = simSys(1)
    let held = 0
    const clock = { now: () => sys.time.now() + held, monotonic: () => sys.time.monotonic() + held }
    const world = new World({ ...sys, clock })
    const joined = world.stable()
    // A handler that computes for a minute: the timers of the session and of the heartbeat come late, both of them.
    held = 60_000
    sys.time.advance(10_000)
    expect(world.broker.groups.list()).toMatchObject([{ state: 'Stable', members: 1 }])
    expect(world.heartbeat(joined).error).toBeUndefined()
    sys.time.advance(10_010)
    expect(world.broker.groups.list()).toMatchObject([{ state: 'Empty', members: 0 }])
  })

  test('positions of an empty group expire', () => {
    const world = new World(simSys(1), 3 * 24 * 3_600_000)
    world.now(world.commit(5))
    world.sys.time.advance(3 * 24 * 3_600_000 - 100)
    expect(world.offset()).toBe(5)
    world.sys.time.advance(200)
    expect(world.broker.groups.list()).toEqual([])
  })

  test('after its close nothing happens any more, and whoever waits is told', () => {
    const world = new World()
    const joined = world.stable()
    const waiting = world.join()
    expect(waiting.came).toBe(false)
    world.close()
    expect(waiting.error?.code).toBe('MILLRACE_CLOSED')
    expect(world.heartbeat(joined).error?.code).toBe('MILLRACE_CLOSED')
    expect(world.positions().error?.code).toBe('MILLRACE_CLOSED')
    world.sys.time.advance(100_000)
  })
})

describe('restarts', () => {
  test('positions and generations are there again, members of the old process are not', () => {
    const world = new World()
    const joined = world.stable()
    world.now(world.commit(5, joined))
    world.close()
    const after = new World(restartSys(world.sys, 7))
    expect(after.broker.groups.list()).toEqual([
      { group: 'g', state: 'Empty', protocolType: 'consumer', members: 0 },
    ])
    expect(after.offset()).toBe(5)
    expect(after.commit(6, joined).error?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
    expect(after.join().value?.generation).toBe(joined.generation + 1)
  })

  test('a member elsewhere goes on as if nothing had been', () => {
    const world = new World()
    const joined = world.stable({ host: 'far' })
    world.close()
    const after = new World(restartSys(world.sys, 7))
    expect(after.heartbeat(joined).error).toBeUndefined()
    after.now(after.commit(6, joined))
    expect(after.offset()).toBe(6)
  })

  test('the topic stays small however many commits there are, and a restart reads the same', () => {
    const world = new World()
    const joined = world.stable({ host: 'far' })
    for (let offset = 1; offset <= 300; offset += 1) {
      world.commit(offset, joined)
      if (offset % 10 === 0) world.sys.time.advance(10)
    }
    world.now(ask((answer) => world.broker.groups.delete('nobody', (_, value) => answer(undefined, value))))
    const topic = world.broker.topic('__groups') as TopicDescription
    const { start, end } = world.broker.bounds(topic.id, 0)
    expect(end).toBeGreaterThan(300)
    expect(end - start).toBeLessThan(60)
    world.close()
    const after = new World(restartSys(world.sys, 7))
    expect(after.offset()).toBe(300)
    expect(after.heartbeat(joined).error).toBeUndefined()
  })
})

describe('a full disk', () => {
  test('takes back what was not written, and tells all whose answer hung on it', () => {
    const world = new World()
    const joined = world.stable()
    world.now(world.commit(5, joined))
    const far = world.join({ client: 'other' })
    world.sys.disk.diskFull(0)
    const commit = world.commit(6, joined)
    const positions = world.positions()
    world.sys.time.advance(10)
    expect(commit.error?.code).toBe('MILLRACE_DISK')
    expect(positions.value?.positions[0]?.offset).toBe(5)
    expect(far.error?.code).toBe('MILLRACE_DISK')
    world.sys.disk.diskFull(Number.POSITIVE_INFINITY)
    expect(world.offset()).toBe(5)
    // The member is there as the log has it; the one that was joining has to join again.
    expect(world.broker.groups.list()).toMatchObject([{ state: 'Stable', members: 1 }])
    world.now(world.commit(7, joined))
    expect(world.offset()).toBe(7)
  })

  test('an error is never "no position"', () => {
    const world = new World()
    world.now(world.commit(5))
    world.sys.disk.failSync(1)
    const commit = world.commit(6)
    const positions = world.positions()
    world.sys.time.advance(10)
    expect(commit.error?.code).toBe('MILLRACE_DISK')
    expect(positions).toMatchObject({ came: true, error: { code: 'MILLRACE_DISK' }, value: undefined })
    expect(world.positions().error?.code).toBe('MILLRACE_DISK')
  })

  test('a commit of the engine that was refused leaves the positions as they were', () => {
    const world = new World()
    const membership = world.now(ask<Membership>((answer) => world.broker.join('app', answer)))
    const position = { topic: world.topic.id, partition: 0, offset: 1, leaderEpoch: 0, metadata: '' }
    world.sys.disk.diskFull(0)
    const kinds: string[] = []
    world.broker.commit(commitOf(membership, [batch(world.topic, 0, 'a')], [position]), ({ kind }) =>
      kinds.push(kind),
    )
    world.sys.time.advance(10)
    world.sys.disk.diskFull(Number.POSITIVE_INFINITY)
    expect(world.broker.positions('app')).toEqual([])
    world.broker.commit(commitOf(membership, [], [position]), ({ kind }) => kinds.push(kind))
    world.sys.time.advance(10)
    expect(kinds).toEqual(['refused', 'committed'])
    expect(world.broker.positions('app')).toEqual([position])
  })

  test('the topic that could not be made is made by the next commit', () => {
    const world = new World()
    world.sys.disk.diskFull(0)
    const commit = world.commit(1)
    world.sys.time.advance(10)
    expect(commit.error?.code).toBe('MILLRACE_DISK')
    expect(world.broker.groups.list()).toEqual([])
    world.sys.disk.diskFull(Number.POSITIVE_INFINITY)
    world.now(world.commit(2))
    expect(world.offset()).toBe(2)
  })
})

test('the positions of a deleted topic go with it', () => {
  const world = new World()
  world.now(world.commit(5))
  world.now(ask<void>((answer) => world.broker.admin.deleteTopic('t', answer)))
  expect(world.broker.groups.list()).toEqual([])
  world.sys.time.advance(10)
  world.close()
  expect(new World(restartSys(world.sys, 7)).broker.groups.list()).toEqual([])
})

test('groups of the engine and of readers live side by side', () => {
  const world = new World()
  world.now(ask((answer) => world.broker.join('app', answer)))
  world.stable()
  expect(world.broker.groups.list().map(({ group, protocolType }) => [group, protocolType])).toEqual([
    ['app', 'millrace'],
    ['g', 'consumer'],
  ])
  const taken = ask((answer) => world.broker.join('g', answer))
  expect(taken.error?.code).toBe('MILLRACE_INCONSISTENT_PROTOCOL')
})
