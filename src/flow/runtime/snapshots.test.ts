import { describe, expect, test } from 'vitest'
import type { Broker } from '../../broker/broker.ts'
import { LocalBroker } from '../../broker/local/local-broker.ts'
import { openLog } from '../../log/open.ts'
import { Metrics } from '../../observe/metrics.ts'
import { BatchBuilder } from '../../record/batch-builder.ts'
import { json } from '../../record/serdes.ts'
import { restartSys, type SimSys, simSys } from '../../sim/sim-sys.ts'
import { MaterializedView } from '../../views/materialized-view.ts'
import { countAggregate } from '../aggregates/count.ts'
import type { Aggregate } from '../graph/aggregate.ts'
import type { Plan, TopicSpec } from '../graph/plan.ts'
import { createEngine } from './engine.ts'
import type { EngineHandle } from './engine-port.ts'

const topic: TopicSpec = {
  name: 'clicks',
  partitions: 1,
  keySerde: undefined,
  valueSerde: json(),
  durability: 'fsync',
}
const plan: Plan = {
  name: 'app',
  leaves: [
    {
      kind: 'view',
      name: 'counts',
      retentionMs: undefined,
      input: {
        kind: 'aggregate',
        name: 'by-user',
        // A plan holds aggregates of any type; only their own functions see what they made.
        aggregates: { n: countAggregate() as unknown as Aggregate },
        input: {
          kind: 'keyBy',
          key: (value) => (value as { user: string }).user,
          input: {
            kind: 'topicSource',
            topic,
            eventTime: undefined,
            outOfOrdernessMs: 0,
            idleAfterMs: false,
          },
        },
      },
    },
  ],
}

class Life {
  readonly broker: Broker
  readonly engine: EngineHandle
  readonly view: MaterializedView
  readonly #sys: SimSys

  constructor(sys: SimSys, stateFolder: string | undefined) {
    this.#sys = sys
    this.broker = new LocalBroker(sys, openLog(sys, '/data'))
    const view = new MaterializedView('counts')
    this.view = view
    this.engine = createEngine({
      sys,
      broker: this.broker,
      plan,
      views: { open: () => view },
      metrics: new Metrics(),
      stateFolder,
      snapshotBytesMin: 200,
      baseFolder: '/',
      commitIntervalMs: 5,
      untilEnd: false,
      wake: () => undefined,
    })
    this.run()
  }

  send(...users: readonly string[]): void {
    const builder = new BatchBuilder()
    for (const user of users) builder.append(0, null, Buffer.from(JSON.stringify({ user })))
    const id = this.broker.topic('clicks')?.id as string
    this.broker.append([{ topic: id, partition: 0, bytes: builder.build() }], () => undefined)
    this.run()
  }

  run(): void {
    for (let quiet = 0; quiet < 4; ) {
      this.engine.commitSoon()
      quiet = this.engine.step() ? 0 : quiet + 1
      this.#sys.time.advance(1)
      if (this.engine.state === 'failed') throw this.engine.failure
    }
  }

  changelog(): { readonly start: number; readonly end: number } {
    const id = this.broker.topic('app-by-user-changelog')?.id as string
    return this.broker.bounds(id, 0)
  }
}

describe('snapshots of stores', () => {
  test('are taken while it runs, cut the changelog, and bring the state back after a power cut', () => {
    let sys = simSys(1)
    let life = new Life(sys, '/state')
    for (let round = 1; round <= 40; round += 1) {
      life.send(`user-${round % 7}`, 'ann', `user-${round % 3}`)
      if (round % 10 !== 0) continue
      life.engine.abandon()
      sys = restartSys(sys, round)
      life = new Life(sys, '/state')
      expect(life.view.get('ann')).toEqual({ key: 'ann', n: round })
    }
    const names = sys.disk.list('/state/app-by-user-changelog-0').filter((name) => !name.endsWith('.part'))
    expect(names).toHaveLength(2)
    expect(life.changelog().start).toBeGreaterThan(0)
    life.send('ann')
    expect(life.view.get('ann')).toEqual({ key: 'ann', n: 41 })
  })

  test('without a folder the changelog is all, and is kept', () => {
    const sys = simSys(2)
    const life = new Life(sys, undefined)
    for (let round = 0; round < 20; round += 1) life.send('ann')
    expect(life.changelog().start).toBe(0)
    const next = new Life(restartSys(sys, 3), undefined)
    next.send('ann')
    expect(next.view.get('ann')).toEqual({ key: 'ann', n: 21 })
  })
})
