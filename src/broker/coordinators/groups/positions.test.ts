import { describe, expect, test } from 'vitest'
import { durable, GroupsWorld, position } from './groups-test-world.ts'

const DAY_MS = 24 * 3_600_000

describe('commits of members', () => {
  test('positions have metadata and a time, and a later one replaces an earlier one', () => {
    const world = new GroupsWorld()
    const [member] = world.stable(1) as [string]
    world.commit({ member, generation: 1 }, position(0, 5), position(1, 7, 't', 'text'))
    world.pass(10)
    world.commit({ member, generation: 1 }, position(0, 6))
    expect(world.machine.positions('g')).toEqual({
      positions: [
        { ...position(0, 6), committedAt: 1_000_010 },
        { ...position(1, 7, 't', 'text'), committedAt: 1_000_000 },
      ],
      pending: [],
    })
  })

  test('an old generation, a stranger, a group that is not there', () => {
    const world = new GroupsWorld()
    const [member] = world.stable(1) as [string]
    const code = (who: object) => world.commit(who, position(0, 1))?.code
    expect(code({ member, generation: 0 })).toBe('MILLRACE_ILLEGAL_GENERATION')
    expect(code({ member, generation: 2 })).toBe('MILLRACE_ILLEGAL_GENERATION')
    expect(code({ member: 'x', generation: 1 })).toBe('MILLRACE_UNKNOWN_MEMBER')
    expect(code({ group: 'none', member: 'x', generation: 1 })).toBe('MILLRACE_ILLEGAL_GENERATION')
    expect(world.offsets()).toEqual({})
    expect(world.machine.list()).toHaveLength(1)
  })

  test('in the join phase the old generation may still commit what it did; between the phases nobody may', () => {
    const world = new GroupsWorld()
    const [member] = world.stable(1) as [string]
    world.join({ client: 'b' })
    expect(world.commit({ member, generation: 1 }, position(0, 5))).toBeUndefined()
    world.join({ member })
    expect(world.state).toBe('CompletingRebalance')
    expect(world.commit({ member, generation: 1 }, position(0, 6))?.code).toBe('MILLRACE_ILLEGAL_GENERATION')
    expect(world.commit({ member, generation: 2 }, position(0, 6))?.code).toBe(
      'MILLRACE_REBALANCE_IN_PROGRESS',
    )
    expect(world.offsets()).toEqual({ 't/0': 5 })
  })

  test.each([
    [position(0, -1), 'offset'],
    [position(0, 1.5), 'offset'],
    [position(0, 1, 't', 'x'.repeat(4_097)), 'metadata'],
  ])('position %# is refused, and so is all of its commit', (bad, what) => {
    const world = new GroupsWorld()
    const [member] = world.stable(1) as [string]
    const refusal = world.commit({ member, generation: 1 }, position(1, 1), bad)
    expect(refusal?.code).toBe('MILLRACE_INVALID_ARGUMENT')
    expect(refusal?.message).toContain(what)
    expect(world.offsets()).toEqual({})
  })
})

describe('commits from outside', () => {
  test('only while the group is empty', () => {
    const world = new GroupsWorld()
    expect(world.commit({}, position(0, 3))).toBeUndefined()
    const [member] = world.stable(1) as [string]
    expect(world.commit({}, position(0, 9))?.code).toBe('MILLRACE_GROUP_ACTIVE')
    world.leave({ member })
    expect(world.commit({}, position(0, 4))).toBeUndefined()
    expect(world.offsets()).toEqual({ 't/0': 4 })
  })

  test('not while the members are between two generations', () => {
    const world = new GroupsWorld()
    world.join()
    expect(world.commit({}, position(0, 9))?.code).toBe('MILLRACE_GROUP_ACTIVE')
  })
})

describe('positions of transactions', () => {
  test('count when it commits, and until then the partition is pending', () => {
    const world = new GroupsWorld()
    const [member] = world.stable(1) as [string]
    world.commit({ member, generation: 1 }, position(0, 1), position(1, 1))
    expect(world.commitPending(7, { member, generation: 1 }, position(0, 5))).toBeUndefined()
    expect(world.offsets()).toEqual({ 't/0': 1, 't/1': 1 })
    expect(world.machine.positions('g').pending).toEqual([{ topic: 't', partition: 0 }])
    expect(world.replayed().positions('g').pending).toEqual([{ topic: 't', partition: 0 }])
    world.end(7, true)
    expect(world.offsets()).toEqual({ 't/0': 5, 't/1': 1 })
    expect(world.machine.positions('g').pending).toEqual([])
  })

  test('are dropped when it aborts', () => {
    const world = new GroupsWorld()
    world.commit({}, position(0, 1))
    world.commitPending(7, {}, position(0, 5))
    world.end(7, false)
    expect(world.machine.positions('g')).toMatchObject({ positions: [{ offset: 1 }], pending: [] })
  })

  test('an end touches only its own producer', () => {
    const world = new GroupsWorld()
    world.commitPending(7, {}, position(0, 5))
    world.commitPending(8, {}, position(1, 6))
    world.commitPending(7, { group: 'h' }, position(0, 9))
    world.end(7, true)
    expect(world.offsets()).toEqual({ 't/0': 5 })
    expect(world.offsets('h')).toEqual({ 't/0': 9 })
    expect(world.machine.positions('g').pending).toEqual([{ topic: 't', partition: 1 }])
    const before = world.written.length
    world.end(7, true)
    expect(world.written.length).toBe(before)
  })

  test('an end that comes late turns no later commit back', () => {
    const world = new GroupsWorld()
    world.commitPending(7, {}, position(0, 5))
    world.commit({}, position(0, 8))
    world.end(7, true)
    expect(world.offsets()).toEqual({ 't/0': 8 })
  })

  test('of two transactions the later position counts, whichever ends first', () => {
    for (const order of [
      [7, 8],
      [8, 7],
    ]) {
      const world = new GroupsWorld()
      world.commitPending(7, {}, position(0, 5))
      world.commitPending(8, {}, position(0, 8))
      for (const producer of order) world.end(producer, true)
      expect(world.offsets()).toEqual({ 't/0': 8 })
    }
  })

  test('the earlier one counts if the later one aborts', () => {
    const world = new GroupsWorld()
    world.commitPending(7, {}, position(0, 5))
    world.commitPending(8, {}, position(0, 8))
    world.end(8, false)
    world.end(7, true)
    expect(world.offsets()).toEqual({ 't/0': 5 })
  })

  test('which is later survives a rewrite of the records', () => {
    const world = new GroupsWorld()
    world.commitPending(9, {}, position(1, 1))
    world.commitPending(8, {}, position(0, 5))
    world.commitPending(9, {}, position(0, 8))
    const after = new GroupsWorld()
    for (const record of world.machine.snapshot()) after.machine.apply(record)
    after.end(9, true)
    after.end(8, true)
    expect(after.offsets()).toEqual({ 't/0': 8, 't/1': 1 })
  })

  test('a zombie of an old generation is refused; without a member the producer answers for itself', () => {
    const world = new GroupsWorld()
    const [member] = world.stable(1) as [string]
    expect(world.commitPending(7, { member, generation: 0 }, position(0, 1))?.code).toBe(
      'MILLRACE_ILLEGAL_GENERATION',
    )
    expect(world.commitPending(7, { member: 'x', generation: 1 }, position(0, 1))?.code).toBe(
      'MILLRACE_UNKNOWN_MEMBER',
    )
    expect(world.commitPending(7, {}, position(0, 1))).toBeUndefined()
  })

  test('a deleted group leaves nothing for a late end', () => {
    const world = new GroupsWorld()
    world.commitPending(7, {}, position(0, 5))
    expect(world.delete()).toBeUndefined()
    world.end(7, true)
    expect(durable(world.machine)).toEqual([])
  })
})

describe('retention', () => {
  test('an empty group is forgotten after seven days', () => {
    const world = new GroupsWorld()
    const [member] = world.stable(1) as [string]
    world.commit({ member, generation: 1 }, position(0, 5))
    world.pass(5_000)
    world.leave({ member })
    world.pass(7 * DAY_MS - 1)
    expect(world.offsets()).toEqual({ 't/0': 5 })
    world.pass(1)
    expect(world.machine.list()).toEqual([])
    expect(durable(world.replayed())).toEqual([])
  })

  test('not while it has members, nor while it gets commits', () => {
    const world = new GroupsWorld({ positionsRetentionMs: 50_000 })
    const [member] = world.stable(1) as [string]
    world.commit({ member, generation: 1 }, position(0, 5))
    for (let beat = 0; beat < 20; beat += 1) {
      world.pass(9_000)
      world.heartbeat({ member, generation: 1 })
    }
    expect(world.offsets()).toEqual({ 't/0': 5 })
    world.leave({ member })
    for (let time = 0; time < 5; time += 1) {
      world.pass(40_000)
      world.commit({}, position(0, time))
    }
    world.pass(49_999)
    expect(world.offsets()).toEqual({ 't/0': 4 })
    world.pass(1)
    expect(world.offsets()).toEqual({})
  })

  test('time in which the log was not open does not count', () => {
    const world = new GroupsWorld()
    world.commit({}, position(0, 5))
    const after = new GroupsWorld()
    after.now = 100 * DAY_MS
    after.do(() => {})
    for (const record of world.written) after.machine.apply(record)
    after.pass(6 * DAY_MS)
    expect(after.offsets()).toEqual({ 't/0': 5 })
    after.pass(1 * DAY_MS)
    expect(after.offsets()).toEqual({})
  })

  test('not while a transaction may still change it', () => {
    const world = new GroupsWorld({ positionsRetentionMs: 1_000 })
    world.commit({}, position(0, 5))
    world.commitPending(7, {}, position(1, 5))
    world.pass(10_000)
    expect(world.offsets()).toEqual({ 't/0': 5 })
    world.end(7, true)
    world.pass(999)
    expect(world.offsets()).toEqual({ 't/0': 5, 't/1': 5 })
    world.pass(1)
    expect(world.offsets()).toEqual({})
  })

  test('groups of the engine keep theirs', () => {
    const world = new GroupsWorld()
    world.ask((answer, step) => world.machine.takeOver('g', answer, step))
    const after = new GroupsWorld()
    for (const record of world.written) after.machine.apply(record)
    after.do((step) => step.write(...positionOf(after)))
    after.pass(1_000 * DAY_MS)
    expect(after.offsets()).toEqual({ 't/0': 3 })
  })
})

function positionOf(world: GroupsWorld) {
  let records: readonly { key: string; value: string | null }[] = []
  world.do((step) => {
    records = world.machine.commit(
      { group: 'g', member: '', generation: -1, instance: null, positions: [position(0, 3)] },
      step,
    ).records
  })
  return records
}

test('the positions of a topic that was deleted go, of all groups, pending ones too', () => {
  const world = new GroupsWorld()
  world.commit({}, position(0, 1, 'old'), position(0, 2, 'new'))
  world.commit({ group: 'h' }, position(0, 3, 'old'))
  world.commitPending(7, {}, position(1, 4, 'old'))
  world.do((step) => step.write(...world.machine.forgetTopic('old')))
  expect(world.offsets()).toEqual({ 'new/0': 2 })
  expect(world.offsets('h')).toEqual({})
  expect(world.machine.positions('g').pending).toEqual([])
  expect(world.machine.list()).toHaveLength(1)
})
