import { expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { PowerLoss } from '../sim/power-loss.ts'
import { restartSys, type SimSys, simSys } from '../sim/sim-sys.ts'
import type { Log, LogPartition, LogTopic } from './log.ts'
import { openLog } from './open.ts'
import { repairLog } from './repair.ts'
import { LogVerifier } from './verify.ts'

/*
 * With durability `os` a segment may follow while the sync runs that makes a start durable. When it ends, the old
 * segment goes, while the entry of the roll is in the page cache only. Then the power fails.
 */

const FOLDER = '/log'
const OPTIONS = { segmentFirstBytes: 600, verifyReads: true }
/** A batch of this size goes to its segment only. */
const LARGE = 800
/** And one of this size goes to the journal as well. */
const SMALL = 30
/** The first of these, appended again, rolls. */
const SEGMENTS = [[LARGE], [SMALL, LARGE]]

interface Outcome {
  readonly sys: SimSys
  /** The start that was acknowledged. */
  readonly start: number
  readonly ended: boolean
}

function append(log: Log, segment: readonly number[]): void {
  for (const bytes of segment) {
    const builder = new BatchBuilder(1024)
    builder.appendText(5, null, 'x'.repeat(bytes))
    log.append([{ topic: (log.topic('t') as LogTopic).id, partition: 0, bytes: builder.build() }], () => {})
  }
}

function partitionOf(log: Log): LogPartition {
  return (log.topic('t') as LogTopic).partitions[0] as LogPartition
}

/** The power fails at the operation, or in the end. */
function world(operation: number, seed: number, segment: readonly number[]): Outcome {
  const sys = simSys(1)
  const created = openLog(sys, FOLDER, OPTIONS)
  created.createTopic('t', { partitions: 1, segmentBytes: 1024, durability: 'os' }, () => {})
  append(created, segment)
  created.close(() => {})
  sys.time.runUntilIdle()
  sys.disk.crashAt(sys.disk.operations + operation)
  let start = 0
  try {
    const log = openLog(sys, FOLDER, OPTIONS)
    sys.disk.delaySync(20)
    for (let count = 1; count < 4; count += 1) {
      partitionOf(log).cutBefore(partitionOf(log).end, (_error, durable) => {
        start = durable ?? start
      })
      append(log, segment)
      sys.time.runUntilIdle()
    }
  } catch (error) {
    if (!(error instanceof PowerLoss)) throw error
    return { sys: restartSys(sys, seed), start, ended: false }
  }
  return { sys: restartSys(sys, seed), start, ended: true }
}

function close(sys: SimSys, log: Log): void {
  log.close((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
}

function check(sys: SimSys, start: number, where: string): void {
  const log = openLog(sys, FOLDER, OPTIONS)
  expect(partitionOf(log).start, where).toBeGreaterThanOrEqual(start)
  expect(partitionOf(log).end, where).toBeGreaterThanOrEqual(partitionOf(log).start)
  append(log, [LARGE])
  sys.time.runUntilIdle()
  // What the indexes said of a segment that was closed, and is open again, goes when the log is closed.
  close(sys, log)
  const again = openLog(sys, FOLDER, OPTIONS)
  const verifier = new LogVerifier(again)
  while (verifier.step());
  expect(verifier.report().findings, where).toEqual([])
  close(sys, again)
}

test.each(SEGMENTS)(
  'the start passed a segment of %s %s, and the roll behind it is lost: the log opens',
  (...segment) => {
    for (let seed = 1; seed <= 4; seed += 1) {
      for (let operation = 1, ended = false; !ended; operation += 1) {
        const opened = world(operation, seed, segment)
        ended = opened.ended
        const where = `operation ${operation}, seed ${seed}`
        check(opened.sys, opened.start, where)
        const repaired = world(operation, seed, segment)
        expect(repairLog(repaired.sys, FOLDER), where).toEqual([])
        check(repaired.sys, repaired.start, where)
      }
    }
  },
)
