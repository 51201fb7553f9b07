import { describe, expect, test } from 'vitest'
import { openLog } from '../../log/open.ts'
import { decodeRecords } from '../../record/batch-reader.ts'
import { PowerLoss } from '../../sim/power-loss.ts'
import { restartSys, type SimSys, simSys } from '../../sim/sim-sys.ts'
import type { Broker, CommitOutcome, Membership, TopicDescription } from '../broker.ts'
import { batch, group } from '../contract.ts'
import { LocalBroker } from './local-broker.ts'

/*
 * A group commits 0, 1, 2, ...: commit n writes the record n to both partitions and the position n + 1. The power fails
 * at every disk operation in turn. Whatever is left, partitions and position must tell the same number, nothing that was
 * acknowledged may be missing, and the work must go on from there.
 */
const COMMITS = 12
const IN_FLIGHT = 3
/** A restart must not draw the same ids again. */
const OTHER_SEEDS = 1_000_000

interface Run {
  acknowledged: number
  generation: number
  outcomes: CommitOutcome[]
}

function open(sys: SimSys): Broker {
  // So small that the positions topic is rewritten and cut every few commits.
  return new LocalBroker(sys, openLog(sys, '/data', { journalBytesMax: 4_000 }), { positionsBytesMax: 500 })
}

function now<T>(
  sys: SimSys,
  call: (answer: (error: Error | undefined, value: T | undefined) => void) => void,
): T {
  let result: { error: Error | undefined; value: T | undefined } | undefined
  call((error, value) => {
    result = { error, value }
  })
  for (let turn = 0; result === undefined && turn < 1_000; turn += 1) sys.time.advance(1)
  if (result?.error !== undefined) throw result.error
  return result?.value as T
}

function texts(broker: Broker, topic: TopicDescription, partition: number): string[] {
  const reader = broker.read(topic.id, partition, 0, () => {})
  const all: string[] = []
  for (let fetched = reader.poll(500); fetched !== undefined; fetched = reader.poll(500)) {
    for (const { value } of decodeRecords(fetched.bytes)) all.push(Buffer.from(value ?? []).toString())
  }
  reader.close()
  return all
}

/** What must hold at every start; returns where to go on. */
function check(broker: Broker, topic: TopicDescription, run: Run): number {
  const next = broker.positions('g')[0]?.offset ?? 0
  const expected = Array.from({ length: next }, (_, index) => `${index}`)
  expect(texts(broker, topic, 0)).toEqual(expected)
  expect(texts(broker, topic, 1)).toEqual(expected)
  expect(next).toBeGreaterThanOrEqual(run.acknowledged)
  return next
}

function work(sys: SimSys, run: Run): void {
  const broker = open(sys)
  const topic = now<TopicDescription>(sys, (answer) => broker.createTopic('out', { partitions: 2 }, answer))
  const membership = now<Membership>(sys, (answer) => broker.join('g', answer))
  expect(membership.generation).toBeGreaterThan(run.generation)
  run.generation = membership.generation
  let waiting = 0
  // Perhaps more than was acknowledged, even all of it; from now on nothing of that may be missing either.
  run.acknowledged = check(broker, topic, run)
  for (let next = run.acknowledged; next < COMMITS; next += 1) {
    const position = { topic: topic.id, partition: 0, offset: next + 1, leaderEpoch: 0, metadata: '' }
    const wanted = group(membership, [batch(topic, 0, `${next}`), batch(topic, 1, `${next}`)], [position])
    waiting += 1
    broker.commit(wanted, (outcome) => {
      waiting -= 1
      run.outcomes.push(outcome)
      if (outcome.kind === 'committed') run.acknowledged = next + 1
    })
    for (let turn = 0; waiting >= IN_FLIGHT && turn < 1_000; turn += 1) sys.time.advance(1)
  }
  now<void>(sys, (answer) => broker.close(answer))
}

function world(seed: number): SimSys {
  const sys = simSys(seed)
  sys.disk.delaySync(2)
  return sys
}

describe('the power fails at every disk operation', () => {
  test('positions and data are whole commits, none acknowledged is lost', () => {
    const calm = world(1)
    const undisturbed: Run = { acknowledged: 0, generation: 0, outcomes: [] }
    work(calm, undisturbed)
    expect(undisturbed.acknowledged).toBe(COMMITS)
    const operations = calm.disk.operations
    expect(operations).toBeGreaterThan(50)
    for (let operation = 1; operation <= operations; operation += 1) {
      const sys = world(operation)
      sys.disk.crashAt(operation)
      const run: Run = { acknowledged: 0, generation: 0, outcomes: [] }
      expect(() => work(sys, run), `operation ${operation}`).toThrow(PowerLoss)
      const after = restartSys(sys, OTHER_SEEDS + operation)
      work(after, run)
      expect(run.acknowledged, `operation ${operation}`).toBe(COMMITS)
    }
  })
})

describe('the disk fails', () => {
  test('a failed sync has an unknown outcome, and a restart tells which', () => {
    for (let failing = 1; failing < 15; failing += 1) {
      const sys = world(failing)
      const run: Run = { acknowledged: 0, generation: 0, outcomes: [] }
      sys.disk.failSync(failing)
      try {
        work(sys, run)
      } catch {
        // Opening, creating or joining failed, or the close: what matters is what the next start finds.
      }
      for (const outcome of run.outcomes)
        expect(outcome).not.toMatchObject({ kind: 'refused', reason: 'fenced' })
      const after = restartSys(sys, OTHER_SEEDS + failing)
      work(after, run)
      expect(run.acknowledged, `sync ${failing}`).toBe(COMMITS)
    }
  })

  test('a full disk refuses the commit and nothing of it is there', () => {
    const sys = world(3)
    const broker = open(sys)
    const topic = now<TopicDescription>(sys, (answer) => broker.createTopic('out', { partitions: 2 }, answer))
    const membership = now<Membership>(sys, (answer) => broker.join('g', answer))
    const position = { topic: topic.id, partition: 0, offset: 1, leaderEpoch: 0, metadata: '' }
    const wanted = () =>
      group(membership, [batch(topic, 0, 'x'.repeat(5_000)), batch(topic, 1, 'b')], [position])
    sys.disk.diskFull(100)
    const refused = now<CommitOutcome>(sys, (answer) =>
      broker.commit(wanted(), (outcome) => answer(undefined, outcome)),
    )
    expect(refused).toMatchObject({ kind: 'refused', reason: 'disk', error: { code: 'MILLRACE_DISK' } })
    expect(broker.positions('g')).toEqual([])
    expect(broker.bounds(topic.id, 1).end).toBe(0)
    sys.disk.diskFull(Number.POSITIVE_INFINITY)
    const outcome = now<CommitOutcome>(sys, (answer) =>
      broker.commit(wanted(), (outcome) => answer(undefined, outcome)),
    )
    expect(outcome).toEqual({ kind: 'committed', baseOffsets: [0, 0] })
    expect(broker.positions('g')).toEqual([position])
  })
})

test('the positions topic stays small however many commits there are', () => {
  const sys = simSys(5)
  const broker = new LocalBroker(sys, openLog(sys, '/data'), { positionsBytesMax: 2_000 })
  const topic = now<TopicDescription>(sys, (answer) => broker.createTopic('out', { partitions: 1 }, answer))
  const membership = now<Membership>(sys, (answer) => broker.join('g', answer))
  for (let offset = 1; offset <= 500; offset += 1) {
    const position = { topic: topic.id, partition: 0, offset, leaderEpoch: 0, metadata: '' }
    broker.commit(group(membership, [], [position]), () => {})
  }
  const positions = broker.topic('__groups') as TopicDescription
  expect(positions.internal).toBe(true)
  const { start, end } = broker.bounds(positions.id, 0)
  expect(end).toBeGreaterThan(500)
  expect(end - start).toBeLessThan(20)
  now<void>(sys, (answer) => broker.close(answer))
  expect(new LocalBroker(sys, openLog(sys, '/data')).positions('g')).toMatchObject([{ offset: 500 }])
})
