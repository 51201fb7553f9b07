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
const OPTIONS = { segmentFirstBytes: 300, verifyReads: true }
/** Each append rolls. */
const VALUE = 'x'.repeat(600)

interface Outcome {
  readonly sys: SimSys
  /** The start that was acknowledged. */
  readonly start: number
  readonly ended: boolean
}

function append(log: Log): void {
  const builder = new BatchBuilder(1024)
  builder.appendText(5, null, VALUE)
  log.append([{ topic: (log.topic('t') as LogTopic).id, partition: 0, bytes: builder.build() }], () => {})
}

function partitionOf(log: Log): LogPartition {
  return (log.topic('t') as LogTopic).partitions[0] as LogPartition
}

/** The power fails at the operation, or in the end. */
function world(operation: number, seed: number): Outcome {
  const sys = simSys(1)
  const created = openLog(sys, FOLDER, OPTIONS)
  created.createTopic('t', { partitions: 1, segmentBytes: 1024, durability: 'os' }, () => {})
  append(created)
  created.close(() => {})
  sys.time.runUntilIdle()
  sys.disk.crashAt(sys.disk.operations + operation)
  let start = 0
  try {
    const log = openLog(sys, FOLDER, OPTIONS)
    sys.disk.delaySync(20)
    for (let offset = 1; offset < 4; offset += 1) {
      partitionOf(log).cutBefore(offset, (_error, durable) => {
        start = durable ?? start
      })
      append(log)
      sys.time.runUntilIdle()
    }
  } catch (error) {
    if (!(error instanceof PowerLoss)) throw error
    return { sys: restartSys(sys, seed), start, ended: false }
  }
  return { sys: restartSys(sys, seed), start, ended: true }
}

function check(sys: SimSys, start: number, where: string): void {
  const log = openLog(sys, FOLDER, OPTIONS)
  expect(partitionOf(log).start, where).toBeGreaterThanOrEqual(start)
  expect(partitionOf(log).end, where).toBeGreaterThanOrEqual(partitionOf(log).start)
  append(log)
  sys.time.runUntilIdle()
  const verifier = new LogVerifier(log)
  while (verifier.step());
  expect(verifier.report().findings, where).toEqual([])
  log.close((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
}

test('a segment that the start passed is gone, and the roll behind it is lost: the log opens, and goes on', () => {
  for (let seed = 1; seed <= 4; seed += 1) {
    for (let operation = 1, ended = false; !ended; operation += 1) {
      const opened = world(operation, seed)
      ended = opened.ended
      const where = `operation ${operation}, seed ${seed}`
      check(opened.sys, opened.start, where)
      const repaired = world(operation, seed)
      expect(repairLog(repaired.sys, FOLDER), where).toEqual([])
      check(repaired.sys, repaired.start, where)
    }
  }
})
