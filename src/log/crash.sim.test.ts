import { expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { batchPositions, verifyBatch } from '../record/batch-header.ts'
import { BatchReader } from '../record/batch-reader.ts'
import { PowerLoss } from '../sim/power-loss.ts'
import { SeededRandom } from '../sim/seeded-random.ts'
import { restartSys, type SimSys, simSys } from '../sim/sim-sys.ts'
import type { Log, LogOptions, LogTopic } from './log.ts'
import { openLog } from './open.ts'

/** Small, so that a short script meets rolls, checkpoints, both ways of a group, and closed files. */
const OPTIONS: LogOptions = { journalBytesMax: 4096, segmentFirstBytes: 1500, openFilesMax: 3 }
const FOLDER = '/data/log'
const STEPS = 40

/** What the program was told, and what it asked for. */
interface History {
  /** Per `topic-partition`: the groups appended to it, in order. */
  readonly appended: Map<string, number[]>
  /** Groups that were acknowledged, with their partitions. */
  readonly acknowledged: Set<number>
  readonly partitionsOf: Map<number, string[]>
  readonly refused: Set<number>
  readonly topicsCreated: Set<string>
  /** The highest start asked for. */
  readonly starts: Map<string, number>
}

function newHistory(): History {
  return {
    appended: new Map(),
    acknowledged: new Set(),
    partitionsOf: new Map(),
    refused: new Set(),
    topicsCreated: new Set(),
    starts: new Map(),
  }
}

function batchOf(group: number, records: number, bytes: number): Uint8Array {
  const builder = new BatchBuilder(1024)
  for (let index = 0; index < records; index += 1) {
    builder.appendText(1000 + group, String(group), `${group}`.padEnd(bytes, '.'))
  }
  return builder.build()
}

/** Runs the script until it ends or the power fails. The same seed gives the same calls. */
function runScript(sys: SimSys, seed: number, history: History): void {
  const random = new SeededRandom(seed).fork('script')
  sys.disk.delaySync(seed % 3)
  let on = true
  try {
    const log = openLog(sys, FOLDER, OPTIONS)
    const create = (name: string, partitions: number, durability: 'fsync' | 'os') =>
      log.createTopic(name, { partitions, durability, segmentBytes: 4096 }, (error) => {
        if (on && error === undefined) history.topicsCreated.add(name)
      })
    create('a', 3, 'fsync')
    create('b', 2, 'os')
    sys.time.runUntilIdle()
    for (let step = 0; step < STEPS; step += 1) {
      if (step === 15) create('c', 1, 'fsync')
      if (random.chance(0.12)) cutSomewhere(log, random, history)
      else appendSomewhere(log, random, step, history, () => on)
      if (random.chance(0.6)) sys.time.runUntilIdle()
      else sys.time.settle()
    }
    sys.time.runUntilIdle()
    log.close(() => {})
    sys.time.runUntilIdle()
  } catch (error) {
    if (!(error instanceof PowerLoss)) throw error
  } finally {
    on = false
  }
}

function cutSomewhere(log: Log, random: SeededRandom, history: History): void {
  const topics = log.topics()
  const topic = topics[random.below(topics.length)] as LogTopic
  const partition = topic.partitions[random.below(topic.partitions.length)]
  if (partition === undefined) return
  const to = partition.start + random.below(partition.end - partition.start + 1)
  history.starts.set(`${topic.name}-${partition.index}`, to)
  partition.cutBefore(to)
}

function appendSomewhere(
  log: Log,
  random: SeededRandom,
  group: number,
  history: History,
  isOn: () => boolean,
): void {
  const topics = log.topics()
  const parts = 1 + random.below(3)
  const batches = []
  const names: string[] = []
  for (let index = 0; index < parts; index += 1) {
    const topic = topics[random.below(topics.length)] as LogTopic
    const partition = random.below(topic.partitions.length)
    batches.push({
      topic: topic.id,
      partition,
      bytes: batchOf(group, 1 + random.below(4), random.chance(0.3) ? 900 : 30),
    })
    names.push(`${topic.name}-${partition}`)
  }
  history.partitionsOf.set(group, names)
  for (const name of names) history.appended.set(name, [...(history.appended.get(name) ?? []), group])
  log.append(batches, (error) => {
    if (!isOn()) return
    if (error === undefined) history.acknowledged.add(group)
    else history.refused.add(group)
  })
}

/** The groups in a partition by batch, from its start on; every batch is whole, right and in its place. */
function groupsIn(log: Log, topic: LogTopic, index: number): { start: number; groups: number[] } {
  const partition = topic.partitions[index]
  if (partition === undefined) throw new Error('no such partition')
  const groups: number[] = []
  const reader = new BatchReader()
  let from = partition.start
  for (;;) {
    const read = partition.read(from, 3000)
    if (read === undefined) break
    for (const at of batchPositions(read.bytes)) {
      expect(verifyBatch(read.bytes, at, read.bytes.length)).toBeUndefined()
      reader.open(read.bytes, at)
      let group = -1
      while (reader.next()) group = Number.parseInt(reader.text(reader.valueStart, reader.valueEnd), 10)
      groups.push(group)
    }
    from = read.next
  }
  expect(from).toBe(partition.end)
  expect(partition.appended).toBe(partition.end)
  expect(log.failure).toBeUndefined()
  return { start: partition.start, groups }
}

/** The rules of a log after a crash. */
function check(sys: SimSys, history: History): void {
  const log = openLog(sys, FOLDER, { ...OPTIONS, verifyReads: true })
  for (const name of history.topicsCreated) expect(log.topic(name), name).toBeDefined()
  const found = new Map<string, number[]>()
  for (const topic of log.topics()) {
    for (const partition of topic.partitions) {
      const name = `${topic.name}-${partition.index}`
      const { start, groups } = groupsIn(log, topic, partition.index)
      const appended = history.appended.get(name) ?? []
      const lost = topic.settings.durability === 'os'
      // Acknowledged with fsync: there, in order, nothing between.
      const kept = start === 0 ? appended.slice(0, groups.length) : groups
      expect(groups, `${name}: a prefix of what was appended`).toEqual(kept)
      if (start > 0) expect(start, name).toBeLessThanOrEqual(history.starts.get(name) ?? 0)
      if (start > 0) expect(appended.join(), name).toContain(groups.join())
      for (const group of appended) {
        const needed = history.acknowledged.has(group) && !lost && isFsync(history, group)
        // Below a start that moved a group may be gone.
        if (needed && start === 0)
          expect(groups, `${name} has the acknowledged group ${group}`).toContain(group)
      }
      expect(partition.leaderEpoch, `${name} epoch`).toBe(lost && !log.recovery.clean ? 1 : 0)
      found.set(name, groups)
    }
  }
  for (const [group, names] of history.partitionsOf) {
    const seen = names.filter((name) => found.get(name)?.includes(group))
    const gone = names.filter(
      (name) => (log.topic(name.slice(0, -2))?.partitions[Number(name.at(-1))]?.start ?? 0) > 0,
    )
    if (gone.length === 0)
      expect([0, names.length], `group ${group} whole or not at all`).toContain(seen.length)
  }
  appendAfter(sys, log)
}

function isFsync(history: History, group: number): boolean {
  return history.partitionsOf.get(group)?.some((name) => !name.startsWith('b')) ?? false
}

/** The log goes on, and a clean close loses nothing. */
function appendAfter(sys: SimSys, log: Log): void {
  const ends = new Map<string, number>()
  for (const topic of log.topics()) {
    let done = false
    log.append([{ topic: topic.id, partition: 0, bytes: batchOf(999, 2, 20) }], (error) => {
      expect(error).toBeUndefined()
      done = true
    })
    sys.time.runUntilIdle()
    expect(done).toBe(true)
    ends.set(topic.name, topic.partitions[0]?.end ?? -1)
  }
  let closed = false
  log.close((error) => {
    expect(error).toBeUndefined()
    closed = true
  })
  sys.time.runUntilIdle()
  expect(closed).toBe(true)
  const again = openLog(sys, FOLDER, OPTIONS)
  expect(again.recovery).toMatchObject({ clean: true, entriesReplayed: 0, tailsCut: [] })
  for (const topic of again.topics()) {
    expect(topic.partitions[0]?.end).toBe(ends.get(topic.name))
    expect(groupsIn(again, topic, 0).groups.at(-1)).toBe(999)
  }
  again.close(() => {})
  sys.time.runUntilIdle()
}

test.each([1, 2, 3, 4, 5, 6])('a power cut at every disk operation, seed %i', (seed) => {
  const whole = simSys(seed)
  runScript(whole, seed, newHistory())
  const operations = whole.disk.operations
  expect(operations).toBeGreaterThan(60)
  for (let operation = 1; operation <= operations; operation += 1) {
    const sys = simSys(seed)
    const history = newHistory()
    sys.disk.crashAt(operation)
    runScript(sys, seed, history)
    try {
      check(restartSys(sys, seed * 1000 + operation), history)
    } catch (error) {
      throw new Error(`seed ${seed}, power cut at operation ${operation}`, { cause: error })
    }
  }
})

test.each([11, 12, 13])('power cuts during the repair of a power cut, seed %i', (seed) => {
  const random = new SeededRandom(seed)
  const whole = simSys(seed)
  runScript(whole, seed, newHistory())
  for (let round = 0; round < 80; round += 1) {
    const operation = 1 + random.below(whole.disk.operations)
    const history = newHistory()
    let sys = simSys(seed)
    sys.disk.crashAt(operation)
    runScript(sys, seed, history)
    for (let cut = 1; cut <= 4; cut += 1) {
      sys = restartSys(sys, seed * 100_000 + round * 10 + cut)
      sys.disk.crashAt(1 + random.below(25))
      try {
        openLog(sys, FOLDER, OPTIONS)
      } catch (error) {
        if (!(error instanceof PowerLoss)) throw error
      }
    }
    const last = restartSys(sys, seed + round)
    // Several openings that were not clean: the epochs of `os` partitions may have been raised by each.
    checkContent(last, history)
  }
})

/** As `check`, without the epochs. */
function checkContent(sys: SimSys, history: History): void {
  const log = openLog(sys, FOLDER, OPTIONS)
  for (const topic of log.topics()) {
    for (const partition of topic.partitions) {
      const name = `${topic.name}-${partition.index}`
      const { start, groups } = groupsIn(log, topic, partition.index)
      const appended = history.appended.get(name) ?? []
      if (start === 0) expect(groups).toEqual(appended.slice(0, groups.length))
      for (const group of appended) {
        const needed = history.acknowledged.has(group) && topic.name !== 'b'
        if (needed && start === 0) expect(groups, `${name} has group ${group}`).toContain(group)
      }
    }
  }
  appendAfter(sys, log)
}
