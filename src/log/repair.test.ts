import { describe, expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { batchPositions } from '../record/batch-header.ts'
import { BatchReader } from '../record/batch-reader.ts'
import { PowerLoss } from '../sim/power-loss.ts'
import { restartSys, type SimSys, simSys } from '../sim/sim-sys.ts'
import type { Log, LogTopic } from './log.ts'
import type { Repair } from './mender.ts'
import { openLog } from './open.ts'
import { repairLog } from './repair.ts'
import { LogVerifier } from './verify.ts'

const FOLDER = '/log'
const OPTIONS = { segmentFirstBytes: 900, verifyReads: true }
/** Records by partition, in the order of their offsets. */
type Content = Readonly<Record<string, readonly string[]>>

/** Two partitions with segments of some batches each, journaled and segment-first. */
function filled(closed: boolean): SimSys {
  const sys = simSys(1)
  const log = openLog(sys, FOLDER, OPTIONS)
  log.createTopic('t', { partitions: 2, segmentBytes: 1500 }, () => {})
  const { id } = log.topic('t') as LogTopic
  const builder = new BatchBuilder(256)
  for (let index = 0; index < 16; index += 1) {
    builder.reset()
    for (const part of ['a', 'b'])
      builder.appendText(index, null, `${index}${part}`.padEnd(index % 5 === 4 ? 500 : 60, '.'))
    log.append([{ topic: id, partition: index % 2, bytes: builder.build() }], (error) =>
      expect(error).toBeUndefined(),
    )
  }
  if (closed) log.close((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  return closed ? sys : restartSys(sys, 1)
}

function contentOf(log: Log): Content {
  const content: Record<string, string[]> = {}
  const reader = new BatchReader()
  for (const topic of log.topics()) {
    for (const partition of topic.partitions) {
      const rows: string[] = []
      content[`${topic.name}-${partition.index}`] = rows
      for (let from = partition.start; ; ) {
        const read = partition.read(from, 1 << 20)
        if (read === undefined) break
        for (const at of batchPositions(read.bytes)) {
          reader.open(read.bytes, at)
          while (reader.next()) {
            const value = reader.text(reader.valueStart, reader.valueEnd)
            rows.push(`${reader.offset}:${value.replaceAll('.', '')}`)
          }
        }
        from = read.next
      }
    }
  }
  return content
}

const WHOLE = (() => contentOf(openLog(filled(true), FOLDER, OPTIONS)))()

function files(sys: SimSys, folder = FOLDER): string[] {
  return sys.disk.list(folder).flatMap((name) => {
    const path = `${folder}/${name}`
    return sys.disk.size(path) === undefined ? files(sys, path) : [path]
  })
}

function bytesOf(sys: SimSys, path: string): Uint8Array {
  const file = sys.disk.open(path, 'read')
  const bytes = new Uint8Array(file.size())
  file.read(bytes, 0)
  file.close()
  return bytes
}

function change(sys: SimSys, path: string, run: (file: ReturnType<SimSys['disk']['open']>) => void): void {
  const file = sys.disk.open(path, 'write')
  run(file)
  file.syncNow()
  file.close()
}

function flip(sys: SimSys, path: string, position: number, bit = position % 8): void {
  change(sys, path, (file) => {
    const byte = new Uint8Array(1)
    file.read(byte, position)
    byte[0] = (byte[0] as number) ^ (1 << bit)
    file.write(byte, position)
  })
}

/** The log after its repair opens, holds no damage, and takes records; what is in it. */
function checkRepaired(sys: SimSys): Content {
  const log = openLog(sys, FOLDER, OPTIONS)
  const content = contentOf(log)
  for (const { id } of log.topics()) {
    const builder = new BatchBuilder(64)
    builder.appendText(99, 'key', 'after')
    log.append([{ topic: id, partition: 0, bytes: builder.build() }], (error) =>
      expect(error).toBeUndefined(),
    )
  }
  const verifier = new LogVerifier(log)
  while (verifier.step());
  expect(verifier.report().findings.filter(({ file }) => !file.endsWith('index'))).toEqual([])
  log.close((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  return content
}

function lostRecords(content: Content): string[] {
  return Object.entries(WHOLE).flatMap(([name, rows]) => {
    const found = content[name] ?? []
    // What is there is what was there, in order and with its offsets.
    expect(rows.filter((row) => found.includes(row))).toEqual(found)
    return rows.filter((row) => !found.includes(row)).map((row) => `${name}@${row}`)
  })
}

describe('nothing is done', () => {
  test.each([true, false])('to a log without damage, closed: %s', (closed) => {
    const sys = filled(closed)
    expect(repairLog(sys, FOLDER)).toEqual([])
    expect(checkRepaired(sys)).toEqual(WHOLE)
  })

  test('while another holds the log, or a newer program wrote it', () => {
    const held = filled(true)
    openLog(held, FOLDER)
    expect(() => repairLog(held, FOLDER)).toThrow(/another process has the log [/]log open; stop it/)
    const newer = filled(true)
    change(newer, `${FOLDER}/format.json`, (file) =>
      file.write(Buffer.from('{"format":"millrace-log","version":9}'), 0),
    )
    expect(() => repairLog(newer, FOLDER)).toThrow(/use a newer one/)
  })
})

describe('a segment', () => {
  test('with a flipped bit anywhere loses at most that batch, which is kept beside', () => {
    const model = filled(true)
    let restored = 0
    for (const path of files(model).filter((each) => each.endsWith('.log'))) {
      const original = bytesOf(model, path)
      for (let position = 0; position < original.length; position += 11) {
        const sys = filled(true)
        flip(sys, path, position)
        const where = `${path}:${position}`
        const damaged = bytesOf(sys, path)
        const repairs = repairLog(sys, FOLDER)
        expect(repairs, where).toHaveLength(1)
        const [{ file, from, to, offsets, kept }] = repairs as unknown as [Repair]
        expect(file, where).toBe(path)
        expect([from <= position, position < to], where).toEqual([true, true])
        const lost = lostRecords(checkRepaired(sys))
        if (offsets === undefined) {
          restored += 1
          expect([lost, kept], where).toEqual([[], undefined])
        } else {
          expect(lost, where).toHaveLength(offsets[1] - offsets[0])
          expect(lost.length, where).toBe(2)
          expect(bytesOf(sys, kept as string), where).toEqual(damaged.slice(from, to))
        }
        expect(repairLog(sys, FOLDER), `${where}, once more`).toEqual([])
      }
    }
    // Base offsets and epochs, which no checksum covers, are known.
    expect(restored).toBeGreaterThan(5)
  })

  test('that ends early, at any byte, loses what is not there', () => {
    const model = filled(true)
    for (const path of files(model).filter((each) => each.endsWith('.log'))) {
      const original = bytesOf(model, path)
      for (let size = 0; size < original.length; size += 61) {
        const sys = filled(true)
        change(sys, path, (file) => file.truncate(size))
        const where = `${path} to ${size}`
        const repairs = repairLog(sys, FOLDER)
        expect(repairs, where).toHaveLength(1)
        const [{ from, to, offsets, kept, what }] = repairs as unknown as [Repair]
        expect(what).toMatch(/the file is missing, or ends too early/)
        expect(to, where).toBe(original.length)
        expect(kept === undefined ? new Uint8Array(0) : bytesOf(sys, kept), where).toEqual(
          original.slice(from, size),
        )
        const [first, next] = offsets as readonly [number, number]
        expect(lostRecords(checkRepaired(sys)), where).toHaveLength(next - first)
      }
    }
  })

  test('that is missing loses its records, and the offsets of the others stay', () => {
    const model = filled(true)
    for (const path of files(model).filter((each) => each.endsWith('.log'))) {
      const sys = filled(true)
      sys.disk.remove(path)
      const repairs = repairLog(sys, FOLDER)
      expect(repairs).toMatchObject([{ file: path, from: 0, kept: undefined }])
      const [{ offsets }] = repairs as unknown as [Repair]
      const [first, next] = offsets as readonly [number, number]
      expect(lostRecords(checkRepaired(sys))).toHaveLength(next - first)
    }
  })

  test('of a log that was not closed: what the journal has comes from there', () => {
    const model = filled(false)
    const seen = new Set<string>()
    for (const path of files(model).filter((each) => each.endsWith('.log'))) {
      for (let position = 0; position < bytesOf(model, path).length; position += 37) {
        const sys = filled(false)
        flip(sys, path, position)
        const repairs = repairLog(sys, FOLDER)
        const lost = lostRecords(checkRepaired(sys))
        expect(lost.length).toBe(
          repairs.reduce(
            (sum, { offsets }) => sum + (offsets === undefined ? 0 : offsets[1] - offsets[0]),
            0,
          ),
        )
        seen.add(repairs.length === 0 ? 'journaled' : 'repaired')
      }
    }
    expect([...seen].sort()).toEqual(['journaled', 'repaired'])
  })

  test('two damaged places in one segment are two repairs', () => {
    const sys = filled(true)
    const path = files(sys).find((each) => each.endsWith('.log')) as string
    flip(sys, path, 70)
    flip(sys, path, bytesOf(sys, path).length - 3)
    expect(repairLog(sys, FOLDER)).toHaveLength(2)
    expect(lostRecords(checkRepaired(sys))).toHaveLength(4)
  })
})

/** Keys written again and again, and a power cut at an operation of the compaction that follows. */
function compacted(operation: number): SimSys {
  const sys = simSys(1)
  const log = openLog(sys, FOLDER, OPTIONS)
  const settings = {
    partitions: 1,
    segmentBytes: 1024,
    cleanup: 'compact',
    minCleanableDirtyRatio: 0,
  } as const
  log.createTopic('t', settings, () => {})
  const { id } = log.topic('t') as LogTopic
  const builder = new BatchBuilder(256)
  for (let index = 0; index < 24; index += 1) {
    builder.reset()
    // Every other key comes once.
    const key = index % 2 === 0 ? 'same' : `${index}`
    builder.appendText(index, key, `${index}`.padEnd(100, '.'))
    log.append([{ topic: id, partition: 0, bytes: builder.build() }], (error) =>
      expect(error).toBeUndefined(),
    )
    sys.time.runUntilIdle()
  }
  sys.disk.crashAt(sys.disk.operations + operation)
  try {
    log.housekeeping.runOnce(() => {})
    sys.time.runUntilIdle()
  } catch (error) {
    if (!(error instanceof PowerLoss)) throw error
  }
  return restartSys(sys, operation)
}

describe('a segment that compaction has just made', () => {
  const OPERATIONS = 40

  test('is whole wherever the power fails: nothing is done', () => {
    for (let operation = 1; operation <= OPERATIONS; operation += 1) {
      const expected = contentOf(openLog(compacted(operation), FOLDER, OPTIONS))
      const sys = compacted(operation)
      const where = `operation ${operation}`
      expect(repairLog(sys, FOLDER), where).toEqual([])
      // The checkpoint of the repair may know of a swap that is not done.
      expect(repairLog(sys, FOLDER), `${where}, once more`).toEqual([])
      expect(checkRepaired(sys), where).toEqual(expected)
    }
  })

  test('is mended where it is: in the place of the old ones, or beside, waiting for it', () => {
    const seen = { beside: 0, inPlace: 0 }
    for (let operation = 1; operation <= OPERATIONS; operation += 1) {
      const expected = contentOf(openLog(compacted(operation), FOLDER, OPTIONS))['t-0'] as string[]
      for (const path of files(compacted(operation)).filter((each) => each.includes('.log'))) {
        const sys = compacted(operation)
        const position = Math.floor(bytesOf(sys, path).length / 2)
        if (position === 0) continue
        const where = `operation ${operation}, ${path}`
        flip(sys, path, position)
        const repairs = repairLog(sys, FOLDER)
        // An old segment that is about to go, or a new one that does not count yet: nobody needs it.
        const rows = checkRepaired(sys)['t-0'] as string[]
        expect(
          expected.filter((row) => rows.includes(row)),
          where,
        ).toEqual(rows)
        const gone = expected.filter((row) => !rows.includes(row)).map((row) => Number.parseInt(row, 10))
        const within = (offset: number) =>
          repairs.some(({ offsets }) => offsets !== undefined && offset >= offsets[0] && offset < offsets[1])
        expect(gone.every(within), where).toBe(true)
        // Batches have one record, or only hold the place of others.
        expect(gone.length, where).toBeLessThanOrEqual(1)
        expect(
          repairs.every(({ file }) => file === path),
          where,
        ).toBe(true)
        if (gone.length === 0) continue
        if (path.includes('.cleaned-')) seen.beside += 1
        else seen.inPlace += 1
      }
    }
    expect(seen.beside).toBeGreaterThan(0)
    expect(seen.inPlace).toBeGreaterThan(0)
  })
})

describe('the journal', () => {
  test('with its only checkpoint damaged: every record is there, under another name of its topic', () => {
    const sys = filled(true)
    const path = files(sys).find((each) => each.endsWith('.journal')) as string
    const damaged = bytesOf(sys, path)
    flip(sys, path, 60)
    expect(() => openLog(sys, FOLDER)).toThrow(/the journal holds no checkpoint/)
    // Opening took no lock that stays.
    const repairs = repairLog(sys, FOLDER)
    const content = checkRepaired(sys)
    const names = Object.keys(content)
    expect(names).toHaveLength(2)
    expect(names.every((name) => /^recovered-[0-9a-f-]{36}-[01]$/.test(name))).toBe(true)
    expect(names.map((name) => content[name])).toEqual(Object.values(WHOLE))
    const kept = repairs.find(({ file }) => file === path)?.kept as string
    expect(bytesOf(sys, kept)).toHaveLength(damaged.length)
    expect(repairs.some(({ what }) => what.includes('nothing says the name and settings'))).toBe(true)
  })

  test('that is missing: the same', () => {
    const sys = filled(true)
    sys.disk.remove(files(sys).find((each) => each.endsWith('.journal')) as string)
    repairLog(sys, FOLDER)
    expect(Object.values(checkRepaired(sys))).toEqual(Object.values(WHOLE))
  })

  test('of a log that was not closed, flipped or cut anywhere: what the segments have stays', () => {
    const model = filled(false)
    const path = files(model).find((each) => each.endsWith('.journal')) as string
    const used = bytesOf(model, path).findLastIndex((byte) => byte !== 0)
    const damages: ((sys: SimSys, position: number) => void)[] = [
      (sys, position) => flip(sys, path, position),
      (sys, position) => change(sys, path, (file) => file.truncate(position)),
    ]
    let repaired = 0
    for (const damage of damages) {
      for (let position = 0; position < used; position += 43) {
        const sys = filled(false)
        damage(sys, position)
        const repairs = repairLog(sys, FOLDER)
        const content = checkRepaired(sys)
        repaired += repairs.length > 0 ? 1 : 0
        // Without a sync of the segments the last round may be gone; the script syncs all of them in the end.
        const rows = Object.values(content)
        const expected = Object.values(WHOLE)
        for (const [index, found] of rows.entries()) {
          expect(found, `${position}`).toEqual(expected[index]?.slice(0, found.length))
        }
      }
    }
    expect(repaired).toBeGreaterThan(20)
  })
})

describe('the format', () => {
  test.each(['missing', 'nonsense'])('is made again when it is %s', (how) => {
    const sys = filled(true)
    const path = `${FOLDER}/format.json`
    if (how === 'missing') sys.disk.remove(path)
    else change(sys, path, (file) => file.write(Buffer.from('nonsense'), 0))
    expect(repairLog(sys, FOLDER)).toMatchObject([{ file: path }])
    expect(checkRepaired(sys)).toEqual(WHOLE)
  })
})

test('a power cut at any disk operation of a repair: done again, it ends the same', () => {
  const damagedWorld = () => {
    const sys = filled(true)
    const segments = files(sys).filter((each) => each.endsWith('.log'))
    flip(sys, segments[0] as string, 150)
    change(sys, segments.at(-1) as string, (file) => file.truncate(100))
    return { sys, segments }
  }
  const whole = damagedWorld()
  const before = whole.sys.disk.operations
  expect(repairLog(whole.sys, FOLDER)).toHaveLength(2)
  const operations = whole.sys.disk.operations - before
  const expected = checkRepaired(whole.sys)
  for (let operation = 1; operation <= operations; operation += 1) {
    const { sys, segments } = damagedWorld()
    const original = bytesOf(sys, segments[0] as string)
    sys.disk.crashAt(sys.disk.operations + operation)
    expect(() => repairLog(sys, FOLDER)).toThrow(PowerLoss)
    const after = restartSys(sys, operation)
    repairLog(after, FOLDER)
    expect(checkRepaired(after), `operation ${operation}`).toEqual(expected)
    const kept = files(after).filter(
      (file) => file.includes('.log.cut-') && file.startsWith(segments[0] as string),
    )
    expect(kept.map((file) => bytesOf(after, file).length).every((length) => length <= original.length)).toBe(
      true,
    )
    expect(kept.length).toBeGreaterThan(0)
  }
})
