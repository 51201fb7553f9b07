import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryDisk } from '../sys/memory/memory-disk.ts'
import type { Survival } from '../sys/memory/survival.ts'
import type { Lines } from '../sys/sys.ts'
import type { StoreKey } from './keyed-store.ts'
import { MemoryStore } from './memory-store.ts'
import { StoreRestore } from './restore.ts'
import { SnapshotWriter } from './snapshot.ts'
import { jsonStoreCodec } from './store-codec.ts'

/*
 * A store with its changelog and its snapshots, as an engine drives them: commits become durable later than they are
 * taken, snapshots are written in slices between them, the changelog is cut where a snapshot allows it, and the power
 * fails at any moment. After each failure the store must be what the durable part of the changelog, uncut, makes of it.
 */
interface Value {
  n: number
}
type Line = { key: Uint8Array; value: Uint8Array | undefined }
type Rows = Map<string, number>

const FOLDER = '/state/counts-0'
const SILENT: Lines = { write: () => {} }

class World {
  disk = new MemoryDisk({ durable: true })
  store = new MemoryStore<Value>('counts', jsonStoreCodec<Value>())
  snapshot: SnapshotWriter | undefined
  snapshotDone = false
  sliced = -1
  readonly changelog: Line[] = []
  /** The changelog's begin, what is durable of it, and the rows at each commit's end. */
  start = 0
  durable = 0
  readonly rowsAt = new Map<number, Rows>([[0, new Map()]])
  rows: Rows = new Map()
  warnings: string[] = []
  readonly lines: Lines = { write: (_level, message) => this.warnings.push(message) }

  change(namespace: number, key: StoreKey, amount: number): void {
    const name = `${namespace} ${typeof key} ${key}`
    if (amount === 0) {
      this.store.delete(namespace, key)
      this.rows.delete(name)
      return
    }
    const value = this.store.get(namespace, key) ?? { n: 0 }
    value.n += amount
    this.store.put(namespace, key, value)
    this.rows.set(name, value.n)
  }

  drop(namespace: number): void {
    this.store.drop(namespace)
    for (const name of this.rows.keys()) if (name.startsWith(`${namespace} `)) this.rows.delete(name)
  }

  commit(durable: boolean): void {
    this.store.writeChanges({
      change: (bytes, keyStart, keyEnd, valueStart, valueEnd) => {
        const value = valueStart < 0 ? undefined : bytes.slice(valueStart, valueEnd)
        this.changelog.push({ key: bytes.slice(keyStart, keyEnd), value })
      },
    })
    this.rowsAt.set(this.changelog.length, new Map(this.rows))
    if (durable) this.durable = this.changelog.length
    if (this.snapshotDone && durable) this.finish()
  }

  slice(): void {
    if (this.snapshotDone) return
    this.snapshot ??= new SnapshotWriter(this.store, {
      disk: this.disk,
      folder: FOLDER,
      identity: 'counts',
      begin: { offset: [...this.rowsAt.keys()].at(-1) as number, leaderEpoch: 0 },
    })
    this.snapshotDone = !this.snapshot.slice(40)
  }

  finish(): void {
    this.snapshot?.finish({ offset: this.durable, leaderEpoch: 0 }, (error, release) => {
      expect(error).toBeUndefined()
      if (release !== undefined) this.start = Math.max(this.start, release)
    })
    this.snapshot = undefined
    this.snapshotDone = false
  }

  crash(survival: Survival): void {
    this.disk = this.disk.crash(survival)
    this.changelog.length = this.durable
    for (const at of this.rowsAt.keys()) if (at > this.durable) this.rowsAt.delete(at)
    this.rows = new Map(this.rowsAt.get(this.durable))
    this.snapshot = undefined
    this.snapshotDone = false
    this.store = this.restored()
    expect(dump(this.store)).toEqual(this.rows)
  }

  restored(): MemoryStore<Value> {
    const store = new MemoryStore<Value>('counts', jsonStoreCodec<Value>())
    const restore = new StoreRestore(store, {
      disk: this.disk,
      lines: SILENT,
      folder: FOLDER,
      identity: 'counts',
      changelog: { name: 'counts-0', start: this.start, end: this.durable },
    })
    while (restore.step(60));
    for (const { key, value } of this.changelog.slice(restore.replayFrom, this.durable)) {
      const bytes = Buffer.concat([key, value ?? new Uint8Array()])
      store.restore(bytes, 0, key.length, value === undefined ? -1 : key.length, bytes.length)
    }
    return store
  }
}

function dump(store: MemoryStore<Value>): Rows {
  const rows: Rows = new Map()
  for (const namespace of store.namespaces()) {
    for (const [key, { n }] of store.scan(namespace)) rows.set(`${namespace} ${typeof key} ${key}`, n)
  }
  return rows
}

const survivals: fc.Arbitrary<Survival> = fc
  .record({
    entrySurvives: fc.func(fc.boolean()),
    bytesSurviving: fc.func(fc.nat(4_096)),
    lengthSurvives: fc.func(fc.boolean()).map((decide) => () => decide()),
  })
  .map(({ bytesSurviving, ...rest }) => ({
    ...rest,
    bytesSurviving: (length: number) => bytesSurviving(length) % (length + 1),
  }))

const steps = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      namespace: fc.constantFrom(0, 60_000),
      key: fc.constantFrom<StoreKey>('a', 'b', 'ä', 'long-key', 1, 2, 3.5),
      amount: fc.nat(3),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('commit' as const), durable: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('slice' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('drop' as const), namespace: fc.constantFrom(0, 60_000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), survival: survivals }) },
)

test('a restored store is what its durable changelog says, whenever the power fails', () => {
  let cut = 0
  fc.assert(
    fc.property(fc.array(steps, { minLength: 20, maxLength: 250 }), (history) => {
      const world = new World()
      for (const step of history) {
        if (step.kind === 'change') world.change(step.namespace, step.key, step.amount)
        else if (step.kind === 'commit') world.commit(step.durable)
        else if (step.kind === 'slice') world.slice()
        else if (step.kind === 'drop') world.drop(step.namespace)
        else world.crash(step.survival)
      }
      world.commit(true)
      expect(dump(world.restored())).toEqual(world.rows)
      if (world.start > 0) cut += 1
    }),
    { numRuns: 300, interruptAfterTimeLimit: 10_000, markInterruptAsFailure: true },
  )
  // Else the histories are too short to say anything about cut changelogs.
  expect(cut).toBeGreaterThan(10)
})
