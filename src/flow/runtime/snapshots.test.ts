import { describe, expect, test } from 'vitest'
import { MillraceError } from '../../base/errors.ts'
import type { Broker } from '../../broker/broker.ts'
import { LocalBroker } from '../../broker/local/local-broker.ts'
import { openLog } from '../../log/open.ts'
import { Metrics } from '../../observe/metrics.ts'
import { BatchBuilder } from '../../record/batch-builder.ts'
import { json } from '../../record/serdes.ts'
import { restartSys, type SimSys, simSys } from '../../sim/sim-sys.ts'
import { snapshotPaths } from '../../state/snapshot-files.ts'
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
  settings: {},
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
  woken = false
  readonly #sys: SimSys

  constructor(sys: SimSys, stateFolder: string | undefined, snapshotBytesMin = 200) {
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
      snapshotBytesMin,
      baseFolder: '/',
      commitIntervalMs: 5,
      untilEnd: false,
      wake: () => {
        this.woken = true
      },
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
      if (this.engine.failure !== undefined) throw this.engine.failure
    }
  }

  bounds(topic: string): { readonly start: number; readonly end: number } {
    return this.broker.bounds(this.broker.topic(topic)?.id as string, 0)
  }

  rows(): readonly unknown[] {
    return this.view.list()
  }
}

/** Of the store, and of the view. */
const FOLDERS = ['/state/app-by-user-changelog-0', '/state/app-counts-view-0'] as const

/** A run that has taken several snapshots of everything, then stopped; what its view showed. */
function stopped(): { readonly sys: SimSys; readonly rows: readonly unknown[] } {
  const sys = simSys(3)
  const life = new Life(sys, '/state')
  for (let round = 1; round <= 40; round += 1) life.send(`user-${round % 7}`, 'ann', `user-${round % 3}`)
  life.engine.abandon()
  for (const folder of FOLDERS) expect(snapshotPaths(sys.disk, folder), folder).toHaveLength(2)
  return { sys: restartSys(sys, 4), rows: life.rows() }
}

function flipByte(sys: SimSys, path: string): void {
  const file = sys.disk.open(path, 'write')
  const byte = new Uint8Array(1)
  const position = Math.floor(file.size() * 0.6)
  file.read(byte, position)
  file.write(Uint8Array.of((byte[0] as number) ^ 1), position)
  file.close()
}

function warnings(sys: SimSys): readonly string[] {
  return sys.lines.all.flatMap(({ level, message }) => (level === 'warn' ? [message] : []))
}

describe('snapshots of stores and views', () => {
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
    expect(snapshotPaths(sys.disk, FOLDERS[0]).length).toBeGreaterThan(1)
    for (const name of ['app-by-user-changelog', 'app-counts-view'])
      expect(life.bounds(name).start, name).toBeGreaterThan(0)
    life.send('ann')
    expect(life.view.get('ann')).toEqual({ key: 'ann', n: 41 })
  })

  test('without a folder the changelog is all, and is kept', () => {
    const sys = simSys(2)
    const life = new Life(sys, undefined)
    for (let round = 0; round < 20; round += 1) life.send('ann')
    expect(life.bounds('app-by-user-changelog').start).toBe(0)
    const next = new Life(restartSys(sys, 3), undefined)
    next.send('ann')
    expect(next.view.get('ann')).toEqual({ key: 'ann', n: 21 })
  })

  test.each(FOLDERS)('a flipped byte in the newest one of %s: the older one takes its place', (folder) => {
    const { sys, rows } = stopped()
    const newest = snapshotPaths(sys.disk, folder)[0] as string
    flipByte(sys, newest)
    const life = new Life(sys, '/state')
    expect(life.rows()).toEqual(rows)
    expect(warnings(sys)).toEqual([expect.stringContaining(`the snapshot ${newest} is left out: `)])
    // Two whole ones are needed again before anything more is cut.
    for (let round = 0; round < 20; round += 1) life.send('ann')
    expect(snapshotPaths(sys.disk, folder)).toHaveLength(2)
    const after = life.rows()
    life.engine.abandon()
    expect(new Life(restartSys(sys, 5), '/state').rows()).toEqual(after)
  })

  test.each(FOLDERS)('both damaged in %s and the changelog cut: it says so', (folder) => {
    const { sys } = stopped()
    for (const path of snapshotPaths(sys.disk, folder)) flipByte(sys, path)
    const changelog = folder.slice('/state/'.length)
    const message = new RegExp(`cannot be restored: ${changelog} begins at offset \\d+, expected 0.*backup`)
    expect(() => new Life(sys, '/state')).toThrow(
      expect.objectContaining({ code: 'MILLRACE_CORRUPT', message: expect.stringMatching(message) }),
    )
  })

  test('of another changelog are left out, with a warning, and cut nothing', () => {
    const { sys, rows } = stopped()
    const paths = snapshotPaths(sys.disk, FOLDERS[1])
    // The newest of the store lies where the view's is wanted.
    sys.disk.rename(snapshotPaths(sys.disk, FOLDERS[0])[0] as string, paths[0] as string)
    const life = new Life(sys, '/state')
    expect(life.rows()).toEqual(rows)
    expect(warnings(sys).join('\n')).toMatch(
      /is left out: it is of store by-user \S+ 0, expected view counts/,
    )
  })

  test('a disk that takes no snapshot costs a warning, not the app', () => {
    const sys = simSys(6)
    const life = new Life(sys, '/state')
    const { open } = sys.disk
    sys.disk.open = (path, mode) => {
      if (path.startsWith('/state') && mode === 'create')
        throw new MillraceError('MILLRACE_DISK', `cannot create ${path}: ENOSPC`)
      return open.call(sys.disk, path, mode)
    }
    for (let round = 0; round < 30; round += 1) life.send('ann')
    expect(life.rows()).toEqual([{ key: 'ann', n: 30 }])
    expect(life.bounds('app-by-user-changelog').start).toBe(0)
    expect(warnings(sys)[0]).toMatch(/a snapshot could not be taken, the changelog is kept: .*ENOSPC/)
    sys.disk.open = open
    for (let round = 0; round < 30; round += 1) life.send('ann')
    expect(life.bounds('app-by-user-changelog').start).toBeGreaterThan(0)
  })

  test('a clean end takes those that spare the next start work', () => {
    const sys = simSys(7)
    const life = new Life(sys, '/state', 4_000)
    for (let round = 0; round < 12; round += 1) life.send('ann', `user-${round}`)
    expect(snapshotPaths(sys.disk, FOLDERS[0])).toHaveLength(0)
    life.engine.drain()
    // As an event loop does it: a step that had nothing to do is followed by another only when something woke.
    for (let busy = true; busy; ) {
      life.woken = false
      busy = life.engine.step()
      sys.time.advance(1)
      busy ||= life.woken
    }
    expect(life.engine.state).toBe('ended')
    for (const folder of FOLDERS) expect(snapshotPaths(sys.disk, folder), folder).toHaveLength(1)
    expect(new Life(restartSys(sys, 8), '/state').rows()).toEqual(life.rows())
  })
})
