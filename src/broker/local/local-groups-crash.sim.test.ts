import { expect, test } from 'vitest'
import { openLog } from '../../log/open.ts'
import { PowerLoss } from '../../sim/power-loss.ts'
import { restartSys, type SimSys, simSys } from '../../sim/sim-sys.ts'
import type { Answer, TopicDescription } from '../broker.ts'
import type { GroupPosition, JoinedGroup } from '../groups.ts'
import { LocalBroker } from './local-broker.ts'

/*
 * A member elsewhere joins, syncs and commits 1, 2, 3, ... for two partitions at once, and moves to the next generation
 * now and then. The power fails at every disk operation in turn. What was acknowledged is there, both partitions tell
 * the same number, generations never go back, and the member goes on with what it has, or is told to join again.
 */
const COMMITS = 10
const GENERATION_EVERY = 4

interface Run {
  acknowledged: number
  generation: number
  member: string
}

function asked<T>(sys: SimSys, call: (answer: Answer<T>) => void): T | Error {
  let result: { error: Error | undefined; value: T | undefined } | undefined
  call((error, value) => {
    result = { error, value }
  })
  for (let turn = 0; result === undefined && turn < 1_000; turn += 1) sys.time.advance(1)
  return result?.error ?? (result?.value as T)
}

function now<T>(sys: SimSys, call: (answer: Answer<T>) => void): T {
  const result = asked(sys, call)
  if (result instanceof Error) throw result
  return result
}

function join(sys: SimSys, broker: LocalBroker, run: Run): void {
  const request = {
    group: 'g',
    instance: null,
    client: 'c',
    host: 'far',
    sessionTimeoutMs: 1_000_000,
    rebalanceTimeoutMs: 1_000,
    protocolType: 'consumer',
    protocols: [{ name: 'sticky', metadata: Buffer.from('m') }],
  }
  const joined = asked<JoinedGroup>(sys, (answer) =>
    broker.groups.join({ ...request, member: run.member }, answer),
  )
  if (joined instanceof Error) {
    expect(joined).toMatchObject({ code: 'MILLRACE_UNKNOWN_MEMBER' })
    run.member = ''
    join(sys, broker, run)
    return
  }
  run.member = joined.member
  const { member, generation } = joined
  const assignments = [{ member, assignment: Buffer.from('all') }]
  now(sys, (answer) =>
    broker.groups.sync({ group: 'g', member, generation, instance: null, assignments }, answer),
  )
  // Only what got its assignments counts as a generation; that is durable now.
  expect(generation).toBeGreaterThan(run.generation)
  run.generation = generation
}

function offsets(sys: SimSys, broker: LocalBroker): readonly GroupPosition[] {
  return now<{ positions: readonly GroupPosition[] }>(sys, (answer) => broker.groups.positions('g', answer))
    .positions
}

function work(sys: SimSys, run: Run): void {
  const broker = new LocalBroker(sys, openLog(sys, '/data', { journalBytesMax: 4_000 }), {
    positionsBytesMax: 900,
  })
  const topic = now<TopicDescription>(sys, (answer) => broker.createTopic('t', { partitions: 2 }, answer))
  const found = offsets(sys, broker)
  const next = found[0]?.offset ?? 0
  expect(found.map(({ offset }) => offset)).toEqual(found.length === 0 ? [] : [next, next])
  expect(next).toBeGreaterThanOrEqual(run.acknowledged)
  run.acknowledged = next
  const beat = asked<void>(sys, (answer) =>
    broker.groups.heartbeat(
      { group: 'g', member: run.member, generation: run.generation, instance: null },
      answer,
    ),
  )
  if (beat instanceof Error || run.member === '') join(sys, broker, run)
  for (let commit = next + 1; commit <= COMMITS; commit += 1) {
    if (commit % GENERATION_EVERY === 0) join(sys, broker, run)
    const { member, generation } = run
    const positions = [0, 1].map((partition) => ({
      topic: topic.id,
      partition,
      offset: commit,
      leaderEpoch: 0,
      metadata: '',
    }))
    now<void>(sys, (answer) =>
      broker.groups.commit({ group: 'g', member, generation, instance: null, positions }, answer),
    )
    run.acknowledged = commit
  }
  now<void>(sys, (answer) => broker.close(answer))
}

function world(seed: number): SimSys {
  const sys = simSys(seed)
  sys.disk.delaySync(2)
  return sys
}

test('the power fails at every disk operation: positions are whole, generations go on', () => {
  const calm = world(1)
  const undisturbed: Run = { acknowledged: 0, generation: 0, member: '' }
  work(calm, undisturbed)
  expect(undisturbed).toMatchObject({ acknowledged: COMMITS, generation: 3 })
  const { operations } = calm.disk
  expect(operations).toBeGreaterThan(50)
  let kept = 0
  for (let operation = 1; operation <= operations; operation += 1) {
    const sys = world(operation)
    sys.disk.crashAt(operation)
    const run: Run = { acknowledged: 0, generation: 0, member: '' }
    expect(() => work(sys, run), `operation ${operation}`).toThrow(PowerLoss)
    const before = run.member
    work(restartSys(sys, 1_000_000 + operation), run)
    expect(run.acknowledged, `operation ${operation}`).toBe(COMMITS)
    if (before !== '' && run.member === before) kept += 1
  }
  // Mostly the member was there again and went on.
  expect(kept).toBeGreaterThan(operations / 4)
})
