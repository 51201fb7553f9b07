import { beforeEach, expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { restartSys, type SimSys, simSys } from '../sim/sim-sys.ts'
import type { Log, LogPartition } from './log.ts'
import { openLog } from './open.ts'
import type { Partition } from './partition.ts'

/*
 * A large group's segment is synced before its journal entry is made. What if the entry then cannot be made?
 */

const FOLDER = '/log'
const LARGE = 5000

let sys: SimSys
let log: Log
let partition: Partition

function batchOf(bytes: number): Uint8Array {
  const builder = new BatchBuilder(256)
  builder.appendText(5, null, 'x'.repeat(bytes))
  return builder.build()
}

function append(bytes: number): { error: Error | undefined; answered: boolean } {
  const told: { error: Error | undefined; answered: boolean } = { error: undefined, answered: false }
  log.append([{ topic: partition.topic.id, partition: partition.index, bytes: batchOf(bytes) }], (error) => {
    told.error = error
    told.answered = true
  })
  return told
}

/** Syncs take 10 ms. */
function openFresh(): void {
  sys = simSys(1)
  log = openLog(sys, FOLDER, { segmentFirstBytes: 1000 })
  log.createTopic('t', { partitions: 2 }, () => {})
  sys.time.runUntilIdle()
  partition = log.topic('t')?.partitions[0] as LogPartition as Partition
  sys.disk.delaySync(10)
}

beforeEach(openFresh)

/** Appends large groups until the disk has room for the segment, but not for the journal; returns how many. */
function refusedByJournal(before: (attempt: number) => unknown = () => {}): number {
  for (let attempt = 1; attempt < 1000; attempt += 1) {
    before(attempt)
    const { end } = partition
    sys.disk.diskFull(LARGE + 500)
    const told = append(LARGE)
    if (told.error !== undefined) {
      expect(told.error.message).toMatch(/cannot write .*[.]journal: the disk is full/)
      expect([partition.end, partition.appended]).toEqual([end, end])
      sys.disk.diskFull(Number.POSITIVE_INFINITY)
      return attempt
    }
    sys.time.runUntilIdle()
    expect(told).toEqual({ error: undefined, answered: true })
  }
  return expect.unreachable('the journal never needed room')
}

test('the group is refused, and the log goes on', () => {
  refusedByJournal()
  const { end } = partition
  sys.time.advance(20)
  expect(log.failure).toBeUndefined()
  const told = append(LARGE)
  sys.time.runUntilIdle()
  expect(told).toEqual({ error: undefined, answered: true })
  expect(partition.end).toBe(end + 1)
  expect(partition.read(end, 10_000)?.next).toBe(end + 1)
})

test('its sync that ends later does not count for what was written there since', () => {
  refusedByJournal()
  const { active } = partition
  const { sizeBytes } = active
  const told = append(100)
  sys.time.advance(10)
  expect(told.answered).toBe(true)
  expect(active.sizeBytes).toBeGreaterThan(sizeBytes)
  // The small group is durable in the journal only: the next checkpoint must sync the segment.
  expect(active.syncedBytes).toBe(sizeBytes)
})

test('nor where it would have been the first of its segment: a close syncs what is there now', () => {
  const last = refusedByJournal()
  for (let seed = 1; seed <= 10; seed += 1) {
    openFresh()
    refusedByJournal((attempt) => {
      if (attempt < last) return
      partition = log.topic('t')?.partitions[1] as LogPartition as Partition
      // It ends before the journal is asked.
      sys.disk.delaySync(0)
    })
    expect([partition.index, partition.end]).toEqual([1, 0])
    append(100)
    sys.time.runUntilIdle()
    expect(partition.active.syncedBytes).toBe(0)
    log.close((error) => expect(error).toBeUndefined())
    sys.time.runUntilIdle()
    const again = openLog(restartSys(sys, seed), FOLDER)
    const found = again.topic('t')?.partitions[1] as LogPartition
    expect(found.read(0, 10_000)?.next).toBe(1)
  }
})

test('a failure of its sync ends the log', () => {
  const last = refusedByJournal()
  openFresh()
  refusedByJournal((attempt) => attempt === last && sys.disk.failSync(1))
  expect(log.failure).toBeUndefined()
  sys.time.advance(10)
  expect(log.failure?.message).toMatch(/the log stopped: cannot sync .*[.]log/)
})

test('after a power cut its bytes are a torn tail', () => {
  refusedByJournal()
  const { end } = partition
  // The segment's sync ends; the cut of the segment that took the bytes back may be lost.
  sys.time.advance(10)
  for (let seed = 1; seed <= 20; seed += 1) {
    const again = openLog(restartSys(sys, seed), FOLDER)
    const found = again.topic('t')?.partitions[0] as LogPartition
    expect(found.end).toBe(end)
    again.close(() => {})
  }
})

test.each([1, 2, 3, 4])('a group in pieces, of which sync %d fails: it is refused, the log ends', (nth) => {
  // Two pieces, the whole segment, the journal.
  sys.disk.failSync(nth)
  const told = append(LARGE)
  sys.time.runUntilIdle()
  expect(told.error?.message).toMatch(/^the log stopped: .*nothing more is acknowledged/)
  expect(log.failure).toBeDefined()
  expect(partition.end).toBe(0)
})

test('a group in pieces has four syncs: a fifth that would fail does not come', () => {
  sys.disk.failSync(5)
  const told = append(LARGE)
  sys.time.runUntilIdle()
  expect(told).toEqual({ error: undefined, answered: true })
})
