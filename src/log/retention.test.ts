import { beforeEach, describe, expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import type { TopicSettings } from '../record/topic-settings.ts'
import { type SimSys, simSys } from '../sim/sim-sys.ts'
import type { HousekeepingReport } from './housekeeping.ts'
import type { Log, LogOptions, LogPartition, LogTopic } from './log.ts'
import { openLog } from './open.ts'

const HOUR = 3_600_000
const NOW = 1000 * HOUR

let sys: SimSys
let log: Log

beforeEach(() => {
  sys = simSys(1, { now: NOW })
  open()
})

function open(options: LogOptions = {}): void {
  log = openLog(sys, '/log', options)
}

function create(settings: Partial<TopicSettings>, name = 't'): LogPartition {
  log.createTopic(name, { partitions: 1, segmentBytes: 1024, ...settings }, (error) =>
    expect(error).toBeUndefined(),
  )
  sys.time.runUntilIdle()
  return log.topic(name)?.partitions[0] as LogPartition
}

/** One record of about 500 bytes, so two make a segment. */
function append({ topic, index }: LogPartition, timestamp: number, bytes = 400): void {
  const builder = new BatchBuilder(1024)
  builder.appendText(timestamp, `${topic.name}@${timestamp}`, 'x'.repeat(bytes))
  log.append([{ topic: topic.id, partition: index, bytes: builder.build() }], (error) =>
    expect(error).toBeUndefined(),
  )
  sys.time.runUntilIdle()
}

function housekeep(): HousekeepingReport {
  const reports: (HousekeepingReport | undefined)[] = []
  log.housekeeping.runOnce((error, report) => {
    expect(error).toBeUndefined()
    reports.push(report)
  })
  sys.time.runUntilIdle()
  expect(reports).toHaveLength(1)
  return reports[0] as HousekeepingReport
}

function segmentsOf({ topic, index }: LogPartition): string[] {
  return sys.disk
    .list(`/log/topics/${topic.id}-${index}`)
    .filter((name) => name.endsWith('.log'))
    .map((name) => String(Number(name.slice(0, -4))))
}

function reopen(): LogPartition {
  log.close((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  open()
  expect(log.recovery).toMatchObject({ clean: true, tailsCut: [] })
  return log.topic('t')?.partitions[0] as LogPartition
}

describe('segmentMs', () => {
  test('a batch that is so much later begins a segment; one as late as allowed does not', () => {
    const partition = create({ segmentMs: 10, segmentBytes: 1 << 20 })
    for (const time of [100, 110, 105, 111, 90, 121, 122]) append(partition, time, 10)
    expect(segmentsOf(partition)).toEqual(['0', '3', '6'])
  })

  test('counts from the first record also after a restart', () => {
    const partition = create({ segmentMs: 10, segmentBytes: 1 << 20 })
    append(partition, 100, 10)
    append(partition, 109, 10)
    const again = reopen()
    append(again, 110, 10)
    append(again, 111, 10)
    expect(segmentsOf(again)).toEqual(['0', '3'])
  })
})

describe('retention by time', () => {
  test('drops whole segments whose latest record is too old', () => {
    const partition = create({ retentionMs: 10 * HOUR })
    for (const hours of [20, 15, 14, 11, 12, 9, 8, 7]) append(partition, NOW - hours * HOUR)
    expect(segmentsOf(partition)).toEqual(['0', '2', '4', '6'])
    const { work } = housekeep()
    expect(partition.start).toBe(4)
    expect(segmentsOf(partition)).toEqual(['4', '6'])
    expect(work).toMatchObject([{ topic: 't', partition: 0, what: 'retention', error: undefined }])
    expect(work[0]?.bytesDone).toBe(work[0]?.bytesTotal)
    expect(() => partition.read(3, 10)).toThrow(/offset 3 of t-0 is not there: the partition holds 4 to 8/)
    expect(reopen().start).toBe(4)
    expect(housekeep().work).toEqual([])
  })

  test('goes on when time does', () => {
    const partition = create({ retentionMs: 10 * HOUR })
    for (const hours of [9, 8, 2, 1]) append(partition, NOW - hours * HOUR)
    expect(housekeep().work).toEqual([])
    sys.time.advance(3 * HOUR)
    housekeep()
    expect(partition.start).toBe(2)
  })

  test('an active segment that is too old makes way for a new one', () => {
    const partition = create({ retentionMs: 10 * HOUR })
    for (const hours of [30, 20, 15]) append(partition, NOW - hours * HOUR)
    housekeep()
    expect([partition.start, partition.end]).toEqual([3, 3])
    expect(segmentsOf(partition)).toEqual(['3'])
    expect(housekeep().work).toEqual([])
    append(partition, NOW)
    const again = reopen()
    expect([again.start, again.end]).toEqual([3, 4])
    expect(again.read(3, 2000)?.from).toBe(3)
  })

  test('a log that lost its power after an active segment made way opens with nothing in it', () => {
    const partition = create({ retentionMs: 10 * HOUR })
    append(partition, NOW - 20 * HOUR)
    housekeep()
    const again = openLog({ ...sys, disk: sys.disk.restart(1, sys.time) }, '/log')
    const [found] = (again.topic('t') as LogTopic).partitions
    expect([found?.start, found?.end]).toEqual([1, 1])
    expect(again.recovery.clean).toBe(false)
  })

  test('null keeps for ever, and so does compaction alone', () => {
    const kept = create({})
    const compacted = create({ cleanup: 'compact', retentionMs: 1 }, 'c')
    for (const partition of [kept, compacted]) for (let time = 0; time < 6; time += 1) append(partition, time)
    expect(housekeep().work.filter(({ what }) => what === 'retention')).toEqual([])
    expect([kept.start, compacted.start]).toEqual([0, 0])
  })

  test('a changed setting counts from the next round on', () => {
    const partition = create({})
    for (let time = 0; time < 6; time += 1) append(partition, time)
    log.alterTopic('t', { retentionMs: 0, cleanup: 'compact,delete' }, () => {})
    sys.time.runUntilIdle()
    housekeep()
    expect(partition.start).toBe(6)
  })
})

describe('retention by size', () => {
  test('drops the oldest segments without which enough is left, never the active one', () => {
    const partition = create({ retentionBytes: 2000 })
    for (let index = 0; index < 9; index += 1) append(partition, index)
    expect(segmentsOf(partition)).toEqual(['0', '2', '4', '6', '8'])
    housekeep()
    // Two whole segments and the active one hold 5 * 470 bytes; one less would be below the limit.
    expect(partition.start).toBe(4)
    expect(segmentsOf(partition)).toEqual(['4', '6', '8'])
    log.alterTopic('t', { retentionBytes: 0 }, () => {})
    sys.time.runUntilIdle()
    housekeep()
    expect(segmentsOf(partition)).toEqual(['8'])
  })
})

describe('the scheduler', () => {
  test('works in the background, within its budget', () => {
    log.close(() => {})
    sys.time.runUntilIdle()
    open({ housekeeping: { intervalMs: 1000, bytesPerSecond: 1000 } })
    const builder = new BatchBuilder(1024)
    log.createTopic('t', { partitions: 1, segmentBytes: 1024, retentionMs: 1000 }, () => {})
    sys.time.advance(0)
    const partition = log.topic('t')?.partitions[0] as LogPartition
    for (let index = 0; index < 20; index += 1) {
      builder.reset()
      builder.appendText(index, null, 'x'.repeat(400))
      log.append([{ topic: partition.topic.id, partition: 0, bytes: builder.build() }], () => {})
      sys.time.advance(0)
    }
    expect(partition.start).toBe(0)
    sys.time.advance(1000)
    // The first step, then about one segment of 940 bytes a second.
    expect(partition.start).toBe(2)
    expect(log.housekeeping.status()).toMatchObject([{ topic: 't', running: true, bytesDone: 940 }])
    sys.time.advance(2000)
    expect(partition.start).toBe(6)
    sys.time.advance(20_000)
    expect(partition.start).toBe(20)
    expect(log.housekeeping.status()).toMatchObject([
      { topic: 't', partition: 0, what: 'retention', running: false, bytesDone: 9400, bytesTotal: 9400 },
    ])
    log.close((error) => expect(error).toBeUndefined())
    sys.time.runUntilIdle()
  })

  test('an append while an old active segment waits for its turn keeps it', () => {
    log.close(() => {})
    sys.time.runUntilIdle()
    open({ housekeeping: { intervalMs: 1000, bytesPerSecond: 500 } })
    const settings = { partitions: 1, segmentBytes: 1024, segmentMs: 10 * NOW, retentionMs: 1000 }
    log.createTopic('t', settings, () => {})
    sys.time.advance(0)
    const partition = log.topic('t')?.partitions[0] as LogPartition
    const put = (timestamp: number) => {
      const builder = new BatchBuilder(1024)
      builder.appendText(timestamp, null, 'x'.repeat(400))
      log.append([{ topic: partition.topic.id, partition: 0, bytes: builder.build() }], () => {})
      sys.time.advance(0)
    }
    put(1)
    put(2)
    put(3)
    sys.time.advance(1000)
    expect(partition.start).toBe(2)
    put(NOW + 5_000)
    sys.time.advance(4_000)
    expect(partition.start).toBe(2)
    log.close(() => {})
  })

  test('a round that was asked for overtakes one that waits for its budget', () => {
    log.close(() => {})
    sys.time.runUntilIdle()
    open({ housekeeping: { intervalMs: 10, bytesPerSecond: 1 } })
    log.createTopic('t', { partitions: 1, segmentBytes: 1024, retentionMs: 1000 }, () => {})
    sys.time.advance(0)
    const partition = log.topic('t')?.partitions[0] as LogPartition
    for (let index = 0; index < 6; index += 1) {
      const builder = new BatchBuilder(1024)
      builder.appendText(index, null, 'x'.repeat(400))
      log.append([{ topic: partition.topic.id, partition: 0, bytes: builder.build() }], () => {})
      sys.time.advance(0)
    }
    sys.time.advance(10)
    expect(partition.start).toBe(2)
    let answered = 0
    log.housekeeping.runOnce((error, report) => {
      answered += 1
      expect(error).toBeUndefined()
      expect(report?.work).toEqual([])
    })
    sys.time.advance(0)
    expect(partition.start).toBe(6)
    expect(answered).toBe(1)
    log.close(() => {})
    sys.time.advance(0)
    log.housekeeping.runOnce((error) => expect(error).toMatchObject({ code: 'MILLRACE_CLOSED' }))
  })

  test('a damaged segment is said once, and the others are looked after', () => {
    const bad = create({ retentionMs: 1 }, 'bad')
    const good = create({ retentionMs: 1 }, 'good')
    for (const partition of [bad, good]) for (let time = 0; time < 3; time += 1) append(partition, time)
    log.close(() => {})
    sys.time.runUntilIdle()
    const folder = `/log/topics/${bad.topic.id}-0`
    for (const name of sys.disk.list(folder)) if (name.endsWith('index')) sys.disk.remove(`${folder}/${name}`)
    const file = sys.disk.open(`${folder}/00000000000000000000.log`, 'write')
    file.write(new Uint8Array(61), 0)
    file.close()
    open()
    const { work } = housekeep()
    expect(work).toMatchObject([{ topic: 'good', error: undefined }])
    housekeep()
    const warnings = sys.lines.all.filter(({ level }) => level === 'warn')
    expect(warnings).toHaveLength(1)
    expect(warnings[0]?.message).toMatch(/retention of bad-0 did not succeed.*is damaged at/)
    expect(log.housekeeping.status().find(({ topic }) => topic === 'bad')?.error).toMatch(/is damaged at/)
  })
})
