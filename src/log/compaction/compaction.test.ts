import { beforeEach, describe, expect, test } from 'vitest'
import { BatchBuilder, type BatchSettings } from '../../record/batch-builder.ts'
import { batchPositions, readBatchHeader } from '../../record/batch-header.ts'
import { decodeRecords } from '../../record/batch-reader.ts'
import { controlBatch } from '../../record/control-batch.ts'
import type { TopicSettings } from '../../record/topic-settings.ts'
import { type SimSys, simSys } from '../../sim/sim-sys.ts'
import type { HousekeepingReport } from '../housekeeping.ts'
import type { Log, LogOptions, LogPartition } from '../log.ts'
import { openLog } from '../open.ts'
import type { Partition } from '../partition.ts'
import { LogVerifier } from '../verify.ts'

const NOW = 1_000_000
const HOUR = 3_600_000

let sys: SimSys
let log: Log
let partition: LogPartition

beforeEach(() => {
  sys = simSys(1, { now: NOW })
  open()
})

function open(options: LogOptions = {}): void {
  log = openLog(sys, '/log', options)
  partition = log.topic('t')?.partitions[0] as LogPartition
}

function reopen(options: LogOptions = {}): void {
  log.close((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  open(options)
}

function create(settings: Partial<TopicSettings> = {}): void {
  const all = {
    partitions: 1,
    segmentBytes: 1024,
    cleanup: 'compact',
    minCleanableDirtyRatio: 0,
    ...settings,
  } as const
  log.createTopic('t', all, (error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  partition = log.topic('t')?.partitions[0] as LogPartition
}

function put(bytes: Uint8Array): Error | undefined {
  let failed: Error | undefined
  log.append([{ topic: partition.topic.id, partition: 0, bytes }], (error) => {
    failed = error
  })
  sys.time.runUntilIdle()
  return failed
}

/** One record of about 100 bytes; a value of null is a tombstone. */
function append(key: string, value: string | null, settings: BatchSettings = {}): void {
  const builder = new BatchBuilder(512)
  builder.appendText(sys.clock.now(), key, value === null ? null : value.padEnd(80, '.'))
  expect(put(builder.build(settings))).toBeUndefined()
}

/** Begins a new segment. */
function roll(): void {
  const { segmentCount } = partition
  while (partition.segmentCount === segmentCount) append(`filler ${partition.end}`, 'x')
}

function compact(): HousekeepingReport {
  let found: HousekeepingReport | undefined
  log.housekeeping.runOnce((error, report) => {
    expect(error).toBeUndefined()
    found = report
  })
  sys.time.runUntilIdle()
  return found as HousekeepingReport
}

function rows(): string[] {
  return batches().flatMap(({ bytes }) =>
    decodeRecords(bytes).map(({ offset, key, value }) => {
      const shown = value === null ? 'null' : Buffer.from(value).toString().replace(/[.]+$/, '')
      return `${offset} ${Buffer.from(key ?? []).toString()}=${shown}`
    }),
  )
}

const kept = () => rows().filter((row) => !row.includes('filler'))

function batches(): { readonly bytes: Uint8Array; readonly header: ReturnType<typeof readBatchHeader> }[] {
  const found = []
  for (let from = partition.start; ; ) {
    const read = partition.read(from, 1)
    if (read === undefined) return found
    for (const at of batchPositions(read.bytes))
      found.push({ bytes: read.bytes, header: readBatchHeader(read.bytes, at) })
    from = read.next
  }
}

describe('what stays', () => {
  test('the latest record of each key, at its offset; readers find every offset', () => {
    create()
    for (const value of ['1', '2', '3']) for (const key of ['a', 'b']) append(key, value)
    append('c', '1')
    roll()
    compact()
    expect(kept()).toEqual(['4 a=3', '5 b=3', '6 c=1'])
    for (let offset = 0; offset < partition.end; offset += 1) {
      const read = partition.read(offset, 1)
      expect(read?.from).toBeLessThanOrEqual(offset)
      expect(read?.next).toBeGreaterThan(offset)
    }
  })

  test('the active segment is not touched', () => {
    create({ segmentBytes: 1 << 20 })
    append('a', '1')
    append('a', '2')
    expect(compact().work).toEqual([])
    expect(kept()).toEqual(['0 a=1', '1 a=2'])
  })

  test('a batch keeps its offsets, producer and compression; only the records that went are missing', () => {
    create()
    const builder = new BatchBuilder()
    for (const key of ['a', 'b', 'a', 'c', 'b'])
      builder.appendText(NOW + builder.count, key, `${builder.count}`)
    expect(
      put(builder.build({ compression: 'zstd', producerId: 5, producerEpoch: 2, baseSequence: 0 })),
    ).toBeUndefined()
    const [before] = batches()
    append('c', 'last')
    roll()
    compact()
    const [after] = batches()
    expect(after?.header).toMatchObject({
      baseOffset: 0,
      lastOffset: 4,
      recordCount: 2,
      compression: 'zstd',
      producerId: 5,
      producerEpoch: 2,
      baseSequence: 0,
      maxTimestamp: NOW + 4,
      leaderEpoch: before?.header.leaderEpoch,
    })
    expect(kept()).toEqual(['2 a=2', '4 b=4', '5 c=last'])
  })

  test('segments that shrank are merged, up to the size of one', () => {
    create()
    for (let index = 0; index < 60; index += 1) append(`k${index % 3}`, `${index}`)
    const before = partition.segmentCount
    compact()
    const { segments } = partition as Partition
    expect(before).toBeGreaterThan(5)
    expect(partition.segmentCount).toBe(2)
    for (const { sizeBytes } of segments) expect(sizeBytes).toBeLessThanOrEqual(1024)
    const files = sys.disk.list(`/log/topics/${partition.topic.id}-0`)
    expect(files.filter((name) => name.endsWith('.log'))).toHaveLength(partition.segmentCount)
    expect(files.filter((name) => name.includes('cleaned'))).toEqual([])
  })

  test('records without a key that were there before stay', () => {
    create({ cleanup: 'delete' })
    const builder = new BatchBuilder()
    builder.append(NOW, null, new Uint8Array(5))
    put(builder.build())
    append('a', '1')
    append('a', '2')
    roll()
    log.alterTopic('t', { cleanup: 'compact' }, () => {})
    sys.time.runUntilIdle()
    compact()
    expect(kept().map((row) => row.slice(0, 4))).toEqual(['0 =\0', '2 a='])
  })

  test('with a small memory for keys in several passes, with the same result', () => {
    const result = (compactionBytesMax: number) => {
      sys = simSys(1, { now: NOW })
      open({ compactionBytesMax })
      create({ segmentBytes: 4096 })
      for (let index = 0; index < 300; index += 1) append(`k${(index * 7) % 90}`, `${index}`)
      compact()
      expect((partition as Partition).cleanedTo).toBe((partition as Partition).active.base)
      return rows()
    }
    expect(result(256)).toEqual(result(1 << 20))
  })
})

describe('tombstones', () => {
  test('stay deleteRetentionMs after they were first cleaned, then go, and the partition remembers', () => {
    create({ deleteRetentionMs: HOUR })
    append('a', '1')
    append('a', null)
    append('b', '1')
    roll()
    sys.time.advance(10 * HOUR)
    compact()
    expect(kept()).toEqual(['1 a=null', '2 b=1'])
    const tombstone = batches().find(({ header }) => header.lastOffset === 1)
    expect(tombstone?.header.attributes).toBe(0x40)
    expect(tombstone?.header.baseTimestamp).toBe(sys.clock.now() + HOUR)
    expect(decodeRecords(tombstone?.bytes as Uint8Array)[0]?.timestamp).toBe(NOW)

    sys.time.advance(HOUR - 1)
    roll()
    compact()
    expect(kept()).toEqual(['1 a=null', '2 b=1'])
    expect((partition as Partition).removedTombstone).toBe(null)
    sys.time.advance(1)
    roll()
    compact()
    expect(kept()).toEqual(['2 b=1'])
    expect((partition as Partition).removedTombstone).toBe(1)
    reopen()
    expect((partition as Partition).removedTombstone).toBe(1)
  })
})

describe('transactions', () => {
  const data = (producerId: number, baseSequence: number, key: string) =>
    append(key, `of ${producerId}`, { producerId, producerEpoch: 0, baseSequence, transactional: true })
  const end = (producerId: number, kind: 'commit' | 'abort') =>
    expect(put(controlBatch(producerId, 0, kind, 1, sys.clock.now()))).toBeUndefined()
  const markers = () => batches().filter(({ header }) => header.control && header.recordCount > 0).length

  test('aborted records go and replace nothing; their marker goes later', () => {
    create({ deleteRetentionMs: HOUR })
    append('a', '1')
    data(7, 0, 'a')
    end(7, 'abort')
    data(8, 0, 'b')
    end(8, 'commit')
    roll()
    compact()
    expect(kept()).toEqual(['0 a=1', '3 b=of 8'])
    // Its batch was there when this cleaning began.
    expect(markers()).toBe(2)
    // The last batch of a producer stays, without records; so the marker stays as well until the producer goes on.
    data(7, 1, 'c')
    end(7, 'commit')
    const wait = (ms: number) => {
      sys.time.advance(ms)
      roll()
      compact()
    }
    wait(0)
    wait(0)
    expect(markers()).toBe(3)
    wait(HOUR)
    expect(markers()).toBe(2)
    expect(kept()).toEqual(['0 a=1', '3 b=of 8', expect.stringContaining('c=of 7')])
    expect(partition.aborted(0, partition.end)).toEqual([])
    const verifier = new LogVerifier(log)
    while (verifier.step());
    expect(verifier.report().findings).toEqual([])
  })

  test('nothing is cleaned from the first open transaction on', () => {
    create()
    append('a', '1')
    append('a', '2')
    roll()
    data(7, 0, 'z')
    append('b', '1')
    append('b', '2')
    roll()
    compact()
    expect(kept().filter((row) => !row.includes('z'))).toEqual([
      '1 a=2',
      expect.stringContaining('b=1'),
      expect.stringContaining('b=2'),
    ])
    end(7, 'commit')
    roll()
    compact()
    expect(kept().filter((row) => row.includes('b='))).toHaveLength(1)
  })

  test('the states of producers survive: a batch that comes twice is known, the next one continues', () => {
    create()
    const twice = (): Uint8Array => {
      const builder = new BatchBuilder()
      builder.appendText(NOW, 'a', '1')
      return builder.build({ producerId: 9, producerEpoch: 0, baseSequence: 0 })
    }
    put(twice())
    append('a', '2')
    roll()
    compact()
    expect(kept()).toEqual(['1 a=2'])
    expect(batches()[0]?.header).toMatchObject({ producerId: 9, recordCount: 0, lastOffset: 0 })
    for (const reopened of [false, true]) {
      if (reopened) reopen()
      const { end: before } = partition
      expect(log.append([{ topic: partition.topic.id, partition: 0, bytes: twice() }], () => {})).toEqual([0])
      sys.time.runUntilIdle()
      expect(partition.end).toBe(before)
    }
    append('a', '3', { producerId: 9, producerEpoch: 0, baseSequence: 1 })
    append('b', '1')
    roll()
    compact()
    // Another batch is its last one now.
    expect(batches()[0]?.header.producerId).toBe(-1)
  })
})

describe('when', () => {
  test('by the part that is new', () => {
    create({ minCleanableDirtyRatio: 0.5, segmentBytes: 1024 })
    for (let index = 0; index < 40; index += 1) append(`k${index}`, '1')
    expect(compact().work).toHaveLength(1)
    roll()
    expect(compact().work).toEqual([])
    while (
      ((partition as Partition).active.base - (partition as Partition).cleanedTo) * 1.1 <
      (partition as Partition).cleanedTo
    )
      roll()
    expect(compact().work).toHaveLength(1)
  })

  test('minCompactionLagMs keeps young records as they are', () => {
    create({ minCompactionLagMs: HOUR })
    append('a', '1')
    append('a', '2')
    roll()
    expect(compact().work).toEqual([])
    sys.time.advance(HOUR + 1)
    compact()
    expect(kept()).toEqual(['1 a=2'])
  })

  test('maxCompactionLagMs closes the active segment, and does not wait for the ratio', () => {
    create({ maxCompactionLagMs: HOUR, minCleanableDirtyRatio: 1 })
    append('a', '1')
    append('a', '2')
    compact()
    expect(kept()).toHaveLength(2)
    sys.time.advance(HOUR + 1)
    compact()
    compact()
    expect(kept()).toEqual(['1 a=2'])
  })

  test('compact,delete does both', () => {
    create({ cleanup: 'compact,delete', retentionMs: HOUR })
    append('a', '1')
    append('a', '2')
    append('old', '1')
    roll()
    compact()
    expect(kept()).toEqual(['1 a=2', '2 old=1'])
    sys.time.advance(2 * HOUR)
    append('a', '3')
    compact()
    expect(kept()).toEqual([expect.stringContaining('a=3')])
  })

  test('compact,delete: what compaction left goes by its own age, also where it replaced something younger', () => {
    create({ cleanup: 'compact,delete', retentionMs: HOUR, segmentMs: HOUR / 4 })
    sys.time.advance(2 * HOUR)
    append('a', '1')
    const late = new BatchBuilder(512)
    late.appendText(sys.clock.now() - HOUR, 'a', '2')
    expect(put(late.build())).toBeUndefined()
    sys.time.advance(HOUR / 2)
    append('b', '1')
    compact()
    expect(kept()).toEqual(['1 a=2', '2 b=1'])
    compact()
    expect(partition.start).toBe(2)
    expect(kept()).toEqual(['2 b=1'])
  })

  test('an append to a compacted topic without a key is refused, also in a packed batch', () => {
    create()
    for (const compression of ['none', 'gzip'] as const) {
      const builder = new BatchBuilder()
      builder.appendText(NOW, 'a', '1')
      builder.appendText(NOW, null, '2')
      const bytes = builder.build({ compression })
      expect(() => log.append([{ topic: partition.topic.id, partition: 0, bytes }], () => {})).toThrow(
        /record 1 of a batch for t-0 has no key, but the topic is compacted/,
      )
    }
    expect(partition.end).toBe(0)
  })
})

describe('beside', () => {
  test('appends, and a start that moves, while the new file is synced', () => {
    create()
    for (let index = 0; index < 40; index += 1) append(`k${index % 4}`, `${index}`)
    sys.disk.delaySync(3)
    log.housekeeping.runOnce(() => {})
    append('k0', 'new')
    partition.cutBefore(12)
    for (let index = 0; index < 5; index += 1) append('k1', `newer ${index}`)
    sys.time.runUntilIdle()
    compact()
    expect(partition.start).toBe(12)
    expect(kept().at(-1)).toContain('k1=newer 4')
    reopen()
    expect(log.recovery.clean).toBe(true)
    expect(kept().at(-1)).toContain('k1=newer 4')
  })

  test.each([1, 2, 3, 4, 5, 6])(
    'a start that passes the old segments %i ms after the cleaning began',
    (ms) => {
      create()
      for (let index = 0; index < 40; index += 1) append(`k${index % 4}`, `${index}`)
      sys.disk.delaySync(3)
      const { base } = (partition as Partition).active
      log.housekeeping.runOnce((error) => expect(error).toBeUndefined())
      sys.time.advance(ms)
      partition.cutBefore(base)
      sys.time.runUntilIdle()
      expect(partition.start).toBe(base)
      expect((partition as Partition).segments.map((segment) => segment.base)).toEqual([base])
      const before = rows()
      const logs = sys.disk
        .list(`/log/topics/${partition.topic.id}-0`)
        .filter((name) => name.includes('.log'))
      expect(logs).toHaveLength(1)
      reopen()
      expect(rows()).toEqual(before)
    },
  )

  test('a log that closes meanwhile leaves no file behind', () => {
    create()
    for (let index = 0; index < 40; index += 1) append(`k${index % 4}`, `${index}`)
    sys.disk.delaySync(3)
    log.housekeeping.runOnce(() => {})
    reopen()
    const files = sys.disk.list(`/log/topics/${partition.topic.id}-0`)
    expect(files.filter((name) => name.includes('cleaned'))).toEqual([])
    compact()
    expect(
      kept()
        .map((row) => row.split(' ')[1])
        .sort()
        .slice(0, 1),
    ).toHaveLength(1)
  })

  test('damage is found before it is written anew, and nothing is lost by it', () => {
    create()
    for (let index = 0; index < 20; index += 1) append(`k${index % 4}`, `${index}`)
    const file = `/log/topics/${partition.topic.id}-0/00000000000000000000.log`
    reopen()
    const before = sys.disk.size(file)
    sys.disk.flipBit(file, 75)
    const [work] = compact().work
    expect(work?.error).toMatch(/damaged at .*00000000000000000000[.]log:0: bad checksum/)
    expect(sys.disk.size(file)).toBe(before)
  })

  test('a full disk leaves all as it was, and the next round succeeds', () => {
    create()
    for (let index = 0; index < 20; index += 1) append(`k${index % 4}`, `${index}`)
    const before = rows()
    sys.disk.diskFull(0)
    expect(compact().work[0]?.error).toMatch(/disk|space/i)
    expect(rows()).toEqual(before)
    sys.disk.diskFull(Number.POSITIVE_INFINITY)
    expect(compact().work[0]?.error).toBeUndefined()
    expect(kept().length).toBeLessThan(before.length)
  })
})
