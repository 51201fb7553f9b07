import { describe, expect, test } from 'vitest'
import type { Membership } from '../../broker.ts'
import { GroupsWorld, position } from './groups-test-world.ts'

function takeOver(world: GroupsWorld): Membership {
  const asked = world.ask<Membership>((answer, step) => world.machine.takeOver('g', answer, step))
  if (asked.value === undefined) throw asked.error ?? new Error('no answer')
  return asked.value
}

describe('the groups of the engine', () => {
  test('each join takes over, and only the last one owns the group', () => {
    const world = new GroupsWorld()
    const first = takeOver(world)
    expect(world.machine.owns(first)).toBe(true)
    const second = takeOver(world)
    expect(second.generation).toBe(first.generation + 1)
    expect(world.machine.owns(first)).toBe(false)
    expect(world.machine.owns(second)).toBe(true)
    expect(world.machine.owns({ ...second, generation: 9 })).toBe(false)
    expect(world.machine.owns({ ...second, member: 'me' })).toBe(false)
    expect(world.machine.owns({ ...second, group: 'other' })).toBe(false)
  })

  test('are listed beside the others, and active from the join on', () => {
    const world = new GroupsWorld()
    const { member } = takeOver(world)
    expect(world.machine.list()).toEqual([
      { group: 'g', state: 'Stable', protocolType: 'millrace', members: 1 },
    ])
    expect(world.machine.describe('g')?.members).toMatchObject([
      { member, instance: null, client: 'millrace' },
    ])
    expect(world.reset(position(0, 1))?.code).toBe('MILLRACE_GROUP_ACTIVE')
    expect(world.delete()?.code).toBe('MILLRACE_GROUP_ACTIVE')
    expect(world.commit({}, position(0, 1))?.code).toBe('MILLRACE_INCONSISTENT_PROTOCOL')
    expect(world.join().error?.code).toBe('MILLRACE_INCONSISTENT_PROTOCOL')
  })

  test('after a restart the membership holds until another joins, and nobody is active before it shows itself', () => {
    const world = new GroupsWorld()
    const membership = takeOver(world)
    const after = new GroupsWorld()
    for (const record of world.written) after.machine.apply(record)
    expect(after.machine.list()).toMatchObject([{ state: 'Empty', members: 0 }])
    expect(after.machine.describe('g')?.members).toEqual([])
    expect(after.machine.owns(membership)).toBe(true)
    expect(after.machine.list()).toMatchObject([{ state: 'Stable', members: 1 }])
  })

  test('a reset while it is not active fences whoever had it', () => {
    const world = new GroupsWorld()
    const membership = takeOver(world)
    const after = new GroupsWorld()
    for (const record of world.written) after.machine.apply(record)
    expect(after.reset(position(0, 9))).toBeUndefined()
    expect(after.offsets()).toEqual({ 't/0': 9 })
    expect(after.machine.owns(membership)).toBe(false)
    expect(takeOver(after).generation).toBeGreaterThan(membership.generation)
  })

  test('an engine that leaves gives the group back', () => {
    const world = new GroupsWorld()
    const membership = takeOver(world)
    expect(world.leave({ member: 'x' })[0]?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
    expect(world.leave({ member: membership.member })).toEqual([undefined])
    expect(world.machine.owns(membership)).toBe(false)
    expect(world.machine.list()).toMatchObject([{ state: 'Empty', members: 0 }])
    expect(world.reset(position(0, 9))).toBeUndefined()
  })

  test('a group with other members is not taken over', () => {
    const world = new GroupsWorld()
    world.stable(1)
    const asked = world.ask((answer, step) => world.machine.takeOver('g', answer, step))
    expect(asked.error?.code).toBe('MILLRACE_INCONSISTENT_PROTOCOL')
    expect(world.state).toBe('Stable')
  })

  test('generations go on when the kind of the group changes', () => {
    const world = new GroupsWorld()
    const membership = takeOver(world)
    world.leave({ member: membership.member })
    const joined = world.join()
    expect(joined.value?.generation).toBeGreaterThan(membership.generation)
    expect(joined.value?.leader).toBe(joined.value?.member)
    expect(world.machine.owns(membership)).toBe(false)
    world.leave({ member: joined.value?.member as string })
    expect(takeOver(world).generation).toBeGreaterThan(joined.value?.generation as number)
  })

  test('a stray join of a stranger does not take the group from its engine', () => {
    const world = new GroupsWorld()
    const membership = takeOver(world)
    const after = new GroupsWorld()
    for (const record of world.written) after.machine.apply(record)
    expect(after.join({ member: 'stranger' }).error?.code).toBe('MILLRACE_UNKNOWN_MEMBER')
    expect(after.machine.owns(membership)).toBe(true)
  })
})
