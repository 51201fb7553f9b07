import { beforeEach, describe, expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { decodeCommitted } from '../record/committed-filter.ts'
import { controlBatch, type MarkerKind } from '../record/control-batch.ts'
import type { Durability } from '../record/topic-settings.ts'
import { restartSys, type SimSys, simSys } from '../sim/sim-sys.ts'
import { decodeAborted, encodeAborted } from './aborted-index.ts'
import type { Answer, Log, LogBatch, LogOptions, LogPartition, LogTopic } from './log.ts'
import { openLog } from './open.ts'
import { LogVerifier } from './verify.ts'

const DAY = 86_400_000
let sys: SimSys
let log: Log
let topic: LogTopic

function open(options: LogOptions = {}, durability: Durability = 'fsync'): void {
  log = openLog(sys, '/log', options)
  log.createTopic('t', { partitions: 2, segmentBytes: 1024, durability }, () => {})
  sys.time.runUntilIdle()
  topic = log.topic('t') as LogTopic
}

function close(): void {
  log.close((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
}

function crash(): void {
  sys = restartSys(sys, 1)
  open()
}

function data(
  producerId: number,
  baseSequence: number,
  more: { partition?: number; records?: number; open?: boolean; bytes?: number } = {},
): LogBatch {
  const { partition = 0, records = 1, open: transactional = false, bytes = 10 } = more
  const builder = new BatchBuilder(256)
  for (let record = 0; record < records; record += 1)
    builder.appendText(0, null, `${producerId}/${baseSequence + record}`.padEnd(bytes))
  const settings = producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence, transactional }
  return { topic: topic.id, partition, bytes: builder.build(settings) }
}

function marker(producerId: number, kind: MarkerKind, partition = 0): LogBatch {
  return { topic: topic.id, partition, bytes: controlBatch(producerId, 0, kind, 0, 0) }
}

interface Outcome {
  error?: Error | undefined
  offsets?: readonly number[] | undefined
  answered: boolean
}

/** The outcome changes when the answer comes. */
function append(...batches: LogBatch[]): Outcome {
  const outcome: Outcome = { answered: false }
  const answer: Answer<readonly number[]> = (error, offsets) => {
    expect(outcome.answered, 'one answer').toBe(false)
    Object.assign(outcome, { error, offsets, answered: true })
  }
  log.append(batches, answer)
  return outcome
}

function done(...batches: LogBatch[]): readonly number[] {
  const outcome = append(...batches)
  sys.time.runUntilIdle()
  expect(outcome.error).toBeUndefined()
  return outcome.offsets as readonly number[]
}

function partition(index = 0): LogPartition {
  return topic.partitions[index] as LogPartition
}

function committed(from = partition().start): string[] {
  const { lastStable } = partition()
  const texts: string[] = []
  for (let at = from; ; ) {
    const read = partition().read(at, 400, lastStable)
    if (read === undefined) return texts
    for (const record of decodeCommitted(read.bytes, partition().aborted(read.from, read.next)))
      if (record.offset >= from)
        texts.push(
          Buffer.from(record.value ?? [])
            .toString()
            .trim(),
        )
    at = read.next
  }
}

function transactionIndexes(): string[] {
  const folder = `/log/topics/${topic.id}-0`
  return sys.disk
    .list(folder)
    .filter((name) => name.endsWith('.txnindex'))
    .map((name) => `${folder}/${name}`)
}

function bytesOf(path: string): Uint8Array {
  const file = sys.disk.open(path, 'read')
  const bytes = new Uint8Array(file.size())
  file.read(bytes, 0)
  file.close()
  return bytes
}

function findings(): string[] {
  const verifier = new LogVerifier(log)
  while (verifier.step());
  return verifier.report().findings.map(({ file, what }) => `${file.slice(file.lastIndexOf('.'))}: ${what}`)
}

beforeEach(() => {
  sys = simSys(1)
  open()
})

describe('a batch that comes again', () => {
  test('while the first one is on its way is answered with it', () => {
    sys.disk.delaySync(5)
    const first = append(data(7, 0, { records: 2 }))
    const again = append(data(7, 0, { records: 2 }))
    const next = append(data(7, 2))
    sys.time.advance(3)
    expect([first.answered, again.answered]).toEqual([false, false])
    sys.time.runUntilIdle()
    expect([first.offsets, again.offsets, next.offsets]).toEqual([[0], [0], [2]])
    expect(partition().end).toBe(3)
  })

  test('after the first one is durable is answered at once, without the disk', () => {
    done(data(7, 0))
    const { operations } = sys.disk
    expect(append(data(7, 0))).toMatchObject({ answered: true, offsets: [0] })
    expect(sys.disk.operations).toBe(operations)
  })

  test('fails with the first one, and then is new', () => {
    done(data(-1, 0))
    sys.disk.delaySync(5)
    sys.disk.diskFull(0)
    // Both wait for the sync that this one begins.
    const before = append(data(-1, 0))
    const first = append(data(7, 0, { bytes: 9000 }))
    const again = append(data(7, 0, { bytes: 9000 }))
    sys.time.runUntilIdle()
    expect(before.answered).toBe(true)
    expect([first.error, again.error]).toMatchObject([{ code: 'MILLRACE_DISK' }, { code: 'MILLRACE_DISK' }])
    expect(log.failure).toBeUndefined()
    sys.disk.diskFull(Number.POSITIVE_INFINITY)
    const { end } = partition()
    expect(partition().producers()).toEqual([])
    expect(done(data(7, 0))).toEqual([end])
  })

  test('within one call is written once', () => {
    expect(done(data(7, 0), data(7, 0), data(7, 1), data(-1, 0, { partition: 1 }))).toEqual([0, 0, 1, 0])
    expect(partition().end).toBe(2)
  })

  test('beside others in the same bytes is left out of them', () => {
    done(data(7, 0), data(7, 1))
    const bytes = Buffer.concat([data(7, 1), data(7, 2), data(7, 0), data(-1, 0)].map((each) => each.bytes))
    expect(done({ topic: topic.id, partition: 0, bytes: new Uint8Array(bytes) })).toEqual([1])
    expect(committed()).toEqual(['7/0', '7/1', '7/2', '-1/0'])
  })

  test('in a topic that the operating system syncs waits for nobody', () => {
    sys = simSys(2)
    open({}, 'os')
    sys.disk.delaySync(50)
    expect(append(data(7, 0))).toMatchObject({ answered: true, offsets: [0] })
    expect(append(data(7, 0))).toMatchObject({ answered: true, offsets: [0] })
  })
})

test('a call with one batch that is refused changes nothing', () => {
  done(data(7, 0))
  const refused = append(data(8, 0), data(-1, 0, { partition: 1 }), data(7, 1), data(7, 3))
  expect(refused.error).toMatchObject({ code: 'MILLRACE_OUT_OF_ORDER_SEQUENCE' })
  expect([partition().appended, partition(1).appended]).toEqual([1, 0])
  expect(partition().producers()).toMatchObject([{ producerId: 7, lastSequence: 0 }])
  expect(done(data(7, 1), data(8, 5))).toEqual([1, 2])
})

describe('the last stable offset', () => {
  test('waits for the marker to be durable', () => {
    done(data(-1, 0), data(7, 0, { open: true }), data(-1, 1))
    expect(partition()).toMatchObject({ lastStable: 1, end: 3 })
    sys.disk.delaySync(5)
    append(marker(7, 'commit'))
    expect(partition().openTransactions()).toEqual([])
    expect(partition()).toMatchObject({ lastStable: 1, end: 3 })
    let told = 0
    partition().follow(() => {
      told = partition().lastStable
    })
    sys.time.runUntilIdle()
    expect(told).toBe(4)
  })

  test('is at least the start, and reading ends before it', () => {
    done(data(7, 0, { open: true, records: 3 }), data(-1, 0))
    partition().cutBefore(2)
    sys.time.runUntilIdle()
    expect(partition()).toMatchObject({ start: 2, lastStable: 2, end: 4 })
    expect(partition().read(2, 100, 2)).toBeUndefined()
    expect(partition().read(2, 100)?.from).toBe(0)
    done(marker(7, 'commit'))
    expect(committed()).toEqual(['7/2', '-1/0'])
  })

  test('of a producer whose batches are gone stays where it must', () => {
    for (let sequence = 0; sequence < 20; sequence += 1) done(data(7, sequence, { open: true, bytes: 200 }))
    partition().cutBefore(19)
    sys.time.runUntilIdle()
    close()
    open()
    expect(partition()).toMatchObject({ start: 19, lastStable: 19, end: 20 })
    // The state stays until it expires, as in Kafka.
    const gap = append(data(7, 0, { open: true }))
    expect(gap.error).toMatchObject({ code: 'MILLRACE_OUT_OF_ORDER_SEQUENCE' })
    done(data(7, 20, { open: true }), marker(7, 'abort'), data(-1, 1))
    expect(committed()).toEqual(['-1/1'])
  })
})

describe('after opening again', () => {
  /** Two segments and more; transaction 7 spans them. */
  function write(): void {
    done(data(7, 0, { open: true }), data(8, 0, { open: true }), data(8, 1, { open: true }))
    done(marker(8, 'abort'))
    for (let index = 0; index < 8; index += 1) done(data(-1, index, { bytes: 200 }))
    done(data(7, 1, { open: true }), data(9, 0), marker(7, 'abort'), data(7, 2, { open: true }))
    done(data(10, 0, { open: true }))
  }
  const expected = ['-1/0', '-1/1', '-1/2', '-1/3', '-1/4', '-1/5', '-1/6', '-1/7', '9/0']

  function check(): void {
    const { lastStable } = partition()
    expect(committed()).toEqual(expected)
    expect(partition().openTransactions()).toMatchObject([{ producerId: 7 }, { producerId: 10 }])
    expect(
      partition()
        .producers()
        .map(({ lastSequence }) => lastSequence),
    ).toEqual([2, 1, 0, 0])
    // Aborted ones of the range only.
    expect(
      partition()
        .aborted(1, 2)
        .map(({ producerId }) => producerId),
    ).toEqual([8, 7])
    expect(
      partition()
        .aborted(4, lastStable)
        .map(({ producerId }) => producerId),
    ).toEqual([7])
    expect(partition().aborted(0, 0)).toEqual([])
    expect(findings()).toEqual([])
  }

  test('all is as it was, and the indexes are files of Kafka', () => {
    write()
    check()
    close()
    const [first, second, ...others] = transactionIndexes()
    expect(others).toEqual([])
    expect(bytesOf(first as string)).toEqual(
      encodeAborted([{ producerId: 8, firstOffset: 1, lastOffset: 3, lastStable: 0 }]),
    )
    expect(bytesOf(second as string)).toEqual(
      encodeAborted([{ producerId: 7, firstOffset: 0, lastOffset: 14, lastStable: 15 }]),
    )
    open()
    expect(log.recovery.clean).toBe(true)
    check()
    close()
    open()
    check()
  })

  test('from the journal, after a crash', () => {
    write()
    crash()
    check()
    crash()
    check()
  })

  test('from a checkpoint that began with the flush of the marker', () => {
    for (let before = 0; before < 30; before += 1) {
      sys = simSys(before)
      open({ journalBytesMax: 1500, segmentFirstBytes: 100_000 })
      done(data(7, 0, { open: true }))
      for (let index = 0; index < before; index += 1) done(data(-1, index))
      sys.disk.delaySync(5)
      // The first one begins a sync; the others wait for the next flush together.
      append(data(-1, before))
      append(data(7, 1, { open: true }))
      append(marker(7, 'abort'))
      append(data(7, 2))
      sys.time.runUntilIdle()
      sys = restartSys(sys, before)
      open()
      expect(committed().filter((text) => text.startsWith('7'))).toEqual(['7/2'])
      expect(partition().producers()).toMatchObject([{ lastSequence: 2, transactionStart: undefined }])
    }
  })

  test.each(['is gone', 'is cut', 'says something else'])('an index file that %s is made again', (how) => {
    write()
    close()
    for (const path of transactionIndexes()) {
      const file = sys.disk.open(path, 'write')
      if (how === 'is cut') file.truncate(20)
      else if (how !== 'is gone') file.write(Uint8Array.of(1), 17)
      file.close()
      if (how === 'is gone') sys.disk.remove(path)
    }
    open()
    expect(findings().join()).toMatch(/^.txnindex: it does not hold the 1 entries/)
    check()
    close()
    expect(
      transactionIndexes().map((path) => decodeAborted(bytesOf(path), { count: 0, crc: 0 })),
    ).toHaveLength(2)
    open()
    check()
  })

  test('what an index has behind its entries does not count', () => {
    write()
    close()
    const path = transactionIndexes()[1] as string
    const extra = { producerId: 9, firstOffset: 13, lastOffset: 14, lastStable: 15 }
    const file = sys.disk.open(path, 'write')
    file.write(encodeAborted([extra]), file.size())
    file.close()
    open()
    check()
  })

  test('indexes leave memory with those of their segments, and come back', () => {
    close()
    open({ indexBytesMax: 1 })
    write()
    check()
    partition().read(0, 100)
    partition().read(partition().end - 1, 100)
    check()
  })

  test('a mutated index is found by a check', () => {
    write()
    const [segment] = (
      partition() as unknown as { segments: { transactions: { replace(e: unknown[]): void } }[] }
    ).segments
    segment?.transactions.replace([])
    expect(findings()).toMatchObject(
      [/aborted at offset 3 is missing/].map((each) => expect.stringMatching(each)),
    )
    segment?.transactions.replace([
      { producerId: 8, firstOffset: 1, lastOffset: 3, lastStable: 0 },
      { producerId: 9, firstOffset: 1, lastOffset: 3, lastStable: 0 },
    ])
    expect(findings()).toMatchObject([expect.stringMatching(/no abort marker at offset 3/)])
  })
})

test('what is known of producers outlives their batches, whether or not the removal of files was durable', () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    sys = simSys(seed)
    // All goes to the segments, nothing to the journal.
    open({ segmentFirstBytes: 1 })
    done(data(7, 0, { bytes: 900 }), data(8, 0, { open: true, bytes: 900 }))
    done(data(-1, 0, { bytes: 900 }))
    const waiting = append(data(7, 1))
    partition().cutBefore(partition().end)
    sys.time.runUntilIdle()
    expect(waiting.error).toBeUndefined()
    expect(partition().start).toBeGreaterThan(2)
    sys = restartSys(sys, seed)
    open()
    expect(partition().producers()).toMatchObject([
      { producerId: 7, lastSequence: 1 },
      { producerId: 8, lastSequence: 0, transactionStart: 1 },
    ])
  }
})

describe('a producer that is silent', () => {
  test('is forgotten after a day, in memory and over a restart', () => {
    done(data(7, 0), data(8, 0, { open: true }))
    sys.time.advance(DAY - 1)
    expect(append(data(7, 5)).error).toMatchObject({ code: 'MILLRACE_OUT_OF_ORDER_SEQUENCE' })
    sys.time.advance(1)
    close()
    open()
    expect(
      partition()
        .producers()
        .map(({ producerId }) => producerId),
    ).toEqual([8])
    expect(done(data(7, 5))).toEqual([2])
  })

  test('is forgotten after the time that the log was opened with, and the longest silent if there are many', () => {
    close()
    open({ producerExpirationMs: 1000, producersMax: 10 })
    done(data(7, 0))
    sys.time.advance(1000)
    expect(partition().producers()).toEqual([])
    for (let producer = 0; producer < 30; producer += 1) {
      sys.time.advance(1)
      done(data(producer, 0))
    }
    const known = partition()
      .producers()
      .map(({ producerId }) => producerId)
    expect(known.length).toBeLessThanOrEqual(10)
    expect(known).toContain(29)
  })
})
