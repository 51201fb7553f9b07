import { expect, test } from 'vitest'
import type { Log } from '../../log/log.ts'
import { openLog } from '../../log/open.ts'
import { BatchBuilder } from '../../record/batch-builder.ts'
import { PowerLoss } from '../../sim/power-loss.ts'
import { restartSys, type SimSys, simSys } from '../../sim/sim-sys.ts'
import type { CommitOutcome, Membership } from '../broker.ts'
import { group } from '../contract.ts'
import { LocalBroker } from './local-broker.ts'

/** Records as the first versions wrote them: group and value. */
const OLD: readonly (readonly [string, object])[] = [
  ['a', { version: 1, generation: 1, member: 'one', positions: [] }],
  [
    'a',
    {
      version: 1,
      generation: 1,
      member: 'one',
      positions: [
        ['t', 0, 5, 0, ''],
        ['t', 1, 7, 2, 'm'],
      ],
    },
  ],
  ['b', { version: 1, generation: 4, member: 'two', positions: [['t', 0, 1, 0, '']] }],
  ['a', { version: 1, generation: 2, member: 'three', positions: [] }],
  ['b', { version: 1, generation: 5, member: 'four', positions: [['t', 1, 2, 0, '']], whole: true }],
  // The answer of a commit that came after the join of the next generation was taken.
  ['a', { version: 1, generation: 1, member: 'one', positions: [['t', 0, 6, 0, '']] }],
]
const A = [
  { topic: 't', partition: 0, offset: 6, leaderEpoch: 0, metadata: '' },
  { topic: 't', partition: 1, offset: 7, leaderEpoch: 2, metadata: 'm' },
]
const B = [{ topic: 't', partition: 1, offset: 2, leaderEpoch: 0, metadata: '' }]

function withOld(records: readonly (readonly [string, object])[] = OLD, seed = 1): SimSys {
  const sys = simSys(seed)
  sys.disk.delaySync(2)
  const log = openLog(sys, '/data')
  log.createTopic('__positions', { partitions: 1, internal: true }, (_, topic) => {
    for (const [name, value] of records) {
      const builder = new BatchBuilder()
      builder.appendText(77, name, JSON.stringify(value))
      log.append([{ topic: topic?.id ?? '', partition: 0, bytes: builder.build() }], () => {})
    }
  })
  sys.time.advance(100)
  log.close(() => {})
  sys.time.advance(100)
  return sys
}

function open(sys: SimSys): { log: Log; broker: LocalBroker } {
  const log = openLog(sys, '/data')
  return { log, broker: new LocalBroker(sys, log) }
}

test('positions of the old topic are taken over, and the old topic goes', () => {
  const sys = withOld()
  const { log, broker } = open(sys)
  expect(broker.positions('a')).toEqual(A)
  expect(broker.positions('b')).toEqual(B)
  expect(broker.groups.describe('a')).toMatchObject({
    protocolType: 'millrace',
    generation: 2,
    leader: 'three',
    positions: [{ committedAt: 77 }, { committedAt: 77 }],
  })
  sys.time.advance(100)
  expect(log.topics().map(({ name }) => name)).toEqual(['__groups'])
  broker.close(() => {})
  sys.time.advance(100)
  const again = open(restartSys(sys, 5))
  expect(again.broker.positions('a')).toEqual(A)
  expect(again.broker.positions('b')).toEqual(B)
})

test('the membership of the old version may commit until another joins', () => {
  const sys = withOld()
  const { broker } = open(sys)
  const outcomes: string[] = []
  const commit = (membership: Membership) =>
    broker.commit(group(membership, [], []), (outcome: CommitOutcome) => outcomes.push(outcome.kind))
  commit({ group: 'a', member: 'three', generation: 2 })
  commit({ group: 'a', member: 'one', generation: 1 })
  let joined: Membership | undefined
  broker.join('a', (_, membership) => {
    joined = membership
  })
  sys.time.advance(100)
  expect(joined?.generation).toBe(3)
  expect(outcomes).toEqual(['committed', 'refused'])
})

test('the power fails at any moment of the upgrade: nothing is lost, nothing comes back', () => {
  const whole = withOld()
  const before = whole.disk.operations
  const run = (sys: SimSys) => {
    const { broker } = open(sys)
    sys.time.advance(50)
    // After the upgrade the old topic must not bring this one back.
    broker.groups.delete('b', () => {})
    sys.time.advance(50)
    broker.createTopic('later', { partitions: 1 }, () => {})
    sys.time.advance(50)
  }
  run(whole)
  const operations = whole.disk.operations - before
  let deleted = 0
  for (let operation = 1; operation <= operations; operation += 1) {
    const sys = withOld()
    sys.disk.crashAt(sys.disk.operations + operation)
    expect(() => run(sys), `operation ${operation}`).toThrow(PowerLoss)
    const after = restartSys(sys, operation)
    const { broker, log } = open(after)
    expect(broker.positions('a'), `operation ${operation}`).toEqual(A)
    const left = broker.positions('b')
    if (left.length === 0) deleted += 1
    else expect(left).toEqual(B)
    after.time.advance(100)
    expect(log.topic('__positions')).toBeUndefined()
    expect(broker.positions('b')).toEqual(left)
  }
  expect(deleted).toBeGreaterThan(0)
  expect(deleted).toBeLessThan(operations)
})

test('a full disk puts the upgrade off', () => {
  const sys = withOld()
  const log = openLog(sys, '/data')
  sys.disk.diskFull(0)
  const broker = new LocalBroker(sys, log)
  sys.time.advance(100)
  expect(broker.positions('a')).toEqual(A)
  sys.disk.diskFull(Number.POSITIVE_INFINITY)
  broker.groups.delete('b', () => {})
  sys.time.advance(100)
  expect(broker.positions('b')).toEqual([])
  expect(broker.positions('a')).toEqual(A)
  broker.close(() => {})
  sys.time.advance(100)
  const again = open(restartSys(sys, 5))
  expect(again.broker.positions('a')).toEqual(A)
  expect(again.broker.positions('b')).toEqual([])
})

test.each([
  [{ version: 2, generation: 1, member: 'x', positions: [] }, 'MILLRACE_NEWER_FORMAT'],
  ['no object', 'MILLRACE_NEWER_FORMAT'],
])('an old record %o is an error with its place', (value, code) => {
  const sys = withOld([['a', value as object]])
  expect(() => open(sys)).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining('__positions-0@0') }),
  )
})
