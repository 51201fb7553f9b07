import { describe, expect, test } from 'vitest'
import { isMillraceError } from '../base/errors.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import { SimDisk } from '../sim/sim-disk.ts'
import { RecordedLines } from '../sim/sim-sys.ts'
import type { Disk } from '../sys/disk.ts'
import { MemoryDisk } from '../sys/memory/memory-disk.ts'
import { nodeSys } from '../sys/node/node-sys.ts'
import type { Sys } from '../sys/sys.ts'
import type { Log, LogTopic } from './log.ts'
import { openLog } from './open.ts'
import { LogVerifier } from './verify.ts'

function quietSys(disk: Disk): Sys {
  return { ...nodeSys({ disk }), lines: new RecordedLines() }
}

const FOLDER = '/log'
const ALL_SURVIVES = {
  entrySurvives: () => true,
  bytesSurviving: (length: number) => length,
  lengthSurvives: () => true,
}

function open(disk: MemoryDisk): Log {
  return openLog(quietSys(disk), FOLDER, { verifyReads: true, segmentFirstBytes: 900 })
}

function batchOf(value: string): Uint8Array {
  const builder = new BatchBuilder(256)
  builder.appendText(5, null, value)
  return builder.build()
}

function append(log: Log, name: string, ...values: string[]): void {
  const topic = log.topic(name) as LogTopic
  const batches = values.map((value, partition) => ({ topic: topic.id, partition, bytes: batchOf(value) }))
  log.append(batches, (error) => expect(error).toBeUndefined())
}

/** Some groups of one and of two partitions, journaled and segment-first. */
function fill(): { disk: MemoryDisk; log: Log } {
  const disk = new MemoryDisk({ durable: true })
  const log = open(disk)
  log.createTopic('a', { partitions: 2, segmentBytes: 1500 }, () => {})
  append(log, 'a', 'one', 'two')
  append(log, 'a', 'large'.repeat(200))
  append(log, 'a', 'three')
  append(log, 'a', 'four', 'five')
  return { disk, log }
}

/** Everything that readers get. */
function contentOf(log: Log): string {
  const rows: string[] = []
  for (const topic of log.topics()) {
    for (const partition of topic.partitions) {
      for (let from = partition.start; ; ) {
        const read = partition.read(from, 1 << 20)
        if (read === undefined) break
        rows.push(`${topic.name}-${partition.index}@${read.from}:${Buffer.from(read.bytes).toString('hex')}`)
        from = read.next
      }
    }
  }
  return rows.join('\n')
}

function files(disk: MemoryDisk, folder = FOLDER): string[] {
  return disk.list(folder).flatMap((name) => {
    const path = `${folder}/${name}`
    return disk.size(path) === undefined ? files(disk, path) : [path]
  })
}

/** `same`, `cut` with a report, or `error` that names a file and a position. */
function outcome(disk: MemoryDisk, whole: string): string {
  try {
    const log = open(disk)
    const content = contentOf(log)
    if (content === whole) return 'same'
    if (log.recovery.tailsCut.length === 0) return `silent: ${content}`
    return whole.startsWith(content.split('\n')[0] ?? '') ? 'cut' : `wrong: ${content}`
  } catch (error) {
    if (!isMillraceError(error)) throw error
    const expected = error.code === 'MILLRACE_CORRUPT' || error.code === 'MILLRACE_NEWER_FORMAT'
    return expected && /[/]log[/][^ ]*(:[0-9]+)?/.test(error.message) ? 'error' : error.message
  }
}

function copyOf(disk: MemoryDisk): MemoryDisk {
  return disk.crash(ALL_SURVIVES)
}

function change(disk: MemoryDisk, path: string, run: (file: ReturnType<MemoryDisk['open']>) => void): void {
  const file = disk.open(path, 'write')
  run(file)
  file.close()
}

function flip(disk: MemoryDisk, path: string, position: number, bit: number): void {
  change(disk, path, (file) => {
    const byte = new Uint8Array(1)
    file.read(byte, position)
    byte[0] = (byte[0] as number) ^ (1 << bit)
    file.write(byte, position)
  })
}

/** Only the first bytes of a journal file are entries; the rest is room. */
function usedBytes(disk: MemoryDisk, path: string): number {
  const bytes = new Uint8Array(disk.size(path) ?? 0)
  disk.open(path, 'read').read(bytes, 0)
  // An entry may end with zeros, and is padded with them.
  return bytes.findLastIndex((byte) => byte !== 0) + 9
}

describe('a flipped bit', () => {
  test('in a log that was closed: every one in segments, journal and format is found', () => {
    const { disk, log } = fill()
    const whole = contentOf(log)
    log.close((error) => expect(error).toBeUndefined())
    const seen = new Map<string, number>()
    for (const path of files(disk)) {
      for (let position = 0; position < (disk.size(path) ?? 0); position += 1) {
        const damaged = copyOf(disk)
        flip(damaged, path, position, position % 8)
        const result = outcome(damaged, whole)
        const where = `${path}:${position}`
        if (path.endsWith('index')) expect(result, where).toBe('same')
        // The format's text may change without changing its sense (a blank), and padding has none.
        else if (path.endsWith('json') || result === 'same')
          expect(['same', 'error'], where).toContain(result)
        else expect(result, where).toBe('error')
        seen.set(result, (seen.get(result) ?? 0) + 1)
        if (/[.]log$/.test(path)) expect(result, where).toBe('error')
      }
    }
    expect(seen.get('error')).toBeGreaterThan(1000)
  })

  test('in the journal of a log that was closed, where removed files may come back (simulation, seed 2002554)', () => {
    const memory = new MemoryDisk({ durable: true })
    const full = new SimDisk(1, { disk: memory })
    const log = openLog(quietSys(full), FOLDER, { verifyReads: true, journalBytesMax: 100 })
    log.createTopic('a', { partitions: 1 }, () => {})
    const topic = (log.topic('a') as LogTopic).id
    // The journal goes on in a second file, but there is no room for the checkpoint: the first one stays.
    full.diskFull(0)
    log.append([{ topic, partition: 0, bytes: batchOf('refused') }], (error) => expect(error).toBeDefined())
    full.diskFull(Number.POSITIVE_INFINITY)
    append(log, 'a', 'one')
    const whole = contentOf(log)
    const [oldest, ...newer] = files(memory).filter((path) => path.endsWith('.journal'))
    expect(newer).toHaveLength(1)
    log.close((error) => expect(error).toBeUndefined())
    const left = memory.crash({ ...ALL_SURVIVES, entrySurvives: (path) => path !== oldest })
    const journal = files(left).findLast((path) => path.endsWith('.journal')) as string
    for (let position = 0; position < (left.size(journal) ?? 0); position += 1) {
      const damaged = copyOf(left)
      flip(damaged, journal, position, position % 8)
      expect(['same', 'error'], `${journal}:${position}`).toContain(outcome(damaged, whole))
    }
  })

  test('after a crash: what was acknowledged before the last sync is never cut', () => {
    const { disk, log } = fill()
    const whole = contentOf(log)
    const journal = files(disk).find((path) => path.endsWith('.journal')) as string
    const used = usedBytes(disk, journal)
    const results: string[] = []
    for (let position = 0; position < used; position += 1) {
      const damaged = copyOf(disk)
      flip(damaged, journal, position, position % 8)
      const result = outcome(damaged, whole)
      expect(['same', 'cut', 'error'], `${journal}:${position}: ${result}`).toContain(result)
      results.push(result)
    }
    // Only the last entry may count as torn: it could be the one whose sync the power cut ended.
    const firstCut = results.indexOf('cut')
    expect(results.slice(0, firstCut)).not.toContain('cut')
    expect(results.slice(firstCut)).not.toContain('error')
    expect(used - firstCut).toBeLessThan(400)
  })

  test('is found by the verifier, with file and position', () => {
    const { disk, log } = fill()
    log.close(() => {})
    const segment = files(disk).find((path) => path.endsWith('.log')) as string
    flip(disk, segment, 70, 3)
    const verifier = new LogVerifier(open(disk))
    while (verifier.step());
    const { findings, batches, records, bytes } = verifier.report()
    expect(findings).toHaveLength(1)
    expect(findings[0]).toMatchObject({ partition: 'a-0', file: segment, position: 0 })
    expect(findings[0]?.what).toContain('bad checksum')
    expect(batches).toBe(6)
    expect(records).toBe(6)
    expect(verifier.progress).toEqual({ bytesDone: bytes, bytesTotal: bytes })
  })
})

describe('a file that is cut', () => {
  test('a segment of a closed log, at every byte: an error', () => {
    const { disk, log } = fill()
    const whole = contentOf(log)
    log.close(() => {})
    for (const path of files(disk).filter((each) => each.endsWith('.log'))) {
      for (let size = 0; size < (disk.size(path) ?? 0); size += 7) {
        const damaged = copyOf(disk)
        change(damaged, path, (file) => file.truncate(size))
        expect(outcome(damaged, whole), `${path} to ${size}`).toBe('error')
      }
    }
  })

  test('the journal after a crash, at every byte: a prefix, and said where bytes were lost', () => {
    const { disk, log } = fill()
    const whole = contentOf(log)
    const journal = files(disk).find((path) => path.endsWith('.journal')) as string
    const used = usedBytes(disk, journal)
    const results = new Set<string>()
    for (let size = 0; size <= used; size += 1) {
      const damaged = copyOf(disk)
      change(damaged, journal, (file) => file.truncate(size))
      const result = outcome(damaged, whole)
      results.add(result)
      expect(['same', 'cut', 'error'], `to ${size}: ${result}`).toContain(result)
    }
    expect([...results].sort()).toEqual(['cut', 'error', 'same'])
  })

  test('a segment after a crash, at every byte: the journal has the bytes, or it is an error', () => {
    const { disk, log } = fill()
    const whole = contentOf(log)
    const results = new Set<string>()
    for (const path of files(disk).filter((each) => each.endsWith('.log'))) {
      for (let size = 0; size < (disk.size(path) ?? 0); size += 1) {
        const damaged = copyOf(disk)
        change(damaged, path, (file) => file.truncate(size))
        const result = outcome(damaged, whole)
        results.add(result)
        expect(['same', 'error'], `${path} to ${size}: ${result}`).toContain(result)
      }
    }
    expect(results.size).toBe(2)
  })
})

describe('what is missing', () => {
  test('index files are made again', () => {
    const { disk, log } = fill()
    const whole = contentOf(log)
    log.close(() => {})
    for (const path of files(disk).filter((each) => each.endsWith('index'))) disk.remove(path)
    expect(outcome(disk, whole)).toBe('same')
  })

  test('a segment, the journal, the format: errors that name the file', () => {
    for (const end of ['.log', '.journal', '.json']) {
      const { disk, log } = fill()
      log.close(() => {})
      const path = files(disk).find((each) => each.endsWith(end)) as string
      disk.remove(path)
      expect(() => open(disk), path).toThrow(/[/]log[/]/)
    }
  })

  test('an entry of a newer program is refused, not skipped', async () => {
    const { disk, log } = fill()
    log.close(() => {})
    const { checksum } = await import('./checksum.ts')
    const path = files(disk).find((each) => each.endsWith('.journal')) as string
    change(disk, path, (file) => {
      const bytes = Buffer.alloc(file.size())
      file.read(bytes, 0)
      bytes[24] = 99
      bytes.writeUInt32BE(checksum(bytes, 8, bytes.readUInt32BE(0)), 4)
      file.write(bytes, 0)
    })
    expect(() => open(disk)).toThrow(/type 99 version 1, which this program does not know/)
  })

  test('a newer directory is refused', () => {
    const { disk, log } = fill()
    log.close(() => {})
    change(disk, `${FOLDER}/format.json`, (file) => {
      file.truncate(0)
      file.write(Buffer.from('{"format":"millrace-log","version":3}'), 0)
    })
    expect(() => open(disk)).toThrow(/log format 3; this program knows up to 2/)
  })

  test('a second holder is refused', () => {
    const { disk } = fill()
    expect(() => open(disk)).toThrow(/another process, or this one, has the log [/]log open/)
  })
})
