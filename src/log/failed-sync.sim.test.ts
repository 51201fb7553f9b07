import { expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { PowerLoss } from '../sim/power-loss.ts'
import { restartSys, type SimSys, simSys } from '../sim/sim-sys.ts'
import { Checkpointer } from './checkpointer.ts'
import type { Log, LogPartition, LogTopic } from './log.ts'
import { openLog } from './open.ts'
import type { Partition } from './partition.ts'

const OPTIONS = { journalBytesMax: 3000, segmentFirstBytes: 1000, verifyReads: true }

function bytesOf(size: number): Uint8Array {
  const builder = new BatchBuilder(256)
  builder.appendText(5, null, 'x'.repeat(size))
  return builder.build()
}

function opened(sys: SimSys): { log: Log; topic: LogTopic } {
  const log = openLog(sys, '/data/log', OPTIONS)
  log.createTopic('a', { partitions: 2, segmentBytes: 1024 }, (error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  return { log, topic: log.topic('a') as LogTopic }
}

function closed(sys: SimSys, log: Log): boolean {
  let done = false
  log.close(() => {
    done = true
  })
  sys.time.runUntilIdle()
  return done
}

/**
 * The page cache gives back what a failed sync dropped, as if it were on the disk (and no later sync writes it): who
 * opens the log again without a restart of the machine must not believe it.
 */
test('what only the page cache holds after a failed sync is durable when it was read at an opening', () => {
  let found = 0
  for (let seed = 1; seed <= 60; seed += 1) {
    const sys = simSys(seed)
    const first = opened(sys)
    sys.disk.failSync(1 + (seed % 3))
    // Large ones go to the segment first, small ones to the journal.
    for (const size of [40, 1500, 40, 2500]) {
      const { id } = first.topic
      for (const partition of [0, 1])
        first.log.append([{ topic: id, partition, bytes: bytesOf(size) }], () => {})
      sys.time.runUntilIdle()
    }
    expect(first.log.failure).toBeDefined()
    expect(closed(sys, first.log)).toBe(true)
    const second = opened(sys)
    const ends = second.topic.partitions.map(({ end }) => end)
    found += ends.reduce((sum, end) => sum + end, 0)
    const after = opened(restartSys(sys, seed))
    expect(after.topic.partitions.map(({ end }) => end)).toEqual(ends)
    for (const partition of after.topic.partitions) {
      for (let from = 0; from < partition.end; ) from = partition.read(from, 10_000)?.next ?? Number.NaN
    }
  }
  expect(found).toBeGreaterThan(60)
})

test('when the checkpoint of a flush fails at once, its items are answered and the log can be closed', () => {
  let failedInFlush = 0
  for (let nth = 1; nth <= 60; nth += 1) {
    const sys = simSys(nth)
    const { log, topic } = opened(sys)
    let asked = 0
    let answered = 0
    sys.disk.failSync(nth)
    for (let index = 0; index < 60 && log.failure === undefined; index += 1) {
      asked += 1
      log.append(
        [{ topic: topic.id, partition: index % 2, bytes: bytesOf(index % 5 === 0 ? 1200 : 300) }],
        (error) => {
          answered += 1
          if (error?.message.startsWith('cannot sync') === true) failedInFlush += 1
        },
      )
      if (index % 3 === 0) sys.time.runUntilIdle()
    }
    sys.time.runUntilIdle()
    expect(answered, `sync ${nth}`).toBe(asked)
    expect(closed(sys, log), `sync ${nth}`).toBe(true)
  }
  expect(failedInFlush).toBeGreaterThan(0)
})

test('nothing is removed because of an entry that only the page cache holds', () => {
  for (let seed = 1; seed <= 120; seed += 1) {
    const sys = simSys(seed)
    const first = opened(sys)
    const append = () => {
      for (const partition of [0, 1])
        first.log.append([{ topic: first.topic.id, partition, bytes: bytesOf(700) }], () => {})
      sys.time.runUntilIdle()
    }
    for (let index = 0; index < 6; index += 1) append()
    sys.disk.failSync(1)
    for (const partition of first.topic.partitions) partition.cutBefore(4)
    sys.time.runUntilIdle()
    expect(first.log.failure).toBeDefined()
    expect(closed(sys, first.log)).toBe(true)
    // The opening gets so far that it removes what lies below the start, and then the power fails.
    sys.disk.crashAt(sys.disk.operations + 1 + (seed % 12))
    try {
      opened(sys)
    } catch (error) {
      if (!(error instanceof PowerLoss)) throw error
    }
    const after = opened(restartSys(sys, seed))
    for (const partition of after.topic.partitions) {
      expect([0, 4]).toContain(partition.start)
      expect(partition.end).toBe(6)
      for (let from = partition.start; from < 6; ) from = partition.read(from, 10_000)?.next ?? Number.NaN
    }
  }
})

test('who waits for a checkpoint whose sync fails finds the log stopped, and does not close it as a sound one', () => {
  let stopped = false
  const segment = {
    syncedBytes: 0,
    sizeBytes: 1,
    indexesUnsaved: false,
    saveIndexes: () => undefined,
    sync: (done: (error: Error) => void) => void timers.push(() => done(new Error('EIO'))),
  }
  const timers: (() => void)[] = []
  const checkpointer = new Checkpointer({
    syncNames: () => undefined,
    partitions: () => [{ segments: [segment] } as unknown as Partition],
    snapshot: () => new Uint8Array(),
    commit: () => expect.unreachable(),
    covered: () => expect.unreachable(),
    fail: () => {
      stopped = true
    },
  })
  checkpointer.begin()
  let seen: boolean | undefined
  checkpointer.whenDone(() => {
    seen = stopped
  })
  for (const run of timers) run()
  expect(seen).toBe(true)
})

test('a group that began a segment with its second part is taken back with that segment', () => {
  const ends = new Set<number>()
  for (let run = 0; run < 80; run += 1) {
    const sys = simSys(run)
    const { log, topic } = opened(sys)
    sys.disk.failSync(1 + (run % 4))
    const parts = [900, 1500].map((size) => ({ topic: topic.id, partition: 0, bytes: bytesOf(size) }))
    log.append(parts, () => {})
    sys.time.runUntilIdle()
    const after = opened(restartSys(sys, run))
    const partition = after.topic.partitions[0] as LogPartition
    ends.add(partition.end)
    for (let from = 0; from < partition.end; ) from = partition.read(from, 10_000)?.next ?? Number.NaN
    let answered = false
    after.log.append(parts, (error) => {
      expect(error).toBeUndefined()
      answered = true
    })
    sys.time.runUntilIdle()
    expect(answered).toBe(true)
  }
  expect(ends).toEqual(new Set([0, 2]))
})
