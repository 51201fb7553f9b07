import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TopicPartition } from './consumer-protocol.ts'
import {
  type AssigningMember,
  type Assignments,
  assignSticky,
  nameOf,
  withoutOwned,
} from './sticky-assignor.ts'

const TOPICS = ['a', 'b', 'c', 'd']
const partitionCounts = fc
  .array(fc.integer({ min: 0, max: 9 }), { minLength: 4, maxLength: 4 })
  .map((counts) => new Map(TOPICS.map((topic, index) => [topic, counts[index] ?? 0])))
const memberNames = fc.uniqueArray(fc.constantFrom('k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't'), {
  minLength: 1,
  maxLength: 7,
})

/** Members with any claims, also wrong ones: of topics they do not read, of partitions that others claim too. */
const anyMembers = memberNames.chain((names) =>
  fc.tuple(
    ...names.map((member) =>
      fc.record({
        member: fc.constant(member),
        topics: fc.subarray(TOPICS),
        owned: fc.uniqueArray(
          fc.record({
            topic: fc.constantFrom(...TOPICS, 'gone'),
            partition: fc.integer({ min: 0, max: 11 }),
          }),
          { selector: nameOf, maxLength: 9 },
        ),
        generation: fc.integer({ min: -1, max: 3 }),
      }),
    ),
  ),
) as fc.Arbitrary<AssigningMember[]>

const fresh = (names: readonly string[], topics: readonly string[] = TOPICS): AssigningMember[] =>
  names.map((member) => ({ member, topics, owned: [], generation: -1 }))

/** The members as they join again with what they were given. */
function holding(
  members: readonly AssigningMember[],
  given: Assignments,
  generation: number,
): AssigningMember[] {
  return members.map((member) => ({ ...member, owned: given.get(member.member) ?? [], generation }))
}

function sizes(assignments: Assignments): number[] {
  return Array.from(assignments.values(), (partitions) => partitions.length)
}

function moves(before: readonly AssigningMember[], after: Assignments): number {
  const owner = new Map(
    before.flatMap(({ member, owned }) => owned.map((one) => [nameOf(one), member] as const)),
  )
  let count = 0
  for (const [member, partitions] of after) {
    for (const partition of partitions) {
      const had = owner.get(nameOf(partition))
      if (had !== undefined && had !== member) count++
    }
  }
  return count
}

describe('the sticky assignor', () => {
  test('each partition of a subscribed topic has one reader, which subscribes to it; balanced', () => {
    fc.assert(
      fc.property(anyMembers, partitionCounts, (members, counts) => {
        const assignments = assignSticky(members, counts)
        const subscribed = new Set(members.flatMap(({ topics }) => topics))
        const expected = TOPICS.filter((topic) => subscribed.has(topic)).flatMap((topic) =>
          Array.from({ length: counts.get(topic) ?? 0 }, (_, partition) => nameOf({ topic, partition })),
        )
        const given = [...assignments.values()].flat().map(nameOf)
        expect(given.toSorted()).toEqual(expected.toSorted())
        for (const { member, topics } of members) {
          const own = assignments.get(member) as readonly TopicPartition[]
          for (const { topic } of own) expect(topics).toContain(topic)
          for (const other of members) {
            const theirs = assignments.get(other.member) as readonly TopicPartition[]
            const couldTake = own.some(({ topic }) => other.topics.includes(topic))
            if (couldTake) expect(own.length - theirs.length).toBeLessThanOrEqual(1)
          }
        }
      }),
    )
  })

  test('the order of members does not matter', () => {
    fc.assert(
      fc.property(anyMembers, partitionCounts, (members, counts) => {
        expect(assignSticky(members.toReversed(), counts)).toEqual(assignSticky(members, counts))
      }),
    )
  })

  test('nothing moves when nothing changed', () => {
    fc.assert(
      fc.property(anyMembers, partitionCounts, (members, counts) => {
        const first = assignSticky(members, counts)
        expect(assignSticky(holding(members, first, 1), counts)).toEqual(first)
      }),
    )
  })

  test('a new member takes its share and nothing else moves', () => {
    fc.assert(
      fc.property(memberNames, partitionCounts, (names, counts) => {
        const members = fresh(names)
        const before = holding(members, assignSticky(members, counts), 1)
        const joined = [...before, ...fresh(['new'])]
        const after = assignSticky(joined, counts)
        expect(moves(before, after)).toBe(after.get('new')?.length)
      }),
    )
  })

  test('when a member leaves only its partitions move', () => {
    fc.assert(
      fc.property(memberNames, partitionCounts, (names, counts) => {
        const members = fresh([...names, 'leaving'])
        const before = holding(members, assignSticky(members, counts), 1)
        const left = before.filter(({ member }) => member !== 'leaving')
        expect(moves(left, assignSticky(left, counts))).toBe(0)
      }),
    )
  })

  test('sizes differ by one at most when all read the same topics', () => {
    fc.assert(
      fc.property(memberNames, partitionCounts, (names, counts) => {
        const all = sizes(assignSticky(fresh(names), counts))
        expect(Math.max(...all) - Math.min(...all)).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('of two claims the newer generation holds; two of one generation are nobody’s', () => {
    const counts = new Map([['a', 2]])
    const claim = (member: string, generation: number): AssigningMember => ({
      member,
      topics: ['a'],
      owned: [{ topic: 'a', partition: 1 }],
      generation,
    })
    expect(assignSticky([claim('k', 1), claim('l', 2)], counts).get('l')).toEqual([
      { topic: 'a', partition: 1 },
    ])
    expect(
      withoutOwned(assignSticky([claim('k', 3), claim('l', 3)], counts), [claim('k', 3), claim('l', 3)]),
    ).toEqual(assignSticky([claim('k', 3), claim('l', 3)], counts))
  })
})

describe('a cooperative rebalance', () => {
  test('gives out nothing that another member holds, and ends after a second round', () => {
    fc.assert(
      fc.property(anyMembers, fc.subarray(['x', 'y', 'z']), partitionCounts, (members, joining, counts) => {
        const held = holding(members, assignSticky(members, counts), 1)
        const all = [...held, ...fresh(joining)]
        const target = assignSticky(all, counts)
        const first = withoutOwned(target, all)
        const owner = new Map(
          all.flatMap(({ member, owned }) => owned.map((one) => [nameOf(one), member] as const)),
        )
        for (const [member, partitions] of first) {
          for (const partition of partitions) expect(owner.get(nameOf(partition)) ?? member).toBe(member)
        }
        // Each member lets go of what it was not given, and joins again.
        const again = holding(all, first, 2)
        expect(withoutOwned(assignSticky(again, counts), again)).toEqual(assignSticky(again, counts))
      }),
    )
  })
})
