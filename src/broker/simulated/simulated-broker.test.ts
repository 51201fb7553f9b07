import { beforeEach, describe, expect, test } from 'vitest'
import { type SimSys, simSys } from '../../sim/sim-sys.ts'
import type { CommitOutcome, Membership, TopicDescription } from '../broker.ts'
import { batch, brokerContract, group, outcomeOf, readAll, value } from '../contract.ts'
import { openBroker } from '../open.ts'
import { type CommitFate, NO_FAULTS, seededFaults } from './broker-faults.ts'
import { SimulatedBroker } from './simulated-broker.ts'

brokerContract('simulated, without faults', () => {
  const sys = simSys(1)
  return {
    open: () => new SimulatedBroker(openBroker(sys, 'file:/data'), sys),
    settle: async () => sys.time.advance(1),
    end: () => {},
  }
})

for (const seed of [1, 2, 3]) {
  brokerContract(
    `simulated, late answers and odd fetches, seed ${seed}`,
    () => {
      const sys = simSys(seed)
      const faults = seededFaults(sys.random, { fates: {}, delayMsMax: 5, emptyFetches: 0.3 })
      return {
        open: () => new SimulatedBroker(openBroker(sys, 'file:/data'), sys, { faults }),
        settle: async () => sys.time.advance(1),
        end: () => {},
      }
    },
    {},
  )
}

describe('the faults of a simulated broker', () => {
  let sys: SimSys
  let world: { settle(): Promise<void> }
  let broker: SimulatedBroker
  let topic: TopicDescription
  let membership: Membership

  beforeEach(async () => {
    sys = simSys(7)
    world = { settle: async () => sys.time.advance(1) }
    broker = new SimulatedBroker(openBroker(sys, 'memory:'), sys)
    topic = await value<TopicDescription>(world, (answer) =>
      broker.createTopic('t', { partitions: 1 }, answer),
    )
    membership = await join()
  })

  const join = () => value<Membership>(world, (answer) => broker.join('g', answer))
  const fates = (...script: CommitFate[]) => {
    broker.faults = { ...NO_FAULTS, fate: () => script.shift() ?? 'pass' }
  }
  const commit = (offset: number): Promise<CommitOutcome> => {
    const position = { topic: topic.id, partition: 0, offset, leaderEpoch: 0, metadata: '' }
    return outcomeOf(world, broker, group(membership, [batch(topic, 0, `${offset}`)], [position]))
  }
  const committed = () => broker.positions('g')[0]?.offset
  const rows = () => readAll(world, broker, topic, 0)

  test('unknown, and it was written', async () => {
    fates('unknownCommitted')
    expect(await commit(1)).toMatchObject({ kind: 'unknown', error: { code: 'MILLRACE_TIMEOUT' } })
    membership = await join()
    expect(committed()).toBe(1)
    expect(await rows()).toEqual(['0 1'])
  })

  test('unknown, and it was not written; what follows is not either, until the next join', async () => {
    fates('unknownLost')
    expect(await commit(1)).toMatchObject({ kind: 'unknown' })
    expect(await commit(2)).toMatchObject({ kind: 'unknown' })
    membership = await join()
    expect(committed()).toBeUndefined()
    expect(await rows()).toEqual([])
    expect(await commit(1)).toMatchObject({ kind: 'committed' })
  })

  test('unknown, and it is written when the group joins again', async () => {
    fates('unknownLate')
    expect(await commit(1)).toMatchObject({ kind: 'unknown' })
    expect(await rows()).toEqual([])
    expect(committed()).toBeUndefined()
    membership = await join()
    expect(committed()).toBe(1)
    expect(await rows()).toEqual(['0 1'])
  })

  test('fenced by another member, and disk', async () => {
    fates('disk', 'fenced')
    expect(await commit(1)).toMatchObject({ kind: 'refused', reason: 'disk' })
    expect(await commit(1)).toMatchObject({ kind: 'refused', reason: 'fenced' })
    expect(await commit(1)).toMatchObject({ kind: 'refused', reason: 'fenced' })
    const before = membership.generation
    membership = await join()
    expect(membership.generation).toBe(before + 2)
    expect(await rows()).toEqual([])
    expect(await commit(1)).toMatchObject({ kind: 'committed' })
  })

  test('answers are late and in order', () => {
    const delays = [5, 0, 2]
    broker.faults = { ...NO_FAULTS, delayMs: () => delays.shift() }
    const seen: string[] = []
    broker.append([batch(topic, 0, 'a')], () => seen.push(`a at ${sys.time.now()}`))
    broker.append([batch(topic, 0, 'b')], () => seen.push(`b at ${sys.time.now()}`))
    broker.append([batch(topic, 0, 'c')], () => seen.push(`c at ${sys.time.now()}`))
    expect(seen).toEqual([])
    sys.time.advance(10)
    expect(seen).toEqual(['a at 5', 'b at 5', 'c at 5'])
  })

  test('an empty fetch wakes its reader later', async () => {
    await value(world, (answer) => broker.append([batch(topic, 0, 'a')], answer))
    const sizes = [0]
    broker.faults = { ...NO_FAULTS, fetchBytes: (wanted) => sizes.shift() ?? wanted }
    let woken = 0
    const reader = broker.read(topic.id, 0, 0, () => {
      woken += 1
    })
    expect(reader.poll(1_000)).toBeUndefined()
    expect(reader.atEnd()).toBe(false)
    sys.time.advance(1)
    expect(woken).toBe(1)
    expect(reader.poll(1_000)).toBeDefined()
  })
})

test('whatever happens by lot, positions and data agree after the next join', async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const sys = simSys(seed)
    const world = { settle: async () => sys.time.advance(1) }
    const fates = { unknownCommitted: 0.1, unknownLost: 0.1, unknownLate: 0.1, fenced: 0.1, disk: 0.1 }
    const faults = seededFaults(sys.random, { fates, delayMsMax: 3, emptyFetches: 0.2 })
    const broker = new SimulatedBroker(openBroker(sys, 'memory:'), sys, { faults })
    const topic = await value<TopicDescription>(world, (answer) =>
      broker.createTopic('t', { partitions: 1 }, answer),
    )
    let next = 0
    for (let rounds = 0; next < 30 && rounds < 500; rounds += 1) {
      const membership = await value<Membership>(world, (answer) => broker.join('g', answer))
      next = broker.positions('g')[0]?.offset ?? 0
      const expected = Array.from({ length: next }, (_, index) => `${index} ${index}`)
      expect(await readAll(world, broker, topic, 0), `seed ${seed}`).toEqual(expected)
      for (let going = true; going && next < 30; ) {
        const position = { topic: topic.id, partition: 0, offset: next + 1, leaderEpoch: 0, metadata: '' }
        const wanted = group(membership, [batch(topic, 0, `${next}`)], [position])
        going = (await outcomeOf(world, broker, wanted)).kind === 'committed'
        if (going) next += 1
      }
    }
    expect(next, `seed ${seed}`).toBe(30)
  }
})
