import { describe, expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { decodeRecords } from '../record/batch-reader.ts'
import { RecordedLines } from '../sim/sim-sys.ts'
import type { DiskFile } from '../sys/disk.ts'
import { MemoryDisk } from '../sys/memory/memory-disk.ts'
import { nodeSys } from '../sys/node/node-sys.ts'
import type { Log, LogPartition, LogTopic } from './log.ts'
import { openLog } from './open.ts'

/** Above this a group goes to its segments first. */
const LARGE = 1_000
const SEGMENT_BYTES = 3_000

function open(disk: MemoryDisk): Log {
  const sys = { ...nodeSys({ disk }), lines: new RecordedLines() }
  return openLog(sys, '/log', { verifyReads: true, segmentFirstBytes: 900 })
}

function begin(): { disk: MemoryDisk; log: Log } {
  const disk = new MemoryDisk({ durable: true })
  const log = open(disk)
  log.createTopic('t', { partitions: 2, segmentBytes: SEGMENT_BYTES }, () => {})
  return { disk, log }
}

/** One value a partition, as one group. */
function append(log: Log, ...values: readonly (string | undefined)[]): void {
  const topic = log.topic('t') as LogTopic
  const batches = values.flatMap((value, partition) => {
    if (value === undefined) return []
    const builder = new BatchBuilder()
    builder.appendText(5, null, value)
    return [{ topic: topic.id, partition, bytes: builder.build() }]
  })
  log.append(batches, (error) => expect(error).toBeUndefined())
}

function values(log: Log, partition: number): string[] {
  const of = (log.topic('t') as LogTopic).partitions[partition] as LogPartition
  const all: string[] = []
  for (let read = of.read(of.start, 1 << 20); read !== undefined; read = of.read(read.next, 1 << 20)) {
    for (const { value } of decodeRecords(read.bytes)) all.push(Buffer.from(value ?? []).toString())
  }
  return all
}

/** The machine goes down; what was written is still there. */
function cutPower(disk: MemoryDisk): MemoryDisk {
  return disk.crash({
    entrySurvives: () => true,
    bytesSurviving: (length: number) => length,
    lengthSurvives: () => true,
  })
}

function files(disk: MemoryDisk, suffix: string, folder = '/log'): string[] {
  return disk.list(folder).flatMap((name) => {
    const path = `${folder}/${name}`
    if (disk.size(path) === undefined) return files(disk, suffix, path)
    return path.endsWith(suffix) ? [path] : []
  })
}

/** The segment of a partition, the last one. */
function segment(disk: MemoryDisk, partition: number): string {
  return files(disk, '.log')
    .filter((path) => path.includes(`-${partition}/`))
    .at(-1) as string
}

function change(disk: MemoryDisk, path: string, run: (file: DiskFile) => void): void {
  const file = disk.open(path, 'write')
  run(file)
  file.close()
}

const LETTERS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const large = (letter: string): string => letter.repeat(LARGE)

describe('a log that was closed', () => {
  test('is opened without playing anything again', () => {
    const { disk, log } = begin()
    append(log, 'one', 'two')
    append(log, large('x'))
    log.close(() => {})
    const again = open(cutPower(disk))
    expect(again.recovery).toMatchObject({ clean: true, entriesReplayed: 0, tailsCut: [] })
    expect(values(again, 0)).toEqual(['one', large('x')])
  })
})

describe('a log whose power failed', () => {
  test('has all that was acknowledged, and says how many entries were played again', () => {
    const { disk, log } = begin()
    append(log, 'one', 'two')
    append(log, large('x'))
    append(log, undefined, 'three')
    const again = open(cutPower(disk))
    expect(again.recovery).toMatchObject({ clean: false, entriesReplayed: 4, tailsCut: [] })
    expect(values(again, 0)).toEqual(['one', large('x')])
    expect(values(again, 1)).toEqual(['two', 'three'])
  })

  test('comes to the same when the power fails again before or after the recovery', () => {
    const { disk, log } = begin()
    append(log, 'one', 'two')
    append(log, large('x'))
    let now = disk
    for (let crash = 0; crash < 3; crash += 1) {
      now = cutPower(now)
      const again = open(now)
      expect(values(again, 0)).toEqual(['one', large('x')])
      expect(values(again, 1)).toEqual(['two'])
    }
  })

  test('goes on with the offsets behind what it has', () => {
    const { disk, log } = begin()
    append(log, 'one')
    const crashed = cutPower(disk)
    const again = open(crashed)
    append(again, 'two')
    expect(again.topic('t')?.partitions[0]?.end).toBe(2)
    expect(values(open(cutPower(crashed)), 0)).toEqual(['one', 'two'])
  })

  test('makes the names of files that it made again durable', () => {
    const { disk, log } = begin()
    append(log, 'one', 'two')
    // Only what was synced is left: the journal, and nothing of the segments.
    const nothing = { entrySurvives: () => false, bytesSurviving: () => 0, lengthSurvives: () => false }
    const first = disk.crash(nothing)
    expect(files(first, '.log')).toEqual([])
    expect(values(open(first), 1)).toEqual(['two'])
    const second = first.crash(nothing)
    expect(values(open(second), 1)).toEqual(['two'])
  })

  test('writes what lies in the journal into segments that lost it', () => {
    const { disk, log } = begin()
    append(log, 'one', 'two')
    append(log, 'three', 'four')
    const crashed = cutPower(disk)
    change(crashed, segment(crashed, 0), (file) => file.truncate(10))
    crashed.remove(segment(crashed, 1))
    const again = open(crashed)
    expect(values(again, 0)).toEqual(['one', 'three'])
    expect(values(again, 1)).toEqual(['two', 'four'])
  })
})

describe('what nobody was told of', () => {
  test('bytes of a segment that no entry covers are cut, and said with file and place', () => {
    const { disk, log } = begin()
    append(log, 'one')
    const crashed = cutPower(disk)
    const path = segment(crashed, 0)
    const size = crashed.size(path) as number
    change(crashed, path, (file) => file.write(new Uint8Array(77), size))
    const again = open(crashed)
    expect(again.recovery.tailsCut).toEqual([
      { file: path, from: size, to: size + 77, why: 'no durable journal entry covers these bytes' },
    ])
    expect(values(again, 0)).toEqual(['one'])
    expect(crashed.size(path)).toBe(size)
  })

  test('a last group whose bytes did not all come to their segments counts whole or not at all', () => {
    const { disk, log } = begin()
    append(log, 'one', 'two')
    append(log, large('x'), large('y'))
    const crashed = cutPower(disk)
    change(crashed, segment(crashed, 1), (file) => file.truncate(file.size() - 1))
    const again = open(crashed)
    // The bytes of partition 0 are all there; without those of partition 1 they are no group.
    expect(values(again, 0)).toEqual(['one'])
    expect(values(again, 1)).toEqual(['two'])
    const whys = again.recovery.tailsCut.map(({ why }) => why).join('; ')
    expect(whys).toMatch(/it has \d+ bytes, expected \d+/)
    expect(whys).toMatch(/no durable journal entry covers/)
    // And what comes then has the offsets that it would have had.
    append(again, 'three', 'four')
    expect(values(again, 0)).toEqual(['one', 'three'])
  })

  test('a segment file that no entry knows goes', () => {
    const { disk, log } = begin()
    append(log, 'one')
    const crashed = cutPower(disk)
    const stray = segment(crashed, 0).replace(/\d{20}/, '00000000000000000099')
    crashed.open(stray, 'create').close()
    const again = open(crashed)
    expect(crashed.exists(stray)).toBe(false)
    expect(values(again, 0)).toEqual(['one'])
  })
})

describe('damage before the tail is an error that names file and place, and changes nothing', () => {
  test('bytes of a group that was followed by another', () => {
    const { disk, log } = begin()
    append(log, large('x'))
    append(log, 'after')
    append(log, 'and after')
    const crashed = cutPower(disk)
    const path = segment(crashed, 0)
    const size = crashed.size(path)
    change(crashed, path, (file) => file.write(Uint8Array.of(1), 200))
    expect(() => open(crashed)).toThrow(new RegExp(`${path}.*checksum`))
    expect(crashed.size(path)).toBe(size)
  })

  test('a segment that is shorter than what a checkpoint covers', () => {
    const { disk, log } = begin()
    append(log, 'one', 'two')
    log.close(() => {})
    const again = open(disk)
    append(again, 'three')
    const crashed = cutPower(disk)
    const path = segment(crashed, 0)
    change(crashed, path, (file) => file.truncate(5))
    expect(() => open(crashed)).toThrow(path)
  })
})

describe('segments', () => {
  test('that were begun since the checkpoint are all there again', () => {
    const { disk, log } = begin()
    for (const letter of LETTERS) append(log, large(letter))
    expect(log.topic('t')?.partitions[0]?.segmentCount).toBeGreaterThan(2)
    const again = open(cutPower(disk))
    expect(values(again, 0)).toEqual(LETTERS.map(large))
    expect(again.topic('t')?.partitions[0]?.segmentCount).toBe(log.topic('t')?.partitions[0]?.segmentCount)
  })

  test('below a start that moved are gone, also where they went before the power failed', () => {
    const { disk, log } = begin()
    for (const letter of LETTERS) append(log, large(letter))
    log.topic('t')?.partitions[0]?.cutBefore(5)
    const again = open(cutPower(disk))
    expect(again.topic('t')?.partitions[0]?.start).toBe(5)
    expect(values(again, 0).slice(-3)).toEqual(LETTERS.slice(-3).map(large))
    expect(again.recovery.tailsCut).toEqual([])
  })
})
