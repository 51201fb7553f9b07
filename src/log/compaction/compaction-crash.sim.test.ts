import { expect, test } from 'vitest'
import { BatchBuilder } from '../../record/batch-builder.ts'
import { batchLastOffsetDelta } from '../../record/batch-header.ts'
import { decodeRecords } from '../../record/batch-reader.ts'
import { decodeCommitted } from '../../record/committed-filter.ts'
import { controlBatch } from '../../record/control-batch.ts'
import type { StoredRecord } from '../../record/record.ts'
import { PowerLoss } from '../../sim/power-loss.ts'
import { SeededRandom } from '../../sim/seeded-random.ts'
import { restartSys, type SimSys, simSys } from '../../sim/sim-sys.ts'
import type { Log, LogOptions, LogPartition } from '../log.ts'
import { openLog } from '../open.ts'
import { LogVerifier } from '../verify.ts'

/**
 * A compacted topic while a producer, two transactional ones and a start that moves keep it busy, and a power cut at
 * every operation of the disk: of the cleaning, its swaps, and the recovery after an earlier cut.
 */
const FOLDER = '/data/log'
const NOW = 1_000_000
const STEPS = 50
const KEYS = 4
const RETENTION_MS = 60
const IDEMPOTENT = 7
const TRANSACTIONAL = [21, 22]

const OPTIONS: LogOptions = {
  journalBytesMax: 5000,
  segmentFirstBytes: 420,
  openFilesMax: 4,
  compactionBytesMax: 512,
  housekeeping: { intervalMs: 20, bytesPerSecond: 60_000 },
}

interface Written {
  readonly offset: number
  readonly key: string
  readonly value: string | null
  readonly at: number
  readonly transaction: { ended: number; committed: boolean } | undefined
}

interface History {
  readonly written: Map<number, Written>
  /** Behind what was acknowledged. */
  acknowledged: number
  start: number
  startAsked: number
  /** The last idempotent batch that was acknowledged. */
  last: { readonly offset: number; readonly bytes: Uint8Array } | undefined
  compactions: number
}

class Script {
  readonly #sys: SimSys
  readonly #history: History
  readonly #random: SeededRandom
  readonly #sequences = new Map<number, number>()
  readonly #open = new Map<number, { ended: number; committed: boolean }>()
  #on = true
  /** A program whose append was refused does no more of them: their offsets would be given again. */
  #refused = false
  #value = 0

  constructor(sys: SimSys, seed: number, history: History) {
    this.#sys = sys
    this.#history = history
    this.#random = new SeededRandom(seed).fork('script')
  }

  /** @param begun called when the topic is there. */
  run(begun: () => void = () => {}): void {
    try {
      const log = openLog(this.#sys, FOLDER, OPTIONS)
      const settings = {
        partitions: 1,
        segmentBytes: 1500,
        cleanup: 'compact',
        minCleanableDirtyRatio: 0.3,
        deleteRetentionMs: RETENTION_MS,
      } as const
      log.createTopic('t', settings, () => {})
      this.#sys.time.advance(20)
      begun()
      for (let step = 0; step < STEPS && !this.#refused; step += 1) {
        this.#step(log)
        this.#sys.time.advance(this.#random.below(6))
      }
      this.#sys.time.advance(200)
      this.#history.compactions = log.housekeeping
        .status()
        .filter(({ lastRun }) => lastRun !== undefined).length
      log.close(() => {})
      this.#sys.time.runUntilIdle()
    } catch (error) {
      if (!(error instanceof PowerLoss)) throw error
    } finally {
      this.#on = false
    }
  }

  #step(log: Log): void {
    const partition = log.topic('t')?.partitions[0]
    if (partition === undefined) return
    const dice = this.#random.below(100)
    const producer = TRANSACTIONAL[this.#random.below(2)] as number
    if (dice < 40) this.#append(log, partition, IDEMPOTENT, undefined)
    else if (dice < 68) {
      const transaction = this.#open.get(producer) ?? { ended: Number.POSITIVE_INFINITY, committed: false }
      this.#open.set(producer, transaction)
      this.#append(log, partition, producer, transaction)
    } else if (dice < 92) this.#end(log, partition, producer)
    else this.#cut(partition)
  }

  #append(log: Log, partition: LogPartition, producerId: number, transaction: Written['transaction']): void {
    const history = this.#history
    const builder = new BatchBuilder(512)
    const at = this.#sys.clock.now()
    const first = partition.appended
    const count = 1 + this.#random.below(3)
    for (let index = 0; index < count; index += 1) {
      this.#value += 1
      const key = `key-${this.#random.below(KEYS)}`
      const bytes = this.#random.chance(0.2) ? 400 : 60
      const value = this.#random.chance(0.2) ? null : `${this.#value}`.padEnd(bytes, '.')
      builder.appendText(at, key, value)
      history.written.set(first + index, { offset: first + index, key, value, at, transaction })
    }
    const baseSequence = this.#sequences.get(producerId) ?? 0
    this.#sequences.set(producerId, baseSequence + count)
    const bytes = builder.build({
      producerId,
      producerEpoch: 0,
      baseSequence,
      transactional: transaction !== undefined,
    })
    const copy = bytes.slice()
    this.#put(log, partition, bytes, (written) => {
      if (!written) for (let index = 0; index < count; index += 1) history.written.delete(first + index)
      else if (transaction === undefined) history.last = { offset: first, bytes: copy }
    })
  }

  #end(log: Log, partition: LogPartition, producerId: number): void {
    const transaction = this.#open.get(producerId)
    if (transaction === undefined) return
    this.#open.delete(producerId)
    transaction.ended = partition.appended
    transaction.committed = this.#random.chance(0.5)
    const kind = transaction.committed ? 'commit' : 'abort'
    const bytes = controlBatch(producerId, 0, kind, 1, this.#sys.clock.now())
    this.#put(log, partition, bytes, (written) => {
      if (!written) transaction.ended = Number.POSITIVE_INFINITY
    })
  }

  /** @param told whether it is written; not called where nobody knows. */
  #put(
    log: Log,
    { topic, index, appended }: LogPartition,
    bytes: Uint8Array,
    told: (written: boolean) => void,
  ): void {
    const next = appended + batchLastOffsetDelta(bytes, 0) + 1
    log.append([{ topic: topic.id, partition: index, bytes }], (error) => {
      if (!this.#on) return
      if (error !== undefined) {
        this.#refused = true
        if (log.failure === undefined) told(false)
        return
      }
      this.#history.acknowledged = Math.max(this.#history.acknowledged, next)
      told(true)
    })
  }

  #cut(partition: LogPartition): void {
    const to = partition.start + Math.floor((partition.lastStable - partition.start) / 4)
    this.#history.startAsked = Math.max(this.#history.startAsked, to)
    partition.cutBefore(to, (error) => {
      if (this.#on && error === undefined) this.#history.start = Math.max(this.#history.start, to)
    })
  }
}

function readAll(partition: LogPartition): { raw: StoredRecord[]; committed: StoredRecord[] } {
  const raw: StoredRecord[] = []
  const committed: StoredRecord[] = []
  const { start, end, lastStable } = partition
  for (let from = start; from < end; ) {
    const read = partition.read(from, 900)
    if (read === undefined) break
    const wanted = ({ offset }: StoredRecord) => offset >= start
    raw.push(...decodeRecords(read.bytes).filter(wanted))
    if (from < lastStable) {
      const aborted = partition.aborted(from, Math.min(read.next, lastStable))
      const visible = decodeCommitted(read.bytes, aborted)
      committed.push(...visible.filter((record) => wanted(record) && record.offset < lastStable))
    }
    from = read.next
  }
  return { raw, committed }
}

function checkRecords(partition: LogPartition, history: History, now: number): void {
  const { start, end, lastStable } = partition
  expect(end).toBeGreaterThanOrEqual(history.acknowledged)
  expect(start).toBeGreaterThanOrEqual(history.start)
  expect(start).toBeLessThanOrEqual(history.startAsked)
  const { raw, committed } = readAll(partition)
  let last = -1
  for (const { offset, key, value } of raw) {
    expect(offset, 'in order').toBeGreaterThan(last)
    last = offset
    const written = history.written.get(offset)
    expect([text(key), text(value)], `offset ${offset}`).toEqual([written?.key, written?.value])
  }
  const counts = (each: Written) =>
    each.transaction === undefined || (each.transaction.committed && each.transaction.ended < end)
  for (const { offset } of committed) {
    expect(counts(history.written.get(offset) as Written), `${offset} was aborted`).toBe(true)
  }
  const present = new Set(committed.map(({ offset }) => offset))
  for (let key = 0; key < KEYS; key += 1) {
    const all = [...history.written.values()].filter(
      (each) =>
        each.key === `key-${key}` &&
        each.offset >= start &&
        each.offset < Math.min(lastStable, end) &&
        counts(each),
    )
    const latest = all.at(-1)
    if (latest === undefined || present.has(latest.offset)) continue
    expect(latest.value, `${latest.key}@${latest.offset} is lost`).toBe(null)
    expect(now - latest.at, `tombstone ${latest.offset} is lost`).toBeGreaterThanOrEqual(RETENTION_MS)
    for (const { offset } of all) expect(present, `${offset} is back`).not.toContain(offset)
  }
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString()
}

function verified(log: Log): void {
  const verifier = new LogVerifier(log)
  while (verifier.step());
  // Index files are never synced: what a crash leaves of them is not trusted, and made again.
  expect(verifier.report().findings.filter(({ file }) => !file.endsWith('index'))).toEqual([])
}

function check(sys: SimSys, history: History): void {
  const log = openLog(sys, FOLDER, { ...OPTIONS, housekeeping: undefined, verifyReads: true })
  const partition = log.topic('t')?.partitions[0]
  if (partition === undefined) {
    expect(history.acknowledged).toBe(0)
    return
  }
  checkRecords(partition, history, sys.clock.now())
  verified(log)
  const { last } = history
  if (last !== undefined) {
    const { end } = partition
    const item = { topic: partition.topic.id, partition: 0, bytes: last.bytes.slice() }
    expect(
      log.append([item], () => {}),
      'a batch that came twice',
    ).toEqual([last.offset])
    sys.time.runUntilIdle()
    expect(partition.end).toBe(end)
  }
  log.housekeeping.runOnce((_, report) => {
    for (const { error } of report?.work ?? []) expect(error).toBeUndefined()
  })
  sys.time.runUntilIdle()
  checkRecords(partition, history, sys.clock.now())
  verified(log)
  log.close((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  const again = openLog(sys, FOLDER, OPTIONS)
  expect(again.recovery).toMatchObject({ clean: true, tailsCut: [] })
  checkRecords(again.topic('t')?.partitions[0] as LogPartition, history, sys.clock.now())
  const files = sys.disk.list(`${FOLDER}/topics/${partition.topic.id}-0`)
  expect(files.filter((name) => name.includes('cleaned'))).toEqual([])
}

const newHistory = (): History => ({
  written: new Map(),
  acknowledged: 0,
  start: 0,
  startAsked: 0,
  last: undefined,
  compactions: 0,
})

const seeds = [1, 2, 13]

test.each(seeds)('a power cut at every disk operation, seed %i', (seed) => {
  const world = () => {
    const sys = simSys(seed, { now: NOW })
    sys.disk.delaySync(seed % 3)
    return sys
  }
  const whole = world()
  const all = newHistory()
  new Script(whole, seed, all).run()
  expect(all.compactions).toBe(1)
  check(whole, all)
  const operations = whole.disk.operations
  for (let operation = 1; operation <= operations; operation += 1) {
    const sys = world()
    const history = newHistory()
    sys.disk.crashAt(operation)
    new Script(sys, seed, history).run()
    try {
      let restarted = restartSys(sys, seed * 1000 + operation)
      // Every third time the power fails again while the log is opened.
      if (operation % 3 === 0) {
        restarted.disk.crashAt(restarted.disk.operations + 1 + (operation % 23))
        try {
          openLog(restarted, FOLDER, OPTIONS)
        } catch (error) {
          if (!(error instanceof PowerLoss)) throw error
        }
        restarted = restartSys(restarted, seed * 2000 + operation)
      }
      check(restarted, history)
    } catch (error) {
      throw new Error(`seed ${seed}, power cut at operation ${operation}`, { cause: error })
    }
  }
})

/** The program goes on as long as it can, ends, and starts again without a power cut of its own making. */
function withFault(seed: number, fault: (sys: SimSys) => void): void {
  const sys = simSys(seed, { now: NOW })
  sys.disk.delaySync(seed % 3)
  const history = newHistory()
  new Script(sys, seed, history).run(() => fault(sys))
  sys.disk.diskFull(Number.POSITIVE_INFINITY)
  check(restartSys(sys, seed), history)
}

test('a sync that fails, each of them in its turn: nothing that was acknowledged is lost', () => {
  for (let nth = 1; nth <= 120; nth += 1) {
    try {
      withFault(5, ({ disk }) => disk.failSync(nth))
    } catch (error) {
      throw new Error(`sync ${nth}`, { cause: error })
    }
  }
})

test('a disk that is full at any time', () => {
  for (let bytes = 0; bytes < 100_000; bytes += 1_777) {
    try {
      withFault(6, ({ disk }) => disk.diskFull(bytes))
    } catch (error) {
      throw new Error(`after ${bytes} bytes`, { cause: error })
    }
  }
})
