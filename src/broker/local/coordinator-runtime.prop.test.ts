import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openLog } from '../../log/open.ts'
import { BatchBuilder } from '../../record/batch-builder.ts'
import { restartSys, type SimSys, simSys } from '../../sim/sim-sys.ts'
import type { CoordinatorMachine, CoordinatorRecord } from '../coordinators/coordinator.ts'
import { LocalCoordinatorRuntime } from './coordinator-runtime.ts'

/**
 * Writes of any size, many at once, on a disk that is full now and then, with restarts. Whenever all is calm, the
 * machine holds exactly the acknowledged writes in their order, each whole or not at all, and the topic holds the same.
 */

const OTHER_SEEDS = 2 ** 31 + 1

interface Values {
  readonly values: Map<string, string>
}

class Memory implements CoordinatorMachine, Values {
  readonly values = new Map<string, string>()

  apply({ key, value }: CoordinatorRecord): void {
    if (value === null) this.values.delete(key)
    else this.values.set(key, value)
  }

  *snapshot(): Generator<CoordinatorRecord> {
    for (const [key, value] of this.values) yield { key, value }
  }

  clear(): readonly ((error: Error) => void)[] {
    this.values.clear()
    return []
  }
}

type Action =
  | {
      readonly kind: 'write'
      readonly keys: readonly number[]
      readonly remove: boolean
      readonly batch: boolean
    }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'full'; readonly bytes: number }
  | { readonly kind: 'room' | 'calm' | 'restart' }

class World {
  #sys: SimSys
  #machine = new Memory()
  #runtime: LocalCoordinatorRuntime
  #topic = ''
  #close: () => void = () => {}
  readonly #expected = new Memory()
  /** Outcomes in the order of the writes. */
  #writes: { readonly records: readonly CoordinatorRecord[]; ok: boolean | undefined }[] = []
  #count = 0
  refused = 0
  acknowledged = 0

  constructor(seed: number) {
    this.#sys = simSys(seed)
    this.#runtime = this.#open()
  }

  #open(): LocalCoordinatorRuntime {
    const sys = this.#sys
    sys.disk.delaySync(3)
    const log = openLog(sys, '/data', { journalBytesMax: 4_000 })
    log.createTopic('t', { partitions: 1 }, (_, topic) => {
      this.#topic = topic?.id ?? ''
    })
    sys.time.advance(50)
    this.#machine = new Memory()
    this.#runtime = new LocalCoordinatorRuntime(sys, log, { groups: this.#machine }, { rewriteBytes: 600 })
    this.#runtime.replay()
    this.#close = () => log.close(() => {})
    return this.#runtime
  }

  run(action: Action): void {
    const { disk, time } = this.#sys
    if (action.kind === 'write') this.#write(action.keys, action.remove, action.batch)
    else if (action.kind === 'pass') time.advance(action.ms)
    else if (action.kind === 'full') disk.diskFull(action.bytes)
    else if (action.kind === 'room') disk.diskFull(Number.POSITIVE_INFINITY)
    else this.calm(action.kind === 'restart')
  }

  #write(keys: readonly number[], remove: boolean, batch: boolean): void {
    this.#count += 1
    const records = keys.map((key) => ({ key: `k${key}`, value: remove ? null : `${this.#count}` }))
    const write: { readonly records: readonly CoordinatorRecord[]; ok: boolean | undefined } = {
      records,
      ok: undefined,
    }
    this.#writes.push(write)
    const builder = new BatchBuilder()
    builder.appendText(0, null, 'x'.repeat(keys.length * 40))
    const batches = batch ? [{ topic: this.#topic, partition: 0, bytes: builder.build() }] : []
    this.#runtime.write({ groups: records, batches }, (error) => {
      expect(write.ok, 'one answer').toBeUndefined()
      write.ok = error === undefined
    })
  }

  /** All is answered, and everybody agrees. */
  calm(restart: boolean): void {
    this.#sys.disk.diskFull(Number.POSITIVE_INFINITY)
    this.#sys.time.advance(200)
    for (const { records, ok } of this.#writes) {
      expect(ok, 'every write is answered').toBeDefined()
      if (ok) this.acknowledged += 1
      else this.refused += 1
      if (ok) for (const record of records) this.#expected.apply(record)
    }
    this.#writes = []
    expect(contentOf(this.#machine)).toEqual(contentOf(this.#expected))
    expect(this.#runtime.isSettled).toBe(true)
    if (!restart) return
    this.#runtime.close()
    this.#close()
    this.#sys.time.advance(200)
    // A restart must not draw the same ids again.
    this.#sys = restartSys(this.#sys, OTHER_SEEDS + this.#count)
    this.#open()
    expect(contentOf(this.#machine)).toEqual(contentOf(this.#expected))
  }
}

function contentOf({ values }: Values): readonly string[] {
  return Array.from(values, ([key, value]) => `${key}=${value}`).sort()
}

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      keys: fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 8 }),
      remove: fc.nat({ max: 4 }).map((number) => number === 0),
      batch: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 8 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('full' as const), bytes: fc.nat({ max: 3_000 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('room' as const, 'calm' as const, 'restart' as const) }),
  },
)

test('the machine holds what was acknowledged, whatever was refused', () => {
  let refused = 0
  let acknowledged = 0
  fc.assert(
    fc.property(
      fc.array(action, { minLength: 5, maxLength: 60 }),
      fc.nat({ max: 2 ** 31 }),
      (actions, seed) => {
        const world = new World(seed)
        for (const one of actions) world.run(one)
        world.calm(true)
        refused += world.refused
        acknowledged += world.acknowledged
      },
    ),
    { numRuns: 200 },
  )
  // Both happened, or the property says little.
  expect(refused).toBeGreaterThan(100)
  expect(acknowledged).toBeGreaterThan(1_000)
})
