import { describe, expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { decodeRecords } from '../record/batch-reader.ts'
import { PowerLoss } from '../sim/power-loss.ts'
import { restartSys, type SimSys, simSys } from '../sim/sim-sys.ts'
import type { DiskFile } from '../sys/disk.ts'
import type { Log, LogPartition, LogTopic } from './log.ts'
import type { Repair } from './mender.ts'
import { openLog } from './open.ts'
import { repairLog } from './repair.ts'
import { LogVerifier } from './verify.ts'

/* Segments that nobody reads any more, because the start passed them or their topic was deleted, and that stay. */

const FOLDER = '/log'
const OPTIONS = { segmentFirstBytes: 300, verifyReads: true }
const SETTINGS = { partitions: 1, segmentBytes: 1024, cleanup: 'compact', minCleanableDirtyRatio: 0 } as const

function expectDone(error: Error | undefined): void {
  if (!(error instanceof PowerLoss)) expect(error).toBeUndefined()
}

function append(log: Log, value: string): void {
  const { id } = log.topic('t') as LogTopic
  const builder = new BatchBuilder(64)
  builder.appendText(5, 'key', value)
  log.append([{ topic: id, partition: 0, bytes: builder.build() }], expectDone)
}

function partitionOf(log: Log): LogPartition {
  return (log.topic('t') as LogTopic).partitions[0] as LogPartition
}

/** What each of the steps does is acknowledged before the next one. */
type Step = (log: Log) => void

const LONG = 'long'.padEnd(600, '.')
const appended =
  (...values: readonly string[]): Step =>
  (log) => {
    for (const value of values) append(log, value)
  }
const cutBefore =
  (offset: number): Step =>
  (log) =>
    partitionOf(log).cutBefore(offset, expectDone)
const compacted: Step = (log) => log.housekeeping.runOnce(() => {})
const deleted: Step = (log) => log.deleteTopic('t', expectDone)

/** Opened and closed with what `before` did, opened again for `after`; and then closed, or the power fails. */
function world(before: readonly Step[], after: readonly Step[], closed: boolean, seed = 1): SimSys {
  const sys = simSys(1)
  const run = (steps: readonly Step[], end: boolean): void => {
    const log = openLog(sys, FOLDER, OPTIONS)
    for (const step of steps) {
      step(log)
      sys.time.runUntilIdle()
    }
    if (end) log.close(expectDone)
    sys.time.runUntilIdle()
  }
  const created: Step = (log) => log.createTopic('t', SETTINGS, expectDone)
  run([created, ...before], true)
  run(after, closed)
  return closed ? sys : restartSys(sys, seed)
}

function segmentsOf(sys: SimSys, folder = FOLDER): string[] {
  return sys.disk.list(folder).flatMap((name) => {
    const path = `${folder}/${name}`
    if (sys.disk.size(path) === undefined) return segmentsOf(sys, path)
    return path.endsWith('.log') && sys.disk.size(path) !== 0 ? [path] : []
  })
}

function change(sys: SimSys, path: string, run: (file: DiskFile) => void): void {
  const file = sys.disk.open(path, 'write')
  run(file)
  file.syncNow()
  file.close()
}

function flip(sys: SimSys, path: string, position: number, bit: number): void {
  change(sys, path, (file) => {
    const byte = new Uint8Array(1)
    file.read(byte, position)
    byte[0] = (byte[0] as number) ^ (1 << bit)
    file.write(byte, position)
  })
}

interface State {
  readonly topics: number
  readonly start: number
  readonly end: number
  readonly values: readonly string[]
}

function stateOf(log: Log): State {
  const topic = log.topic('t')
  if (topic === undefined) return { topics: log.topics().length, start: 0, end: 0, values: [] }
  const { start, end } = partitionOf(log)
  const values: string[] = []
  for (let from = start; ; ) {
    const read = partitionOf(log).read(from, 1 << 20)
    if (read === undefined) break
    for (const { offset, value } of decodeRecords(read.bytes))
      if (offset >= start) values.push(`${offset}:${Buffer.from(value ?? []).toString()}`)
    from = read.next
  }
  return { topics: log.topics().length, start, end, values }
}

/** Opens it: every byte is sound, and it takes records. */
function checkSound(sys: SimSys, where: string): State {
  const log = openLog(sys, FOLDER, OPTIONS)
  const state = stateOf(log)
  const verifier = new LogVerifier(log)
  while (verifier.step());
  expect(
    verifier.report().findings.filter(({ file }) => !file.endsWith('index')),
    where,
  ).toEqual([])
  if (log.topic('t') !== undefined) append(log, 'after')
  log.close(expectDone)
  sys.time.runUntilIdle()
  return state
}

/** All that can happen to one file. Bytes 0 to 20 of a head are not covered by its checksum. */
function* damages(sizeBytes: number): Generator<[string, (sys: SimSys, path: string) => void]> {
  for (let position = 0; position < Math.min(sizeBytes, 24); position += 1)
    yield [`bit 5 of byte ${position}`, (sys, path) => flip(sys, path, position, 5)]
  for (const position of [30, Math.floor(sizeBytes / 2), sizeBytes - 1])
    yield [`bit 2 of byte ${position}`, (sys, path) => flip(sys, path, position, 2)]
  for (const size of [0, 40, sizeBytes - 1])
    yield [`cut to ${size}`, (sys, path) => change(sys, path, (file) => file.truncate(size))]
  yield ['removed', (sys, path) => sys.disk.remove(path)]
}

test('the epoch of the only batch is damaged, and the start has passed it: it is put right', () => {
  const sys = world([appended('a'), cutBefore(1)], [], true)
  const [path] = segmentsOf(sys) as [string]
  flip(sys, path, 12, 5)
  expect(repairLog(sys, FOLDER)).toMatchObject([{ file: path, from: 0, kept: undefined }])
  expect(checkSound(sys, path)).toEqual({ topics: 1, start: 1, end: 1, values: [] })
  expect(repairLog(sys, FOLDER)).toEqual([])
})

test('the only segment is missing, and the start has passed it: its offsets stay, and nothing was lost', () => {
  const sys = world([appended('a', 'b'), cutBefore(2)], [], true)
  const [path] = segmentsOf(sys) as [string]
  sys.disk.remove(path)
  expect(() => openLog(sys, FOLDER, OPTIONS)).toThrow(/the file ends, but \d+ bytes of it were durable/)
  expect(repairLog(sys, FOLDER)).toMatchObject([{ file: path, offsets: [0, 2] }])
  expect(checkSound(sys, path)).toEqual({ topics: 1, start: 2, end: 2, values: [] })
})

describe('one damage anywhere is repaired, and costs at most what was damaged', () => {
  const short = appended('a', 'b')
  const worlds: readonly [string, readonly Step[], readonly Step[]][] = [
    ['all below the start', [short, cutBefore(2)], []],
    ['several segments, all below the start', [appended('a', LONG, LONG), cutBefore(3)], []],
    ['the start moved over what a checkpoint covers', [short], [cutBefore(2)]],
    ['the start moved into what lies behind it', [short], [appended('c', 'd'), cutBefore(3)]],
    ['the same, segment first', [short], [appended('c', LONG), cutBefore(3)]],
    ['the start moved over it, and a segment follows', [short], [appended(LONG, LONG), cutBefore(2)]],
    ['all passed, and a segment followed', [appended('a', LONG)], [appended(LONG), cutBefore(3)]],
    ['the topic was deleted', [appended('a', LONG)], [appended('c', LONG), deleted]],
    ['compacted, and all passed', [appended('a', LONG, 'c', LONG)], [compacted, cutBefore(4)]],
    ['compacted, and some passed', [appended('a', LONG, 'c', LONG, LONG)], [compacted, cutBefore(3)]],
    ['compacted and deleted', [appended('a', LONG, 'c', LONG)], [compacted, deleted]],
  ]
  test.each(worlds)('%s', (_, before, after) => {
    for (const closed of [true, false]) {
      for (let seed = 1; seed <= 6; seed += 1)
        expect(repairLog(world(before, after, closed, seed), FOLDER), `seed ${seed}`).toEqual([])
      const whole = checkSound(world(before, after, closed), 'undamaged')
      const model = world(before, after, closed)
      const opened = world(before, after, closed)
      openLog(opened, FOLDER)
      // It stays as it is, though all of it may be passed.
      if (whole.topics > 0) expect(segmentsOf(opened).at(-1)).toBe(segmentsOf(model).at(-1))
      for (const path of segmentsOf(model)) {
        for (const [name, damage] of damages(model.disk.size(path) as number)) {
          const sys = world(before, after, closed)
          damage(sys, path)
          checkMended(sys, whole, `closed ${closed}, ${path}: ${name}`)
        }
      }
    }
  })
})

function checkMended(sys: SimSys, whole: State, where: string): void {
  const repairs = repairLog(sys, FOLDER)
  const state = checkSound(sys, where)
  expect({ ...state, values: [] }, where).toEqual({ ...whole, values: [] })
  expect(
    whole.values.filter((value) => state.values.includes(value)),
    where,
  ).toEqual(state.values)
  const lost = whole.values.filter((value) => !state.values.includes(value))
  const isNamed = (offset: number) => repairs.some((repair) => names(repair, offset))
  expect(lost.map((value) => Number.parseInt(value, 10)).every(isNamed), where).toBe(true)
  expect(repairLog(sys, FOLDER), `${where}, once more`).toEqual([])
}

function names({ offsets }: Repair, offset: number): boolean {
  return offsets !== undefined && offset >= offsets[0] && offset < offsets[1]
}

/** Starts that move over segments, segments that go, and a topic that goes; the power fails at the operation. */
function interrupted(operation: number): { readonly sys: SimSys; readonly ended: boolean } {
  const sys = world([appended('a', LONG, 'b')], [], true)
  sys.disk.crashAt(sys.disk.operations + operation)
  try {
    const log = openLog(sys, FOLDER, OPTIONS)
    for (const step of [
      appended('c', LONG),
      cutBefore(3),
      appended(LONG, 'd'),
      cutBefore(7),
      appended('e', LONG, LONG, 'f'),
      cutBefore(9),
      deleted,
    ]) {
      step(log)
      sys.time.runUntilIdle()
    }
  } catch (error) {
    if (!(error instanceof PowerLoss)) throw error
    return { sys: restartSys(sys, operation), ended: false }
  }
  return { sys: restartSys(sys, operation), ended: true }
}

test('wherever the power fails: nothing is done without damage, and what is damaged is mended', () => {
  let operation = 0
  let ended = false
  while (!ended) {
    operation += 1
    const model = interrupted(operation)
    ended = model.ended
    const whole = checkSound(interrupted(operation).sys, `operation ${operation}`)
    const { sys } = interrupted(operation)
    expect(repairLog(sys, FOLDER), `operation ${operation}`).toEqual([])
    expect(checkSound(sys, `operation ${operation}`)).toEqual(whole)
    for (const path of segmentsOf(model.sys)) {
      // One of each file: over the operations, all of them have their turn.
      const all = [...damages(model.sys.disk.size(path) as number)]
      const [name, damage] = all[operation % all.length] as (typeof all)[number]
      const damaged = interrupted(operation).sys
      damage(damaged, path)
      const where = `operation ${operation}, ${path}: ${name}`
      repairLog(damaged, FOLDER)
      checkSound(damaged, where)
      expect(repairLog(damaged, FOLDER), `${where}, once more`).toEqual([])
    }
  }
  expect(operation).toBeGreaterThan(30)
})
