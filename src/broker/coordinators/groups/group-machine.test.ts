import { describe, expect, test } from 'vitest'
import { bytesOf, durable, GroupsWorld, position, textOf } from './groups-test-world.ts'

const protocol = (name: string, metadata = '') => ({ name, metadata: bytesOf(metadata) })

describe('joining', () => {
  test('the first member is the leader and gets all members with their metadata', () => {
    const world = new GroupsWorld()
    const joined = world.join({ client: 'reader' })
    expect(joined.value).toMatchObject({
      member: 'reader-1',
      generation: 1,
      protocol: 'sticky',
      leader: 'reader-1',
      skipAssignment: false,
    })
    expect(joined.value?.members.map(({ member, metadata }) => [member, textOf(metadata)])).toEqual([
      ['reader-1', 'topics'],
    ])
    expect(world.state).toBe('CompletingRebalance')
  })

  test('a second member waits until the first has joined again; only the leader gets the members', () => {
    const world = new GroupsWorld()
    const [first] = world.stable(1)
    const second = world.join({ client: 'b' })
    expect(second.came).toBe(false)
    expect(world.state).toBe('PreparingRebalance')
    expect(world.heartbeat({ member: first as string, generation: 1 })?.code).toBe(
      'MILLRACE_REBALANCE_IN_PROGRESS',
    )
    const again = world.join({ member: first as string })
    expect(again.value).toMatchObject({ member: first, generation: 2, leader: first })
    expect(again.value?.members).toHaveLength(2)
    expect(second.value).toMatchObject({ generation: 2, leader: first, members: [] })
  })

  test('a member that does not come back is out when the rebalance timeout ends', () => {
    const world = new GroupsWorld()
    const [first] = world.stable(1, { sessionTimeoutMs: 100_000, rebalanceTimeoutMs: 5_000 })
    const second = world.join({ client: 'b', sessionTimeoutMs: 100_000, rebalanceTimeoutMs: 5_000 })
    world.pass(4_999)
    expect(second.came).toBe(false)
    world.pass(1)
    expect(second.value).toMatchObject({ generation: 2, leader: second.value?.member })
    expect(world.memberIds).toEqual([second.value?.member])
    expect(world.heartbeat({ member: first as string, generation: 1 })?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
  })

  test('the longest rebalance timeout counts', () => {
    const world = new GroupsWorld()
    world.stable(1, { sessionTimeoutMs: 100_000, rebalanceTimeoutMs: 20_000 })
    const second = world.join({ client: 'b', sessionTimeoutMs: 100_000, rebalanceTimeoutMs: 1_000 })
    world.pass(19_999)
    expect(second.came).toBe(false)
    world.pass(1)
    expect(second.value?.generation).toBe(2)
  })

  test('a rebalance waits no longer for a member whose session ended', () => {
    const world = new GroupsWorld()
    world.stable(1)
    const second = world.join({ client: 'b' })
    world.pass(9_999)
    expect(second.came).toBe(false)
    world.pass(1)
    expect(second.value?.leader).toBe(second.value?.member)
  })

  test('an unknown member id is refused', () => {
    const world = new GroupsWorld()
    expect(world.join({ member: 'nobody' }).error?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
    expect(world.machine.describe('g')).toBeUndefined()
  })

  test('the protocol that most want of those that all know is chosen', () => {
    const world = new GroupsWorld()
    const a = world.join({ protocols: [protocol('x', 'a'), protocol('y', 'b')] })
    const b = world.join({ protocols: [protocol('y'), protocol('x'), protocol('only mine')] })
    const c = world.join({ protocols: [protocol('y'), protocol('x')] })
    const again = world.join({
      member: a.value?.member as string,
      protocols: [protocol('x', 'a'), protocol('y', 'b')],
    })
    for (const { value } of [again, b, c]) expect(value?.protocol).toBe('y')
    expect(textOf(again.value?.members[0]?.metadata)).toBe('b')
  })

  test('whoever has no protocol in common is refused, and so is another type', () => {
    const world = new GroupsWorld()
    world.stable(1)
    const other = world.join({ protocols: [protocol('roundrobin')] })
    expect(other.error?.code).toBe('MILLRACE_INCONSISTENT_PROTOCOL')
    expect(other.error?.message).toContain('sticky')
    expect(world.join({ protocolType: 'connect' }).error?.code).toBe('MILLRACE_INCONSISTENT_PROTOCOL')
    expect(world.state).toBe('Stable')
  })

  test.each([
    [{ sessionTimeoutMs: 0 }, 'sessionTimeoutMs'],
    [{ sessionTimeoutMs: 1_800_001 }, 'sessionTimeoutMs'],
    [{ rebalanceTimeoutMs: -1 }, 'rebalanceTimeoutMs'],
    [{ protocolType: '' }, 'protocolType'],
    [{ protocolType: 'millrace' }, 'protocolType'],
    [{ protocols: [] }, 'protocols'],
  ])('a join with %o is refused', (request, what) => {
    const { error } = new GroupsWorld().join(request)
    expect(error?.code).toBe('MILLRACE_INVALID_ARGUMENT')
    expect(error?.message).toContain(what)
  })

  test('a follower that asks again gets the same generation; a leader begins a new one', () => {
    const world = new GroupsWorld()
    const [leader, follower] = world.stable(2) as [string, string]
    const { generation } = world
    expect(world.join({ member: follower }).value).toMatchObject({ generation, members: [] })
    expect(world.state).toBe('Stable')
    expect(world.join({ member: leader }).came).toBe(false)
    expect(world.state).toBe('PreparingRebalance')
    expect(world.join({ member: follower }).value?.generation).toBe(generation + 1)
  })

  test('a follower with other metadata begins a new generation', () => {
    const world = new GroupsWorld()
    const [, follower] = world.stable(2) as [string, string]
    expect(world.join({ member: follower, protocols: [protocol('sticky', 'more')] }).came).toBe(false)
    expect(world.state).toBe('PreparingRebalance')
  })

  test('a member that lost the answer to its join is told again', () => {
    const world = new GroupsWorld()
    const first = world.join()
    const again = world.join({ member: first.value?.member as string })
    expect(again.value).toEqual(first.value)
    expect(world.state).toBe('CompletingRebalance')
  })

  test('a second join of one member takes the place of the first', () => {
    const world = new GroupsWorld()
    const [leader, follower] = world.stable(2) as [string, string]
    const lost = world.join({ member: leader })
    const second = world.join({ member: leader })
    expect(lost.error?.code).toBe('MILLRACE_REBALANCE_IN_PROGRESS')
    world.join({ member: follower })
    expect(second.value?.generation).toBe(world.generation)
  })

  test('a rebalance begins while a join waits: both are answered with the same generation', () => {
    const world = new GroupsWorld()
    const [leader] = world.stable(1) as [string]
    const second = world.join({ client: 'b' })
    const third = world.join({ client: 'd' })
    expect([second.came, third.came]).toEqual([false, false])
    world.join({ member: leader })
    expect([second.value?.generation, third.value?.generation]).toEqual([2, 2])
  })
})

describe('reserved member ids', () => {
  test('the group waits for the join of an id that it gave', () => {
    const world = new GroupsWorld()
    const [leader] = world.stable(1) as [string]
    const reserved = world.reserve({ client: 'b' })
    expect(reserved.value).toMatch(/^b-/)
    expect(world.state).toBe('Stable')
    const third = world.join({ client: 'd' })
    const again = world.join({ member: leader })
    expect(again.came).toBe(false)
    const joined = world.join({ member: reserved.value as string })
    expect([again, third, joined].map(({ value }) => value?.generation)).toEqual([2, 2, 2])
  })

  test('one whose join does not come is forgotten after the session timeout', () => {
    const world = new GroupsWorld()
    const reserved = world.reserve({ sessionTimeoutMs: 500 })
    world.pass(500)
    expect(world.machine.list()).toEqual([])
    expect(world.join({ member: reserved.value as string }).error?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
  })

  test('one may be given back', () => {
    const world = new GroupsWorld()
    const [leader] = world.stable(1) as [string]
    const reserved = world.reserve({ client: 'b' })
    const again = world.join({ member: leader })
    expect(again.came).toBe(false)
    expect(world.leave({ member: reserved.value as string })).toEqual([undefined])
    expect(again.value?.generation).toBe(2)
  })

  test('a bad request gets no id', () => {
    expect(new GroupsWorld().reserve({ protocols: [] }).error?.code).toBe('MILLRACE_INVALID_ARGUMENT')
  })
})

describe('syncing', () => {
  test('followers wait for the assignments of the leader; who has none gets an empty one', () => {
    const world = new GroupsWorld()
    const [leader, b, c] = world.stable(3) as [string, string, string]
    world.join({ member: leader })
    world.join({ member: b })
    const { value } = world.join({ member: c })
    const generation = value?.generation as number
    const early = world.sync({ member: b, generation })
    expect(early.came).toBe(false)
    const led = world.sync({ member: leader, generation }, { [leader]: 'one', [b]: 'two' })
    expect(textOf(led.value?.assignment)).toBe('one')
    expect(textOf(early.value?.assignment)).toBe('two')
    const late = world.sync({ member: c, generation })
    expect(late.value).toEqual({ protocol: 'sticky', assignment: bytesOf('') })
    expect(world.state).toBe('Stable')
  })

  test('a sync of an old generation, of a stranger, in a join phase', () => {
    const world = new GroupsWorld()
    const [leader] = world.stable(1) as [string]
    expect(world.sync({ member: leader, generation: 0 }).error?.code).toBe('MILLRACE_ILLEGAL_GENERATION')
    expect(world.sync({ member: 'x', generation: 1 }).error?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
    expect(world.sync({ group: 'other', member: 'x', generation: 1 }).error?.code).toBe(
      'MILLRACE_UNKNOWN_MEMBER',
    )
    world.join({ client: 'b' })
    expect(world.sync({ member: leader, generation: 1 }).error?.code).toBe('MILLRACE_REBALANCE_IN_PROGRESS')
  })

  test('who waits in sync when a new rebalance begins has to join again', () => {
    const world = new GroupsWorld()
    const [leader, follower] = world.stable(2) as [string, string]
    world.join({ member: leader })
    const { value } = world.join({ member: follower })
    const waiting = world.sync({ member: follower, generation: value?.generation as number })
    expect(waiting.came).toBe(false)
    world.join({ client: 'new' })
    expect(waiting.error?.code).toBe('MILLRACE_REBALANCE_IN_PROGRESS')
  })

  test('a leader that never syncs holds up nobody for longer than the rebalance timeout', () => {
    const world = new GroupsWorld()
    const timeouts = { sessionTimeoutMs: 1_000_000, rebalanceTimeoutMs: 5_000 }
    const [leader, follower] = world.stable(2, timeouts) as [string, string]
    world.join({ member: leader, ...timeouts })
    const { value } = world.join({ member: follower, ...timeouts })
    const waiting = world.sync({ member: follower, generation: value?.generation as number })
    world.pass(5_000)
    expect(waiting.error?.code).toBe('MILLRACE_REBALANCE_IN_PROGRESS')
    expect(world.memberIds).toEqual([follower])
    expect(world.join({ member: follower, ...timeouts }).value?.leader).toBe(follower)
  })

  test('a second sync of one member takes the place of the first', () => {
    const world = new GroupsWorld()
    const [leader, follower] = world.stable(2) as [string, string]
    world.join({ member: leader })
    const generation = world.join({ member: follower }).value?.generation as number
    const lost = world.sync({ member: follower, generation })
    const second = world.sync({ member: follower, generation })
    expect(lost.error?.code).toBe('MILLRACE_REBALANCE_IN_PROGRESS')
    world.sync({ member: leader, generation }, { [follower]: 'work' })
    expect(textOf(second.value?.assignment)).toBe('work')
  })
})

describe('sessions', () => {
  test('heartbeats keep a member however long its handler takes', () => {
    const world = new GroupsWorld()
    const [member] = world.stable(1, { sessionTimeoutMs: 1_000 }) as [string]
    for (let beat = 0; beat < 100; beat += 1) {
      world.pass(900)
      expect(world.heartbeat({ member, generation: 1 })).toBeUndefined()
    }
    expect(world.memberIds).toEqual([member])
  })

  test('a commit is a sign of life as well', () => {
    const world = new GroupsWorld()
    const [member] = world.stable(1, { sessionTimeoutMs: 1_000 }) as [string]
    world.pass(900)
    expect(world.commit({ member, generation: 1 }, position(0, 1))).toBeUndefined()
    world.pass(900)
    expect(world.memberIds).toEqual([member])
  })

  test('without them the session ends, and the others rebalance', () => {
    const world = new GroupsWorld()
    const [leader, follower] = world.stable(2) as [string, string]
    const { generation } = world
    world.pass(9_000)
    world.heartbeat({ member: follower, generation })
    world.pass(1_000)
    expect(world.memberIds).toEqual([follower])
    expect(world.heartbeat({ member: leader, generation })?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
    expect(world.heartbeat({ member: follower, generation })?.code).toBe('MILLRACE_REBALANCE_IN_PROGRESS')
    expect(world.join({ member: follower }).value?.generation).toBe(generation + 1)
  })

  test('the last member gone leaves an empty group of the next generation', () => {
    const world = new GroupsWorld()
    world.stable(1)
    world.pass(10_000)
    expect(world.machine.describe('g')).toMatchObject({ state: 'Empty', generation: 2, members: [] })
  })

  test('whoever waits for an answer is alive, but a new member only for five minutes', () => {
    const world = new GroupsWorld()
    const slow = { sessionTimeoutMs: 1_000_000, rebalanceTimeoutMs: 1_000_000 }
    const [leader] = world.stable(1, slow) as [string]
    const fresh = world.join({ client: 'b', sessionTimeoutMs: 1_000, rebalanceTimeoutMs: 1_000_000 })
    world.pass(299_999)
    expect(fresh.came).toBe(false)
    world.pass(1)
    expect(fresh.error?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
    expect(world.join({ member: leader, ...slow }).value?.generation).toBe(2)
  })

  test('a known member may wait for others longer than its session', () => {
    const world = new GroupsWorld()
    const [a, b] = world.stable(2, { sessionTimeoutMs: 1_000 }) as [string, string]
    const waiting = world.join({ member: a, sessionTimeoutMs: 1_000 })
    for (let beat = 0; beat < 20; beat += 1) {
      world.pass(900)
      world.heartbeat({ member: b, generation: world.generation })
    }
    expect(waiting.came).toBe(false)
    world.join({ member: b })
    expect(waiting.error).toBeUndefined()
    expect(waiting.came).toBe(true)
  })

  test('time in which the process did not run ends no session', () => {
    const world = new GroupsWorld()
    const [member] = world.stable(1) as [string]
    world.now = 60_000
    world.machine.postpone(50_000, { wall: 0, steady: 60_000 })
    world.pass(9_999)
    expect(world.heartbeat({ member, generation: 1 })).toBeUndefined()
  })
})

describe('leaving', () => {
  test('the others rebalance at once', () => {
    const world = new GroupsWorld()
    const [leader, follower] = world.stable(2) as [string, string]
    expect(world.leave({ member: leader })).toEqual([undefined])
    expect(world.state).toBe('PreparingRebalance')
    expect(world.join({ member: follower }).value?.leader).toBe(follower)
  })

  test('several at once; a stranger among them is told so and holds up nobody', () => {
    const world = new GroupsWorld()
    const [a, b] = world.stable(2) as [string, string]
    const outcomes = world.leave({ member: a }, { member: 'nobody' }, { member: b })
    expect(outcomes.map((outcome) => outcome?.code)).toEqual([
      undefined,
      'MILLRACE_UNKNOWN_MEMBER',
      undefined,
    ])
    expect(world.state).toBe('Empty')
    expect(world.leave({ member: a })[0]?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
  })

  test('a leave ends the wait of the join phase', () => {
    const world = new GroupsWorld()
    const [a] = world.stable(1) as [string]
    const second = world.join({ client: 'b' })
    expect(second.came).toBe(false)
    world.leave({ member: a })
    expect(second.value?.generation).toBe(2)
  })

  test('who leaves while its own join waits is told that it is no member', () => {
    const world = new GroupsWorld()
    world.stable(1)
    const second = world.join({ client: 'b' })
    const [, id] = world.memberIds as [string, string]
    world.leave({ member: id })
    expect(second.error?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
  })

  test('a group that is not there', () => {
    expect(new GroupsWorld().leave({ member: 'x' })[0]?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
  })
})

describe('list, describe, delete', () => {
  test('what people see of a group', () => {
    const world = new GroupsWorld()
    const [a] = world.stable(1, { host: 'far' }) as [string]
    world.commit({ member: a, generation: 1 }, position(0, 5))
    world.commit({ group: 'by hand' }, position(1, 2))
    expect(world.machine.list()).toEqual([
      { group: 'by hand', state: 'Empty', protocolType: '', members: 0 },
      { group: 'g', state: 'Stable', protocolType: 'consumer', members: 1 },
    ])
    const described = world.machine.describe('g')
    expect(described).toMatchObject({ generation: 1, protocol: 'sticky', leader: a })
    expect(described?.members).toMatchObject([{ member: a, client: 'c0', host: 'far', instance: null }])
    expect(textOf(described?.members[0]?.assignment)).toBe(`work of ${a}`)
    expect(described?.positions).toMatchObject([{ partition: 0, offset: 5, committedAt: 1_000_000 }])
    expect(world.machine.describe('nobody')).toBeUndefined()
  })

  test('a group with members is neither deleted nor reset', () => {
    const world = new GroupsWorld()
    const [a] = world.stable(1) as [string]
    world.commit({ member: a, generation: 1 }, position(0, 5))
    expect(world.delete()?.code).toBe('MILLRACE_GROUP_ACTIVE')
    expect(world.reset(position(0, 1))?.code).toBe('MILLRACE_GROUP_ACTIVE')
    expect(world.offsets()).toEqual({ 't/0': 5 })
    world.leave({ member: a })
    expect(world.reset(position(0, 1))).toBeUndefined()
    expect(world.offsets()).toEqual({ 't/0': 1 })
    expect(world.delete()).toBeUndefined()
    expect(world.machine.list()).toEqual([])
    expect(durable(world.machine)).toEqual([])
    expect(durable(world.replayed())).toEqual([])
  })

  test('a group in the middle of a rebalance is active, too', () => {
    const world = new GroupsWorld()
    world.join()
    expect(world.reset(position(0, 1))?.code).toBe('MILLRACE_GROUP_ACTIVE')
  })

  test('what is not there cannot be deleted; a reset makes it', () => {
    const world = new GroupsWorld()
    expect(world.delete()?.code).toBe('MILLRACE_UNKNOWN_GROUP')
    expect(world.reset(position(0, -1))?.code).toBe('MILLRACE_INVALID_ARGUMENT')
    expect(world.machine.list()).toEqual([])
    expect(world.reset(position(0, 7))).toBeUndefined()
    expect(world.offsets()).toEqual({ 't/0': 7 })
  })

  test('a deleted group begins anew, and its former members stay out', () => {
    const world = new GroupsWorld()
    const [a] = world.stable(1) as [string]
    world.leave({ member: a })
    world.delete()
    const [b] = world.stable(1) as [string]
    expect(world.generation).toBe(1)
    expect(world.commit({ member: a, generation: 1 }, position(0, 1))?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
    expect(world.memberIds).toEqual([b])
  })
})

describe('after a restart', () => {
  test('members of the process that is gone are gone; generation and positions stay', () => {
    const world = new GroupsWorld()
    const [a] = world.stable(2) as [string]
    world.commit({ member: a, generation: 2 }, position(0, 5))
    const after = new GroupsWorld()
    for (const record of world.written) after.machine.apply(record)
    after.do((step) => after.machine.dismissLocalMembers(step))
    expect(after.written).toEqual([])
    expect(after.machine.describe('g')).toMatchObject({ state: 'Empty', generation: 2, members: [] })
    expect(after.offsets()).toEqual({ 't/0': 5 })
    expect(after.commit({ member: a, generation: 2 }, position(0, 6))?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
    expect(after.join().value?.generation).toBe(3)
  })

  test('members elsewhere and static members keep their sessions', () => {
    const world = new GroupsWorld()
    const far = world.stable(1, { host: 'far' })[0] as string
    const fixed = world.join({ instance: 'i' })
    const generation = world.join({ member: far, host: 'far' }).value?.generation as number
    world.sync({ member: far, generation }, { [far]: 'work' })
    const after = new GroupsWorld()
    for (const record of world.written) after.machine.apply(record)
    after.do((step) => after.machine.dismissLocalMembers(step))
    expect(after.memberIds).toEqual([far, fixed.value?.member])
    expect(after.heartbeat({ member: far, generation })).toBeUndefined()
    expect(textOf(after.sync({ member: far, generation }).value?.assignment)).toBe('work')
    after.pass(9_000)
    after.heartbeat({ member: far, generation })
    after.pass(1_000)
    expect(after.memberIds).toEqual([far])
  })

  test('the members that stay rebalance for those that are gone', () => {
    const world = new GroupsWorld()
    const far = world.stable(1, { host: 'far' })[0] as string
    const near = world.join({ client: 'near' })
    const generation = world.join({ member: far, host: 'far' }).value?.generation as number
    world.sync({ member: far, generation }, { [far]: 'a', [near.value?.member as string]: 'b' })
    const after = new GroupsWorld()
    for (const record of world.written) after.machine.apply(record)
    after.do((step) => after.machine.dismissLocalMembers(step))
    expect(after.heartbeat({ member: far, generation })?.code).toBe('MILLRACE_REBALANCE_IN_PROGRESS')
    expect(after.join({ member: far, host: 'far' }).value).toMatchObject({ generation: generation + 1 })
  })

  test('a generation that never got assignments leaves no trace', () => {
    const world = new GroupsWorld()
    const before = world.written.length
    world.join()
    expect(world.written.length).toBe(before)
    expect(world.generation).toBe(1)
    expect(world.replayed().generation('g')).toBe(0)
  })
})
