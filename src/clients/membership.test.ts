import { describe, expect, test } from 'vitest'
import { ClientsWorld, CONSUMER, Link } from './clients-test-world.ts'
import type { TopicPartition } from './consumer-protocol.ts'
import { Membership } from './membership.ts'

interface Member {
  readonly membership: Membership
  readonly events: string[]
  /** Partitions that are being let go of wait for this. */
  letGo: (() => void) | undefined
  failure: Error | undefined
}

class World extends ClientsWorld {
  constructor() {
    super()
    this.topic('t', { partitions: 4 })
  }

  member(link = new Link(this), holds = false): Member {
    const text = (partitions: readonly TopicPartition[]): string =>
      partitions.map(({ partition }) => partition).join()
    const events: string[] = []
    const { broker, sys } = this
    const membership: Membership = new Membership(CONSUMER, {
      groups: link.broker.groups,
      timers: sys.timers,
      partitionCounts: () => new Map(broker.topics().map(({ name, partitions }) => [name, partitions])),
      assigned: (partitions) => events.push(`assigned ${text(partitions)}`),
      revoke: (partitions, done) => {
        events.push(`revoke ${text(partitions)}`)
        const before = member.letGo
        if (!holds) done()
        else
          member.letGo = () => {
            before?.()
            done()
          }
      },
      lost: (partitions) => events.push(`lost ${text(partitions)}`),
      failed: (error) => {
        member.failure = error
      },
    })
    const member: Member = { membership, events, letGo: undefined, failure: undefined }
    membership.join()
    return member
  }

  get members(): number {
    return this.broker.groups.describe('g')?.members.length ?? 0
  }

  isStable(...members: Member[]): boolean {
    return members.every(({ membership }) => membership.phase === 'stable' && membership.owned.length > 0)
  }
}

describe('a rebalance', () => {
  test('takes from a member only what moves, and gives it on only when it was let go of', () => {
    const world = new World()
    const first = world.member(undefined, true)
    world.until(() => world.isStable(first))
    expect(first.events).toEqual(['assigned 0,1,2,3'])
    const second = world.member()
    world.until(() => first.letGo !== undefined)
    expect(first.membership.owned).toHaveLength(2)
    // Much longer than a session: it holds on, and stays a member by its heartbeats.
    world.sys.time.advance(1_500)
    expect(second.membership.owned).toEqual([])
    expect(world.members).toBe(2)
    first.letGo?.()
    world.until(() => world.isStable(first, second))
    expect(second.membership.owned).toHaveLength(2)
    expect(first.events.some((event) => event.startsWith('lost'))).toBe(false)
  })

  test('follows when a topic gets more partitions', () => {
    const world = new World()
    const member = world.member()
    world.until(() => world.isStable(member))
    world.now((answer) => world.broker.admin.alterTopic('t', { partitions: 6 }, answer))
    world.until(() => member.membership.owned.length === 6)
    expect(member.events).toEqual(['assigned 0,1,2,3', 'assigned 4,5'])
  })
})

describe('close', () => {
  test('while the first join is under way leaves no member behind', () => {
    const world = new World()
    const member = world.member()
    let closed = false
    member.membership.close(() => {
      closed = true
    })
    world.until(() => closed && world.members === 0)
    expect(member.events).toEqual([])
  })

  test('keeps the membership alive until the work has ended, and tells all who wait', () => {
    const world = new World()
    const member = world.member(undefined, true)
    world.until(() => world.isStable(member))
    const closed: string[] = []
    member.membership.close(() => closed.push('first'))
    member.membership.close(() => closed.push('second'))
    world.sys.time.advance(CONSUMER.sessionTimeoutMs * 3)
    expect(closed).toEqual([])
    expect(world.members).toBe(1)
    member.letGo?.()
    world.until(() => closed.length === 2)
    expect(world.members).toBe(0)
    member.membership.close(() => closed.push('late'))
    expect(closed).toEqual(['first', 'second', 'late'])
  })

  test('goes through a rebalance of others meanwhile, and takes nothing new', () => {
    const world = new World()
    const leaving = world.member(undefined, true)
    world.until(() => world.isStable(leaving))
    leaving.membership.close(() => undefined)
    const coming = world.member()
    world.sys.time.advance(1_000)
    expect(leaving.membership.identity.generation).toBeGreaterThan(1)
    leaving.letGo?.()
    world.until(() => coming.membership.owned.length === 4)
    expect(leaving.events.filter((event) => event.startsWith('assigned'))).toEqual(['assigned 0,1,2,3'])
  })
})

describe('a way to the coordinator that is cut', () => {
  test('for less than a session loses nothing', () => {
    const world = new World()
    const link = new Link(world)
    const member = world.member(link)
    world.until(() => world.isStable(member))
    link.up = false
    world.sys.time.advance(600)
    link.up = true
    world.sys.time.advance(3_000)
    expect(member.events).toEqual(['assigned 0,1,2,3'])
  })

  test('for longer loses all at once, before anything new is given', () => {
    const world = new World()
    const link = new Link(world)
    const member = world.member(link)
    world.until(() => world.isStable(member))
    link.up = false
    world.until(() => world.members === 0)
    link.up = true
    world.until(() => member.events.length === 3)
    expect(member.events).toEqual(['assigned 0,1,2,3', 'lost 0,1,2,3', 'assigned 0,1,2,3'])
  })
})
