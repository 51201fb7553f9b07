import { beforeEach, describe, expect, test } from 'vitest'
import type { TopicDetails } from '../admin.ts'
import type { PartitionBounds } from '../broker.ts'
import type { GroupDescription } from '../groups.ts'
import type { BrokerState, StateChanges } from './protocol.ts'
import { RemoteState } from './remote-state.ts'

const NOTHING: StateChanges = { bounds: [], topics: [], goneTopics: [], groups: [], goneGroups: [] }

function bounds(end: number, start = 0): PartitionBounds {
  return { start, lastStable: end, end, leaderEpoch: 0 }
}

function details(name: string, ...ends: number[]): TopicDetails {
  const base = {
    id: `id-${name}`,
    name,
    partitions: ends.length,
    durability: 'fsync',
    internal: false,
  } as const
  const partitions = ends.map((end, partition) => {
    return { partition, ...bounds(end), segments: 1, bytes: 0, producers: [], openTransactions: [] }
  })
  return { ...base, settings: {} as TopicDetails['settings'], details: partitions }
}

function stateOf(...topics: TopicDetails[]): BrokerState {
  return {
    limits: { recordBytesMax: 10, commitBytesMax: 2 ** 40, conditions: true },
    topics: topics.map(({ settings: _, details: all, ...topic }) => {
      return { ...topic, bounds: all.map(({ end, start }) => bounds(end, start)) }
    }),
    whole: { details: topics, groups: [], transactions: [], housekeeping: [] },
  }
}

function group(name: string): GroupDescription {
  const members: GroupDescription['members'] = []
  const base = {
    group: name,
    state: 'Empty',
    protocolType: '',
    generation: 0,
    protocol: '',
    leader: '',
  } as const
  return { ...base, members, positions: [] }
}

let state: RemoteState
beforeEach(() => {
  state = new RemoteState(stateOf(details('orders', 5, 7)))
})

test('the limit of a commit is that of a message', () => {
  expect(state.limits.commitBytesMax).toBe(64 * 1024 * 1024)
  expect(state.limits.recordBytesMax).toBe(10)
})

describe('offsets', () => {
  test('never go back, whatever order responses come in', () => {
    state.merge({ topic: 'id-orders', partition: 0, bounds: bounds(9, 2) })
    state.refresh(stateOf(details('orders', 6, 8)), state.changes)
    expect(state.bounds('id-orders', 0)).toEqual(bounds(9, 2))
    expect(state.bounds('id-orders', 1)).toEqual(bounds(8))
    expect(state.details('orders')?.details[0]).toMatchObject({ start: 2, end: 9 })
  })

  test('of a topic of the same name that was made anew begin at 0', () => {
    state.change({ ...NOTHING, goneTopics: ['orders'] })
    const anew = { ...details('orders', 0, 0), id: 'id-new' }
    state.change({ ...NOTHING, topics: [anew] })
    expect(state.bounds('id-new', 0).end).toBe(0)
    expect(() => state.bounds('id-orders', 0)).toThrow(/no topic with the id/)
    expect(state.end('id-orders', 0)).toBe(Number.POSITIVE_INFINITY)
  })

  test('of a partition that is not there are an error that says what is', () => {
    expect(() => state.bounds('id-orders', 2)).toThrow(/orders has 2 partitions/)
  })
})

describe('a response that was asked for before a change', () => {
  test('does not take back a topic that was made, nor bring back one that was deleted', () => {
    const before = state.changes
    state.change({ ...NOTHING, topics: [details('new', 0)], goneTopics: ['orders'] })
    state.refresh(stateOf(details('orders', 9, 9)), before)
    expect(state.topics().map(({ name }) => name)).toEqual(['new'])
    expect(state.details('orders')).toBeUndefined()
    state.refresh(stateOf(details('new', 3)), state.changes)
    expect(state.bounds('id-new', 0).end).toBe(3)
  })

  test('still brings offsets of the topics that there are', () => {
    const before = state.changes
    state.change({ ...NOTHING, topics: [details('new', 0)] })
    state.refresh(stateOf(details('orders', 9, 9)), before)
    expect(state.bounds('id-orders', 0).end).toBe(9)
  })

  test('does not bring back a group', () => {
    state.change({ ...NOTHING, groups: [group('a')] })
    const before = state.changes
    state.change({ ...NOTHING, goneGroups: ['a'] })
    const { whole, ...rest } = stateOf()
    state.refresh({ ...rest, whole: { ...whole, groups: [group('a')] } as never }, before)
    expect(state.groups()).toEqual([])
  })
})

test('groups are listed by name', () => {
  state.change({ ...NOTHING, groups: [group('b'), group('c'), group('a')] })
  expect(state.groups().map(({ group: name }) => name)).toEqual(['a', 'b', 'c'])
})
