import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BatchBuilder } from '../../record/batch-builder.ts'
import type { CompressionName } from '../../record/batch-header.ts'
import { decodeRecords } from '../../record/batch-reader.ts'
import { decodeCommitted } from '../../record/committed-filter.ts'
import { controlBatch } from '../../record/control-batch.ts'
import type { StoredRecord } from '../../record/record.ts'
import { type SimSys, simSys } from '../../sim/sim-sys.ts'
import type { Log, LogPartition } from '../log.ts'
import { openLog } from '../open.ts'
import { LogVerifier } from '../verify.ts'

/** Compaction against a list of everything that was ever appended. */
const RETENTION_MS = 100
const NOW = 1_000_000
const KEYS = 5

interface Written {
  readonly offset: number
  readonly key: string
  readonly value: string | null
  readonly at: number
  /** Of a transaction: 'open' until its marker. */
  state: 'open' | 'committed' | 'aborted'
}

type Step =
  | {
      readonly kind: 'append'
      readonly keys: readonly number[]
      readonly nulls: number
      readonly codec: CompressionName
    }
  | {
      readonly kind: 'transactional'
      readonly producer: number
      readonly keys: readonly number[]
      readonly nulls: number
    }
  | { readonly kind: 'end'; readonly producer: number; readonly committed: boolean }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'compact' }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'cut'; readonly part: number }

const keys = fc.array(fc.nat(KEYS - 1), { minLength: 1, maxLength: 4 })
const nulls = fc.nat(15)
const codec = fc.constantFrom<CompressionName>('none', 'none', 'gzip', 'zstd', 'lz4')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('append' as const), keys, nulls, codec }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('transactional' as const), producer: fc.nat(2), keys, nulls }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('end' as const), producer: fc.nat(2), committed: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(150) }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'compact' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), part: fc.nat(100) }) },
)

class World {
  readonly #sys: SimSys = simSys(1, { now: NOW })
  readonly #mapBytes: number
  readonly #written: Written[] = []
  readonly #open = new Map<number, Written[]>()
  readonly #sequences = new Map<number, number>()
  #log: Log
  #partition: LogPartition
  #value = 0

  constructor(mapBytes: number) {
    this.#mapBytes = mapBytes
    this.#log = this.#openLog()
    const settings = {
      partitions: 1,
      segmentBytes: 1024,
      cleanup: 'compact',
      minCleanableDirtyRatio: 0,
      deleteRetentionMs: RETENTION_MS,
    } as const
    this.#log.createTopic('t', settings, () => {})
    this.#sys.time.runUntilIdle()
    this.#partition = this.#log.topic('t')?.partitions[0] as LogPartition
  }

  run(each: Step): void {
    switch (each.kind) {
      case 'append':
        this.#append(each.keys, each.nulls, undefined, each.codec)
        break
      case 'transactional':
        this.#append(each.keys, each.nulls, 100 + each.producer, 'none')
        break
      case 'end':
        this.#end(100 + each.producer, each.committed)
        break
      case 'wait':
        this.#sys.time.advance(each.ms)
        break
      case 'cut':
        this.#partition.cutBefore(
          this.#partition.start +
            Math.floor(((this.#partition.lastStable - this.#partition.start) * each.part) / 300),
        )
        this.#sys.time.runUntilIdle()
        break
      case 'reopen':
        this.#log.close(() => {})
        this.#sys.time.runUntilIdle()
        this.#log = this.#openLog()
        this.#partition = this.#log.topic('t')?.partitions[0] as LogPartition
        break
      case 'compact':
        this.compact()
    }
  }

  compact(): void {
    this.#log.housekeeping.runOnce((error, report) => {
      expect(error).toBeUndefined()
      for (const { error: failed } of report?.work ?? []) expect(failed).toBeUndefined()
    })
    this.#sys.time.runUntilIdle()
    this.check()
  }

  check(): void {
    const partition = this.#partition
    const { start, end, lastStable } = partition
    const raw: StoredRecord[] = []
    const seen: StoredRecord[] = []
    for (let from = start; ; ) {
      const read = partition.read(from, 700)
      if (read === undefined) break
      raw.push(...decodeRecords(read.bytes).filter(({ offset }) => offset >= start))
      if (from < lastStable) {
        const to = Math.min(read.next, lastStable)
        const committed = decodeCommitted(read.bytes, partition.aborted(from, to))
        seen.push(...committed.filter(({ offset }) => offset >= start && offset < lastStable))
      }
      expect(read.next).toBeGreaterThan(from)
      from = read.next
    }
    const byOffset = new Map(this.#written.map((each) => [each.offset, each]))
    let last = -1
    for (const record of raw) {
      const written = byOffset.get(record.offset)
      expect(record.offset, 'in order').toBeGreaterThan(last)
      last = record.offset
      expect(written, `phantom at ${record.offset}`).toBeDefined()
      expect([text(record.key), text(record.value), record.timestamp]).toEqual([
        written?.key,
        written?.value,
        written?.at,
      ])
    }
    for (const { offset } of seen) expect(byOffset.get(offset)?.state, `${offset}`).toBe('committed')
    const { cleanedTo } = partition as unknown as { cleanedTo: number }
    const below = raw.filter(({ offset }) => offset < cleanedTo)
    expect(new Set(below.map(({ key }) => text(key))).size, 'one record of each key').toBe(below.length)
    for (const { offset } of below) expect(byOffset.get(offset)?.state, `${offset}`).toBe('committed')
    const present = new Set(seen.map(({ offset }) => offset))
    const segmentStart = this.#activeBase()
    for (let key = 0; key < KEYS; key += 1) {
      const name = `key-${key}`
      const all = this.#written.filter(
        (each) =>
          each.key === name && each.state === 'committed' && each.offset < lastStable && each.offset >= start,
      )
      const latest = all.at(-1)
      if (latest === undefined) continue
      const young = this.#sys.clock.now() - latest.at < RETENTION_MS
      if (latest.value !== null || young) expect(present, `${name}@${latest.offset}`).toContain(latest.offset)
      else if (!present.has(latest.offset)) {
        expect(partition).toHaveProperty('removedTombstone')
        expect(
          (partition as unknown as { removedTombstone: number }).removedTombstone,
        ).toBeGreaterThanOrEqual(latest.offset)
        for (const each of all)
          expect(present, `${name}@${each.offset} behind its tombstone`).not.toContain(each.offset)
      }
      for (const each of all) if (each.offset >= segmentStart) expect(present).toContain(each.offset)
    }
    expect(end).toBe(partition.end)
  }

  /** A closed log is found as it was, and its files are whole. */
  finish(): void {
    this.run({ kind: 'reopen' })
    expect(this.#log.recovery.clean).toBe(true)
    this.check()
    const verifier = new LogVerifier(this.#log)
    while (verifier.step());
    expect(verifier.report().findings).toEqual([])
    const { id } = this.#partition.topic
    const bases = new Set(this.#sys.disk.list(`/log/topics/${id}-0`).map((name) => name.slice(0, 20)))
    expect(bases.size).toBe(this.#partition.segmentCount)
  }

  #activeBase(): number {
    return (this.#partition as unknown as { active: { base: number } }).active.base
  }

  #openLog(): Log {
    return openLog(this.#sys, '/log', {
      compactionBytesMax: this.#mapBytes,
      journalBytesMax: 5000,
      segmentFirstBytes: 300,
    })
  }

  #append(
    which: readonly number[],
    nullBits: number,
    producerId: number | undefined,
    compression: CompressionName,
  ): void {
    const builder = new BatchBuilder(512)
    const at = this.#sys.clock.now()
    const first = this.#partition.appended
    const records: Written[] = which.map((key, index) => {
      this.#value += 1
      const value = (nullBits >> index) & 1 ? null : `value ${this.#value}`.padEnd(80, '.')
      return {
        offset: first + index,
        key: `key-${key}`,
        value,
        at,
        state: producerId === undefined ? 'committed' : 'open',
      }
    })
    for (const { key, value } of records) builder.appendText(at, key, value)
    const baseSequence = this.#sequences.get(producerId ?? -1) ?? 0
    const bytes =
      producerId === undefined
        ? builder.build({ compression })
        : builder.build({ producerId, producerEpoch: 0, baseSequence, transactional: true })
    if (producerId !== undefined) {
      this.#sequences.set(producerId, baseSequence + records.length)
      this.#open.set(producerId, [...(this.#open.get(producerId) ?? []), ...records])
    }
    this.#written.push(...records)
    this.#put(bytes)
  }

  #end(producerId: number, committed: boolean): void {
    const records = this.#open.get(producerId)
    if (records === undefined) return
    this.#open.delete(producerId)
    this.#put(controlBatch(producerId, 0, committed ? 'commit' : 'abort', 1, this.#sys.clock.now()))
    for (const record of records) record.state = committed ? 'committed' : 'aborted'
  }

  #put(bytes: Uint8Array): void {
    this.#log.append([{ topic: this.#partition.topic.id, partition: 0, bytes }], (error) =>
      expect(error).toBeUndefined(),
    )
    this.#sys.time.runUntilIdle()
  }
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString()
}

test('the last value of each key stays, at its offset, and nothing comes up that was not written', () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 20, maxLength: 120 }),
      fc.constantFrom(256, 1 << 20),
      (steps, mapBytes) => {
        const world = new World(mapBytes)
        for (const each of steps) world.run(each)
        world.compact()
        world.finish()
      },
    ),
    { numRuns: 150 },
  )
})
