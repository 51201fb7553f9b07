import { expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { batchPositions } from '../record/batch-header.ts'
import { BatchReader } from '../record/batch-reader.ts'
import { PowerLoss } from '../sim/power-loss.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { restartSys, type SimSys, simSys } from '../sim/sim-sys.ts'
import type { Log, LogOptions, LogPartition, LogTopic } from './log.ts'
import { openLog } from './open.ts'
import { LogVerifier } from './verify.ts'

/**
 * Topics that come, change and go, records that are deleted or grow too old, and a power cut at every disk operation.
 * `crash.sim.test.ts` has what the groups of an append promise.
 */
const OPTIONS: LogOptions = { journalBytesMax: 6000, segmentFirstBytes: 1200, openFilesMax: 4 }
const FOLDER = '/data/log'
const STEPS = 45
const NOW = 1_000_000

/** What a topic's user was told, and what was asked for. */
interface TopicHistory {
  readonly name: string
  /** Partition counts that were acknowledged, and asked for. */
  partitions: number
  partitionsAsked: number
  deletedAsked: boolean
  deleted: boolean
  /** Per partition, of each record: its number and whether it was acknowledged; the index is its offset. */
  readonly records: { value: number; acknowledged: boolean }[][]
  /** Starts that were acknowledged, and the highest that may be. */
  readonly starts: number[]
  readonly startsAsked: number[]
}

type History = Map<string, TopicHistory>

function topicHistory(name: string, partitions: number): TopicHistory {
  const each = <T>(make: () => T) => Array.from({ length: 9 }, make)
  return {
    name,
    partitions,
    partitionsAsked: partitions,
    deletedAsked: false,
    deleted: false,
    records: each(() => []),
    starts: each(() => 0),
    startsAsked: each(() => 0),
  }
}

class Script {
  readonly #sys: SimSys
  readonly #history: History
  readonly #random: SeededRandom
  #on = true
  #value = 0
  #names = 0

  constructor(sys: SimSys, seed: number, history: History) {
    this.#sys = sys
    this.#history = history
    this.#random = new SeededRandom(seed).fork('script')
  }

  run(): void {
    try {
      const log = openLog(this.#sys, FOLDER, OPTIONS)
      this.#create(log)
      this.#sys.time.runUntilIdle()
      for (let step = 0; step < STEPS; step += 1) {
        this.#step(log)
        if (this.#random.chance(0.5)) this.#sys.time.runUntilIdle()
        else this.#sys.time.settle()
      }
      this.#sys.time.runUntilIdle()
      log.close(() => {})
      this.#sys.time.runUntilIdle()
    } catch (error) {
      if (!(error instanceof PowerLoss)) throw error
    } finally {
      this.#on = false
    }
  }

  #step(log: Log): void {
    const topics = log.topics()
    const topic = topics[this.#random.below(Math.max(1, topics.length))]
    const dice = this.#random.below(100)
    if (topic === undefined || dice < 8) this.#create(log)
    else if (dice < 16) this.#grow(log, topic)
    else if (dice < 23) this.#delete(log, topic)
    else if (dice < 33) this.#deleteRecords(topic)
    else if (dice < 40) this.#housekeep(log)
    else this.#append(log, topic)
  }

  #told(run: () => void): (error: Error | undefined) => void {
    return (error) => {
      if (this.#on && error === undefined) run()
    }
  }

  #create(log: Log): void {
    // Names come back: each topic that has one is another.
    this.#names += 1
    const name = `t${this.#names % 4}`
    if (log.topic(name) !== undefined) return
    const settings = { partitions: 1 + (this.#names % 2), segmentBytes: 1024, retentionMs: 500 }
    log.createTopic(name, settings, (_, topic) => {
      if (topic !== undefined && this.#on && !this.#history.has(topic.id))
        this.#history.set(topic.id, topicHistory(name, settings.partitions))
    })
  }

  #grow(log: Log, { id, name, partitions }: LogTopic): void {
    const known = this.#history.get(id)
    const wanted = partitions.length + 1
    if (known === undefined || wanted > 5) return
    known.partitionsAsked = Math.max(known.partitionsAsked, wanted)
    log.alterTopic(
      name,
      { partitions: wanted },
      this.#told(() => {
        known.partitions = Math.max(known.partitions, wanted)
      }),
    )
  }

  #delete(log: Log, { id, name }: LogTopic): void {
    const known = this.#history.get(id)
    if (known === undefined) return
    known.deletedAsked = true
    log.deleteTopic(
      name,
      this.#told(() => {
        known.deleted = true
      }),
    )
  }

  #deleteRecords({ id, partitions }: LogTopic): void {
    const known = this.#history.get(id)
    const partition = partitions[this.#random.below(partitions.length)] as LogPartition
    if (known === undefined) return
    const { start, end, index } = partition
    const to = start + this.#random.below(end - start + 1)
    known.startsAsked[index] = Math.max(known.startsAsked[index] ?? 0, to)
    partition.cutBefore(
      to,
      this.#told(() => {
        known.starts[index] = Math.max(known.starts[index] ?? 0, to)
      }),
    )
  }

  /** Records have timestamps around now - 500: some are too old, also of those that come while it runs. */
  #housekeep(log: Log): void {
    for (const { id } of log.topics()) {
      this.#history.get(id)?.startsAsked.fill(Number.POSITIVE_INFINITY)
    }
    log.housekeeping.runOnce(() => {})
  }

  #append(log: Log, topic: LogTopic): void {
    const known = this.#history.get(topic.id)
    if (known === undefined) return
    const partition = this.#random.below(topic.partitions.length)
    this.#value += 1
    const builder = new BatchBuilder(1024)
    const bytes = this.#random.chance(0.2) ? 900 : 150
    builder.appendText(NOW - 600 + this.#random.below(200), null, String(this.#value).padEnd(bytes, '.'))
    const record = { value: this.#value, acknowledged: false }
    known.records[partition]?.push(record)
    log.append(
      [{ topic: topic.id, partition, bytes: builder.build() }],
      this.#told(() => {
        record.acknowledged = true
      }),
    )
  }
}

function valuesOf(partition: LogPartition): number[] {
  const values: number[] = []
  const reader = new BatchReader()
  for (let from = partition.start; ; ) {
    const read = partition.read(from, 2000)
    if (read === undefined) return values
    for (const at of batchPositions(read.bytes)) {
      reader.open(read.bytes, at)
      while (reader.next()) {
        const value = Number.parseInt(reader.text(reader.valueStart, reader.valueEnd), 10)
        if (reader.offset >= partition.start) values.push(value)
      }
    }
    from = read.next
  }
}

function checkTopic(topic: LogTopic | undefined, id: string, known: TopicHistory): void {
  const what = `${known.name} ${id}`
  if (topic === undefined) {
    expect(known.deletedAsked, `${what} is not there`).toBe(true)
    return
  }
  expect(known.deleted, `${what} is back`).toBe(false)
  expect(topic.partitions.length, what).toBeGreaterThanOrEqual(known.partitions)
  expect(topic.partitions.length, what).toBeLessThanOrEqual(known.partitionsAsked)
  for (const partition of topic.partitions) {
    const { index, start, end } = partition
    const where = `${what}-${index}`
    const records = known.records[index] ?? []
    expect(start, `${where} start`).toBeGreaterThanOrEqual(known.starts[index] ?? 0)
    expect(start, `${where} start`).toBeLessThanOrEqual(
      Math.min(known.startsAsked[index] ?? 0, records.length),
    )
    expect(end, `${where} end`).toBeGreaterThan(records.findLastIndex(({ acknowledged }) => acknowledged))
    expect(valuesOf(partition), where).toEqual(records.slice(start, end).map(({ value }) => value))
  }
}

function check(sys: SimSys, history: History): void {
  const log = openLog(sys, FOLDER, { ...OPTIONS, verifyReads: true })
  for (const [id, known] of history) checkTopic(log.topicById(id), id, known)
  const folders = new Set(
    log.topics().flatMap(({ id, partitions }) => partitions.map(({ index }) => `${id}-${index}`)),
  )
  for (const name of sys.disk.list(`${FOLDER}/topics`))
    expect(folders, 'a folder of no topic').toContain(name)
  const verifier = new LogVerifier(log)
  while (verifier.step());
  // Index files are never synced: what a crash leaves of them is not trusted, and made again.
  expect(verifier.report().findings.filter(({ file }) => !file.endsWith('index'))).toEqual([])

  // It goes on, and a clean close loses nothing.
  log.createTopic('after', { partitions: 1 }, (error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  const before = log
    .topics()
    .map(({ id, partitions }) => [id, partitions.map(({ start, end }) => [start, end])])
  log.close((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  const again = openLog(sys, FOLDER, OPTIONS)
  expect(again.recovery).toMatchObject({ clean: true, tailsCut: [] })
  expect(
    again.topics().map(({ id, partitions }) => [id, partitions.map(({ start, end }) => [start, end])]),
  ).toEqual(before)
}

test.each([1, 4, 9])('a power cut at every disk operation, seed %i', (seed) => {
  const world = () => {
    const sys = simSys(seed, { now: NOW })
    sys.disk.delaySync(seed % 3)
    return sys
  }
  const whole = world()
  const all: History = new Map()
  new Script(whole, seed, all).run()
  const { operations } = whole.disk
  expect(operations).toBeGreaterThan(60)
  expect([...all.values()].some(({ deleted }) => deleted)).toBe(true)
  expect([...all.values()].some(({ starts }) => starts.some((start) => start > 0))).toBe(true)
  for (let operation = 1; operation <= operations; operation += 1) {
    const sys = world()
    const history: History = new Map()
    sys.disk.crashAt(operation)
    new Script(sys, seed, history).run()
    try {
      check(restartSys(sys, seed * 1000 + operation), history)
    } catch (error) {
      throw new Error(`seed ${seed}, power cut at operation ${operation}`, { cause: error })
    }
  }
})
