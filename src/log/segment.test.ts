import { beforeEach, describe, expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { decodeRecords } from '../record/batch-reader.ts'
import { RecordedLines } from '../sim/sim-sys.ts'
import type { DiskFile } from '../sys/disk.ts'
import { MemoryDisk } from '../sys/memory/memory-disk.ts'
import { nodeSys } from '../sys/node/node-sys.ts'
import type { Log, LogOptions, LogPartition, LogTopic } from './log.ts'
import { openLog } from './open.ts'

/** The rules of segments and their files, as a log shows them. */
const SEGMENT_BYTES = 2_000

let disk: MemoryDisk
let log: Log

function open(options: LogOptions = {}): Log {
  return openLog({ ...nodeSys({ disk }), lines: new RecordedLines() }, '/log', options)
}

beforeEach(() => {
  disk = new MemoryDisk()
  log = open()
  log.createTopic('t', { partitions: 1, segmentBytes: SEGMENT_BYTES }, () => {})
})

function partition(of = log): LogPartition {
  return (of.topic('t') as LogTopic).partitions[0] as LogPartition
}

/** A batch of records with these times, of about `bytes` bytes together. */
function append(times: readonly number[], bytes = 20, to = log): void {
  const builder = new BatchBuilder()
  for (const time of times) builder.appendText(time, null, 'x'.repeat(Math.ceil(bytes / times.length)))
  const batch = { topic: (to.topic('t') as LogTopic).id, partition: 0, bytes: builder.build() }
  to.append([batch], (error) => expect(error).toBeUndefined())
}

function offsetsAt(from: number, bytesMax = 1, of = log): number[] {
  const read = partition(of).read(from, bytesMax)
  return read === undefined ? [] : [...decodeRecords(read.bytes)].map(({ offset }) => offset)
}

function filesOf(suffix: string, folder = '/log'): string[] {
  return disk
    .list(folder)
    .flatMap((name) => {
      const path = `${folder}/${name}`
      if (disk.size(path) === undefined) return filesOf(suffix, path)
      return path.endsWith(suffix) ? [path] : []
    })
    .sort()
}

function change(path: string, run: (file: DiskFile) => void): void {
  const file = disk.open(path, 'write')
  run(file)
  file.close()
}

describe('the files of a partition', () => {
  test('have the name of their first offset in twenty digits, as in Kafka', () => {
    for (let n = 0; n < 5; n += 1) append([n], 900)
    log.close(() => {})
    const bases = filesOf('.log').map((path) => path.slice(path.lastIndexOf('/') + 1))
    expect(bases).toEqual([
      '00000000000000000000.log',
      '00000000000000000002.log',
      '00000000000000000004.log',
    ])
    expect(filesOf('.index').map((path) => path.replace('.index', '.log'))).toEqual(filesOf('.log'))
    expect(filesOf('.timeindex').map((path) => path.replace('.timeindex', '.log'))).toEqual(filesOf('.log'))
  })

  test('a segment takes no batch that makes it longer than segmentBytes, but any batch as its only one', () => {
    append([1], 3 * SEGMENT_BYTES)
    append([2], 100)
    append([3], 3 * SEGMENT_BYTES)
    expect(partition().segmentCount).toBe(3)
    append([4], 100)
    append([5], 100)
    expect(partition().segmentCount).toBe(4)
    for (const path of filesOf('.log').slice(1, 2)) expect(disk.size(path)).toBeLessThan(SEGMENT_BYTES)
    for (let offset = 0; offset < 5; offset += 1) expect(offsetsAt(offset)).toContain(offset)
  })

  test('hold the batches one after the other, with nothing between or behind', () => {
    for (let n = 0; n < 3; n += 1) append([n, n], 100)
    const [path = ''] = filesOf('.log')
    expect(disk.size(path)).toBe(partition().sizeBytes)
    expect(partition().read(0, 1 << 20)?.bytes.length).toBe(partition().sizeBytes)
  })
})

describe('a read', () => {
  test('from inside of a batch begins with that batch', () => {
    append([1, 2, 3])
    append([4, 5, 6])
    expect(offsetsAt(1)).toEqual([0, 1, 2])
    expect(offsetsAt(5)).toEqual([3, 4, 5])
  })

  test('takes whole batches, as many as fit, and one at least', () => {
    for (let n = 0; n < 4; n += 1) append([n], 100)
    const one = partition().sizeBytes / 4
    expect(offsetsAt(0, 1)).toEqual([0])
    expect(offsetsAt(0, one * 2)).toEqual([0, 1])
    expect(offsetsAt(0, one * 4)).toEqual([0, 1, 2, 3])
  })

  test('goes on in the next segment, from every offset, also over one open file', () => {
    for (let n = 0; n < 30; n += 1) append([n, n], 300)
    expect(partition().segmentCount).toBeGreaterThan(3)
    log.close(() => {})
    log = open({ openFilesMax: 1 })
    for (let from = 0; from < 60; from += 1) {
      const seen: number[] = []
      for (let at = from; at < 60; ) {
        const read = partition().read(at, 500)
        for (const { offset } of decodeRecords(read?.bytes ?? new Uint8Array(0)))
          if (offset >= at) seen.push(offset)
        at = read?.next ?? 60
      }
      expect(seen).toEqual(Array.from({ length: 60 - from }, (_, index) => from + index))
    }
  })

  test('of the end is nothing, and beyond the ends an error with the range', () => {
    append([1, 2])
    expect(partition().read(2, 100)).toBeUndefined()
    expect(() => partition().read(3, 100)).toThrow(/3/)
    expect(() => partition().read(-1, 100)).toThrow(/0/)
  })
})

describe('an offset by time', () => {
  test('is that of the first batch with a record of that time or later', () => {
    append([10, 20])
    append([30, 40])
    append([50])
    expect([0, 20, 21, 40, 41, 50].map((time) => partition().offsetForTime(time))).toEqual([0, 0, 2, 2, 4, 4])
    expect(partition().offsetForTime(51)).toBe(5)
  })

  test('goes by the greatest time of a batch, also where times go back, over many segments', () => {
    const times = Array.from({ length: 40 }, (_, n) => (n % 7 === 0 ? n * 10 - 65 : n * 10))
    for (const time of times) append([time], 400)
    expect(partition().segmentCount).toBeGreaterThan(5)
    const expected = (time: number): number => {
      const at = times.findIndex((one) => one >= time)
      return at < 0 ? times.length : at
    }
    for (let time = -100; time < 420; time += 7)
      expect(partition().offsetForTime(time), `${time}`).toBe(expected(time))
    log.close(() => {})
    log = open()
    for (let time = -100; time < 420; time += 7)
      expect(partition().offsetForTime(time), `${time}`).toBe(expected(time))
  })
})

describe('index files', () => {
  test.each(['.index', '.timeindex'])(
    '%s that are missing, cut or of nonsense change no answer',
    (suffix) => {
      for (let n = 0; n < 60; n += 1) append([n * 10], 400)
      log.close(() => {})
      const answers = (): unknown => {
        log = open()
        const result = Array.from({ length: 60 }, (_, n) => [
          offsetsAt(n),
          partition().offsetForTime(n * 10 - 5),
        ])
        log.close(() => {})
        return result
      }
      const whole = answers()
      const [first = '', second = '', third = ''] = filesOf(suffix)
      disk.remove(first)
      change(second, (file) => file.truncate(5))
      change(third, (file) => file.write(new Uint8Array(64).fill(0x7f), 0))
      expect(answers()).toEqual(whole)
    },
  )
})

describe('damage', () => {
  test('of a head is an error with file and position; later segments are readable', () => {
    for (let n = 0; n < 6; n += 1) append([n], 700)
    const [first = ''] = filesOf('.log')
    const one = (disk.size(first) ?? 0) / 2
    log.close(() => {})
    change(first, (file) => file.write(Uint8Array.of(9), one + 16))
    log = open()
    expect(() => partition().read(1, 100)).toThrow(`${first}:${one}: magic is 9, expected 2`)
    expect([2, 3, 4, 5].flatMap((offset) => offsetsAt(offset))).toEqual([2, 3, 4, 5])
  })

  test('of a record is found where reads are verified', () => {
    append([1], 100)
    log.close(() => {})
    const [path = ''] = filesOf('.log')
    change(path, (file) => file.write(Uint8Array.of(0), 90))
    log = open({ verifyReads: true })
    expect(() => partition().read(0, 100)).toThrow(`${path}:0`)
  })
})
