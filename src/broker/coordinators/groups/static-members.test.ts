import { describe, expect, test } from 'vitest'
import { bytesOf, GroupsWorld, position, textOf } from './groups-test-world.ts'

/** A stable group of two static members, 'i' (the leader) and 'k'. */
function two(): { world: GroupsWorld; leader: string; follower: string } {
  const world = new GroupsWorld()
  const [leader] = world.stable(1, { instance: 'i' }) as [string]
  const joined = world.join({ instance: 'k' })
  world.join({ member: leader, instance: 'i' })
  const follower = joined.value?.member as string
  const work = { [leader]: 'work of i', [follower]: 'work of k' }
  world.sync({ member: leader, instance: 'i', generation: 2 }, work)
  world.sync({ member: follower, instance: 'k', generation: 2 })
  return { world, leader, follower }
}

describe('a static member that starts again', () => {
  test('takes over its work without a rebalance, under a new member id', () => {
    const { world, leader, follower } = two()
    const again = world.join({ instance: 'k' })
    expect(again.value).toMatchObject({ generation: 2, leader, members: [], skipAssignment: false })
    const member = again.value?.member as string
    expect(member).not.toBe(follower)
    expect(world.state).toBe('Stable')
    expect(world.heartbeat({ member: leader, instance: 'i', generation: 2 })).toBeUndefined()
    const synced = world.sync({ member, instance: 'k', generation: 2 })
    expect(textOf(synced.value?.assignment)).toBe('work of k')
  })

  test('as the leader gets the members, and keeps the assignments that are there', () => {
    const { world, leader, follower } = two()
    const again = world.join({ instance: 'i' })
    const member = again.value?.member as string
    expect(again.value).toMatchObject({ generation: 2, leader: member, skipAssignment: true })
    expect(again.value?.members.map((one) => one.member).sort()).toEqual([member, follower].sort())
    expect(member).not.toBe(leader)
    const synced = world.sync({ member, instance: 'i', generation: 2 })
    expect(textOf(synced.value?.assignment)).toBe('work of i')
  })

  test('the new member id is durable', () => {
    const { world } = two()
    const again = world.join({ instance: 'k' })
    const members = world.replayed().describe('g')?.members ?? []
    expect(members.find(({ instance }) => instance === 'k')?.member).toBe(again.value?.member)
    expect(textOf(members.find(({ instance }) => instance === 'k')?.assignment)).toBe('work of k')
  })

  test('rebalances when the group would choose another protocol', () => {
    const { world } = two()
    const protocols = [
      { name: 'other', metadata: bytesOf('') },
      { name: 'sticky', metadata: bytesOf('') },
    ]
    expect(world.join({ instance: 'k', protocols }).value?.generation).toBe(2)
    const alone = new GroupsWorld()
    alone.stable(1, { instance: 'i', protocols: [...protocols].reverse() })
    expect(alone.join({ instance: 'i', protocols }).value).toMatchObject({ generation: 2, protocol: 'other' })
  })
})

describe('two processes with one instance id', () => {
  test('the older one is fenced in all that it does', () => {
    const { world, follower } = two()
    world.join({ instance: 'k' })
    const old = { member: follower, instance: 'k', generation: 2 }
    expect(world.heartbeat(old)?.code).toBe('MILLRACE_FENCED_INSTANCE')
    expect(world.sync(old).error?.code).toBe('MILLRACE_FENCED_INSTANCE')
    expect(world.commit(old, position(0, 1))?.code).toBe('MILLRACE_FENCED_INSTANCE')
    expect(world.join({ member: follower, instance: 'k' }).error?.code).toBe('MILLRACE_FENCED_INSTANCE')
    expect(world.leave({ member: follower, instance: 'k' })[0]?.code).toBe('MILLRACE_FENCED_INSTANCE')
    expect(world.offsets()).toEqual({})
    expect(world.memberIds).toHaveLength(2)
  })

  test('the older one that waits in a join is fenced at once', () => {
    const { world } = two()
    const waiting = world.join({ instance: 'n' })
    expect(waiting.came).toBe(false)
    const newer = world.join({ instance: 'n' })
    expect(waiting.error?.code).toBe('MILLRACE_FENCED_INSTANCE')
    expect(newer.came).toBe(false)
    expect(world.memberIds).toHaveLength(3)
  })

  test('the older one that waits in a sync is fenced, and the others join again', () => {
    const { world, leader, follower } = two()
    world.join({ member: leader, instance: 'i' })
    world.join({ member: follower, instance: 'k' })
    const waiting = world.sync({ member: follower, instance: 'k', generation: 3 })
    const newer = world.join({ instance: 'k' })
    expect(waiting.error?.code).toBe('MILLRACE_FENCED_INSTANCE')
    world.join({ member: leader, instance: 'i' })
    expect(newer.value?.generation).toBe(4)
  })
})

describe('a static member that is away', () => {
  test('is waited for until its session ends, and the others go on meanwhile', () => {
    const { world, leader } = two()
    const third = world.join({ client: 'dynamic', sessionTimeoutMs: 100_000, rebalanceTimeoutMs: 2_000 })
    world.join({ member: leader, instance: 'i', sessionTimeoutMs: 100_000, rebalanceTimeoutMs: 2_000 })
    expect(third.came).toBe(false)
    world.pass(10_000)
    expect(third.value?.generation).toBe(3)
    expect(world.memberIds).toHaveLength(2)
  })

  test('stays a member when the join phase ends without it', () => {
    const world = new GroupsWorld()
    const times = { sessionTimeoutMs: 100_000, rebalanceTimeoutMs: 2_000 }
    const [leader] = world.stable(1, { instance: 'i', ...times }) as [string]
    const other = world.join({ client: 'dynamic', ...times })
    world.pass(2_000)
    expect(other.value).toMatchObject({ generation: 2, leader: other.value?.member })
    expect(other.value?.members.map(({ member }) => member)).toContain(leader)
  })

  test('a join phase in which nobody came goes on until sessions end', () => {
    const world = new GroupsWorld()
    const times = { sessionTimeoutMs: 100_000, rebalanceTimeoutMs: 2_000 }
    const [leader] = world.stable(1, { instance: 'i', ...times }) as [string]
    const other = world.join({ client: 'dynamic', ...times })
    const [, gone] = world.memberIds as [string, string]
    world.leave({ member: gone })
    expect(other.error?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
    world.pass(50_000)
    expect(world.state).toBe('PreparingRebalance')
    expect(world.memberIds).toEqual([leader])
    world.pass(50_000)
    expect(world.state).toBe('Empty')
  })

  test('may be removed by its instance id alone', () => {
    const { world, leader } = two()
    expect(world.leave({ instance: 'k' })).toEqual([undefined])
    expect(world.memberIds).toEqual([leader])
    expect(world.leave({ instance: 'k' })[0]?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
  })
})

test('an instance id with a member id that nobody has', () => {
  const { world } = two()
  expect(world.join({ member: 'x', instance: 'free' }).error?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
  expect(world.heartbeat({ member: 'x', instance: 'free', generation: 2 })?.code).toBe(
    'MILLRACE_UNKNOWN_MEMBER',
  )
})
