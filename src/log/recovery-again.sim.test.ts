import { expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { PowerLoss } from '../sim/power-loss.ts'
import { restartSys, type SimSys, simSys } from '../sim/sim-sys.ts'
import type { Log, LogPartition, LogTopic } from './log.ts'
import { openLog } from './open.ts'
import { repairLog } from './repair.ts'
import { LogVerifier } from './verify.ts'

/*
 * A segment is gone by right: its topic was deleted, or the start passed it. Some of its batches lie in the journal,
 * others lay only in the segment. A recovery that ends in the middle must not leave a part of the segment, which the
 * next one would take for one that was damaged.
 */

const FOLDER = '/log'
const OPTIONS = { segmentFirstBytes: 600, verifyReads: true }
const SEEDS = 4

function append(log: Log, topic: string, bytes: number): void {
  const builder = new BatchBuilder(1024)
  builder.appendText(5, null, 'x'.repeat(bytes))
  const { id } = log.topic(topic) as LogTopic
  log.append([{ topic: id, partition: 0, bytes: builder.build() }], (error) => expect(error).toBeUndefined())
}

function partitionOf(log: Log, topic: string): LogPartition {
  return (log.topic(topic) as LogTopic).partitions[0] as LogPartition
}

const WAYS: Readonly<Record<string, (log: Log) => void>> = {
  'its topic was deleted': (log) => log.deleteTopic('going', (error) => expect(error).toBeUndefined()),
  'the start passed it': (log) => partitionOf(log, 'going').cutBefore(2),
}

/** The power failed after a segment went: 0 in the journal, 1 only in the segment, 2 in the next one. */
function segmentGone(way: (log: Log) => void, seed: number): SimSys {
  const sys = simSys(1)
  const log = openLog(sys, FOLDER, OPTIONS)
  for (const name of ['going', 'staying'])
    log.createTopic(name, { partitions: 1, segmentBytes: 1024 }, (error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  for (const bytes of [50, 700, 600]) {
    append(log, 'going', bytes)
    sys.time.runUntilIdle()
  }
  expect(partitionOf(log, 'going').segmentCount).toBe(2)
  append(log, 'staying', 50)
  way(log)
  append(log, 'staying', 700)
  sys.time.runUntilIdle()
  return restartSys(sys, seed)
}

function check(sys: SimSys, where: string): void {
  const log = openLog(sys, FOLDER, OPTIONS)
  expect(partitionOf(log, 'staying').end, where).toBe(2)
  const going = log.topic('going')?.partitions[0]
  if (going !== undefined) expect([going.start, going.end], where).toEqual([2, 3])
  const verifier = new LogVerifier(log)
  while (verifier.step());
  expect(verifier.report().findings, where).toEqual([])
  log.close((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
}

/** Runs a recovery that is to end at an operation; whether it did. */
function cutOff(sys: SimSys, operation: number, recover: (sys: SimSys) => void): boolean {
  sys.disk.crashAt(sys.disk.operations + operation)
  try {
    recover(sys)
    return false
  } catch (error) {
    if (!(error instanceof PowerLoss)) throw error
    return true
  }
}

const RECOVERIES: Readonly<Record<string, (sys: SimSys) => void>> = {
  opening: (sys) => openLog(sys, FOLDER, OPTIONS),
  repair: (sys) => expect(repairLog(sys, FOLDER)).toEqual([]),
}

const CASES = Object.keys(WAYS).flatMap((way) => Object.keys(RECOVERIES).map((name) => [way, name] as const))

test.each(CASES)(
  'a segment is gone, since %s: an opening goes on after the %s lost its power',
  (way, name) => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const gone = segmentGone(WAYS[way] as (log: Log) => void, seed)
      for (let operation = 1, goesOn = true; goesOn; operation += 1) {
        const sys = restartSys(gone, seed)
        goesOn = cutOff(sys, operation, RECOVERIES[name] as (sys: SimSys) => void)
        check(restartSys(sys, seed), `operation ${operation}, seed ${seed}`)
      }
    }
  },
)

test.each(Object.keys(WAYS))('a segment is gone, since %s: an opening goes on after a full disk', (way) => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const gone = segmentGone(WAYS[way] as (log: Log) => void, seed)
    for (let room = 0; room < 3000; room += 50) {
      const sys = restartSys(gone, seed)
      sys.disk.diskFull(room)
      try {
        openLog(sys, FOLDER, OPTIONS).close(() => {})
      } catch (error) {
        expect(error).toMatchObject({ code: 'MILLRACE_DISK' })
      }
      sys.time.runUntilIdle()
      sys.disk.diskFull(Number.POSITIVE_INFINITY)
      check(sys, `room for ${room} bytes, seed ${seed}`)
    }
  }
})
