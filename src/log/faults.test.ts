import { describe, expect, test } from 'vitest'
import { isMillraceError, MillraceError } from '../base/errors.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import { batchPositions } from '../record/batch-header.ts'
import { BatchReader } from '../record/batch-reader.ts'
import { RecordedLines, simSys } from '../sim/sim-sys.ts'
import type { Disk, DiskFile } from '../sys/disk.ts'
import { MemoryDisk } from '../sys/memory/memory-disk.ts'
import { nodeSys } from '../sys/node/node-sys.ts'
import type { Sys } from '../sys/sys.ts'
import type { Log, LogTopic } from './log.ts'
import { openLog } from './open.ts'

function quietSys(disk: Disk): Sys {
  return { ...nodeSys({ disk }), lines: new RecordedLines() }
}

const OPTIONS = { journalBytesMax: 3000, segmentFirstBytes: 1200, openFilesMax: 3 }

/** Fails the nth call of a kind, once. */
class Faults {
  kind: 'write' | 'sync' | 'other' = 'write'
  at = 0
  counts = { write: 0, sync: 0, other: 0 }

  check(kind: 'write' | 'sync' | 'other', what: string): void {
    this.counts[kind] += 1
    if (kind === this.kind && this.counts[kind] === this.at)
      throw new MillraceError('MILLRACE_DISK', `cannot ${what}: injected`)
  }
}

function faulty(disk: Disk, faults: Faults): Disk {
  const file = (inner: DiskFile): DiskFile => ({
    path: inner.path,
    size: () => inner.size(),
    read: (target, position) => inner.read(target, position),
    write(bytes, position) {
      faults.check('write', `write ${inner.path}`)
      inner.write(bytes, position)
    },
    writeAll(chunks, position) {
      // A part of it was written when the disk became full.
      inner.write((chunks[0] as Uint8Array).subarray(0, 10), position)
      faults.check('write', `write ${inner.path}`)
      inner.writeAll(chunks, position)
    },
    truncate: (size) => inner.truncate(size),
    sync(done) {
      try {
        faults.check('sync', `sync ${inner.path}`)
      } catch (error) {
        done(error as Error)
        return
      }
      inner.sync(done)
    },
    syncNow() {
      faults.check('sync', `sync ${inner.path}`)
      inner.syncNow()
    },
    close: () => inner.close(),
  })
  const other = <T>(what: string, run: () => T): T => {
    faults.check('other', what)
    return run()
  }
  return {
    open: (path, mode) =>
      file(mode === 'create' ? other(`create ${path}`, () => disk.open(path, mode)) : disk.open(path, mode)),
    exists: (path) => disk.exists(path),
    size: (path) => disk.size(path),
    list: (folder) => disk.list(folder),
    makeFolder: (path) => other(`make ${path}`, () => disk.makeFolder(path)),
    rename: (from, to) => other(`rename ${from}`, () => disk.rename(from, to)),
    remove: (path) => other(`remove ${path}`, () => disk.remove(path)),
    syncFolder: (path) => other(`sync ${path}`, () => disk.syncFolder(path)),
    lock: (folder) => disk.lock(folder),
  }
}

function batchOf(group: number): Uint8Array {
  const builder = new BatchBuilder(256)
  builder.appendText(5, null, `${group}`.padEnd(group % 4 === 0 ? 1300 : 40, '.'))
  return builder.build()
}

interface Told {
  readonly acknowledged: number[]
  readonly refused: number[]
}

/** Groups of two partitions and of one, one after the other. */
function script(log: Log, told: Told): void {
  log.createTopic('a', { partitions: 2, segmentBytes: 4096 }, () => {})
  for (let group = 0; group < 30; group += 1) {
    const topic = log.topic('a')
    if (topic === undefined) return
    const partitions = group % 3 === 0 ? [0, 1] : [group % 2]
    log.append(
      partitions.map((partition) => ({ topic: topic.id, partition, bytes: batchOf(group) })),
      (error) => {
        if (error === undefined) told.acknowledged.push(group)
        else {
          expect(isMillraceError(error) && error.code).toBe('MILLRACE_DISK')
          told.refused.push(group)
        }
      },
    )
    if (group === 20) topic.partitions[0]?.cutBefore(Math.min(3, topic.partitions[0].end))
  }
}

function groupsIn(log: Log): Map<number, number> {
  const groups = new Map<number, number>()
  const reader = new BatchReader()
  for (const partition of (log.topic('a') as LogTopic).partitions) {
    for (let from = partition.start; ; ) {
      const read = partition.read(from, 4000)
      if (read === undefined) break
      for (const at of batchPositions(read.bytes)) {
        reader.open(read.bytes, at)
        reader.next()
        const group = Number.parseInt(reader.text(reader.valueStart, reader.valueEnd), 10)
        groups.set(group, (groups.get(group) ?? 0) + 1)
      }
      from = read.next
    }
  }
  return groups
}

function countOf(kind: Faults['kind']): number {
  const faults = new Faults()
  const log = openLog(quietSys(faulty(new MemoryDisk(), faults)), '/log', OPTIONS)
  script(log, { acknowledged: [], refused: [] })
  log.close(() => {})
  return faults.counts[kind]
}

/** Below the moved start one group of partition 0 may be gone. */
const CUT = new Set([0, 2, 3, 4])

describe.each(['write', 'sync', 'other'] as const)('every %s fails in turn', (kind) => {
  test('what was acknowledged stays, what was refused is not there or the log says that it does not know', () => {
    const total = countOf(kind)
    expect(total).toBeGreaterThan(10)
    let goneOn = 0
    let stopped = 0
    for (let at = 1; at <= total; at += 1) {
      const disk = new MemoryDisk({ durable: true })
      const faults = new Faults()
      faults.kind = kind
      faults.at = at
      const told: Told = { acknowledged: [], refused: [] }
      let log: Log
      try {
        log = openLog(quietSys(faulty(disk, faults)), '/log', OPTIONS)
      } catch (error) {
        expect(isMillraceError(error) && error.code).toBe('MILLRACE_DISK')
        log = openLog(quietSys(disk), '/log', OPTIONS)
      }
      script(log, told)
      const known = log.failure === undefined
      if (told.refused.length > 0) {
        if (known) goneOn += 1
        else stopped += 1
      }
      // A failed sync is never forgotten.
      if (kind === 'sync' && told.refused.length > 0) expect(known).toBe(false)
      if (known && log.topic('a') !== undefined) {
        const groups = groupsIn(log)
        for (const group of told.refused) expect(groups.has(group), `fault ${at}, group ${group}`).toBe(false)
      }
      log.close(() => {})
      checkReopened(disk.crash(), told, known, `${kind} ${at}`)
    }
    if (kind === 'write') expect(goneOn).toBeGreaterThan(10)
    if (kind === 'sync') expect(stopped).toBeGreaterThan(10)
  })
})

function checkReopened(disk: MemoryDisk, told: Told, known: boolean, where: string): void {
  const log = openLog(quietSys(disk), '/log', { ...OPTIONS, verifyReads: true })
  if (log.topic('a') === undefined) {
    expect(told.acknowledged, where).toEqual([])
    return
  }
  const groups = groupsIn(log)
  for (const group of told.acknowledged) {
    if (!CUT.has(group)) expect(groups.get(group), `${where}: group ${group}`).toBe(group % 3 === 0 ? 2 : 1)
  }
  if (known)
    for (const group of told.refused) expect(groups.has(group), `${where}: group ${group}`).toBe(false)
}

test('a full disk: the append is refused, and works again when there is room', () => {
  const faults = new Faults()
  const log = openLog(quietSys(faulty(new MemoryDisk(), faults)), '/log')
  log.createTopic('a', { partitions: 1 }, () => {})
  const topic = log.topic('a') as LogTopic
  const append = (group: number): Error | undefined => {
    let result: Error | undefined
    log.append([{ topic: topic.id, partition: 0, bytes: batchOf(group) }], (error) => {
      result = error
    })
    return result
  }
  expect(append(1)).toBeUndefined()
  faults.at = faults.counts.write + 1
  expect(append(2)?.message).toContain('injected')
  expect(log.failure).toBeUndefined()
  expect(topic.partitions[0]?.appended).toBe(1)
  expect(append(3)).toBeUndefined()
  expect([...groupsIn(log).keys()]).toEqual([1, 3])
})

test('after a failed sync every append is refused, reads go on, and closing ends', () => {
  const faults = new Faults()
  faults.kind = 'sync'
  const log = openLog(quietSys(faulty(new MemoryDisk(), faults)), '/log')
  log.createTopic('a', { partitions: 1 }, () => {})
  const topic = log.topic('a') as LogTopic
  const append = (group: number): Error | undefined => {
    let result: Error | undefined
    log.append([{ topic: topic.id, partition: 0, bytes: batchOf(group) }], (error) => {
      result = error
    })
    return result
  }
  expect(append(1)).toBeUndefined()
  faults.at = faults.counts.sync + 1
  expect(append(2)?.message).toContain('the log stopped')
  expect(append(3)?.message).toContain('takes nothing any more')
  expect([...groupsIn(log).keys()]).toEqual([1])
  expect(topic.partitions[0]?.end).toBe(1)
  let closed = false
  log.close((error) => {
    expect(error).toBeUndefined()
    closed = true
  })
  expect(closed).toBe(true)
})

test('a checkpoint that is refused for a full disk is made later, and the log can be closed', () => {
  let refused = 0
  for (let run = 0; run < 140; run += 1) {
    const bytes = 40 * (run % 10)
    const sys = simSys(1)
    const options = { journalBytesMax: 1000, segmentFirstBytes: 100_000 }
    const log = openLog(sys, '/log', options)
    log.createTopic('t', { partitions: 1 }, () => {})
    const topic = log.topic('t') as LogTopic
    let acknowledged = 0
    const append = () => {
      const builder = new BatchBuilder(256)
      builder.appendText(0, null, 'x'.repeat(100))
      log.append([{ topic: topic.id, partition: 0, bytes: builder.build() }], (error) => {
        if (error === undefined) acknowledged += 1
        else refused += 1
      })
    }
    for (let index = 0; index < run / 10; index += 1) append()
    sys.disk.diskFull(bytes)
    for (let index = 0; index < 4; index += 1) append()
    sys.disk.diskFull(Number.POSITIVE_INFINITY)
    if (log.failure === undefined) for (let index = 0; index < 20; index += 1) append()
    let closed = false
    log.close(() => {
      closed = true
    })
    sys.time.runUntilIdle()
    expect(closed, `run ${run}: ${bytes} bytes were left`).toBe(true)
    expect(openLog(sys, '/log', options).topic('t')?.partitions[0]?.end).toBe(acknowledged)
  }
  expect(refused).toBeGreaterThan(20)
})
