import { beforeEach, describe, expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { readBatchHeader, verifyBatch } from '../record/batch-header.ts'
import { BatchReader } from '../record/batch-reader.ts'
import type { TopicSettings } from '../record/topic-settings.ts'
import { type SimSys, simSys } from '../sim/sim-sys.ts'
import type { Log, LogPartition, LogTopic } from './log.ts'
import { openLog } from './open.ts'

let sys: SimSys
let log: Log

beforeEach(() => {
  sys = simSys(1)
  log = openLog(sys, '/log')
})

function create(name: string, settings: Partial<TopicSettings> = {}): LogTopic {
  let made: LogTopic | undefined
  log.createTopic(name, { partitions: 1, ...settings }, (error, topic) => {
    expect(error).toBeUndefined()
    made = topic
  })
  sys.time.runUntilIdle()
  return made as LogTopic
}

function batchOf(...values: string[]): Uint8Array {
  const builder = new BatchBuilder(256)
  for (const value of values) builder.appendText(5, null, value)
  return builder.build()
}

function append(topic: LogTopic, partition: number, ...values: string[]): void {
  log.append([{ topic: topic.id, partition, bytes: batchOf(...values) }], (error) =>
    expect(error).toBeUndefined(),
  )
  sys.time.runUntilIdle()
}

function reopen(): void {
  log.close((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
  log = openLog(sys, '/log')
}

function folders(): readonly string[] {
  return sys.disk.list('/log/topics')
}

/** Runs until the answer comes, and gives what it was. */
function answerOf<T>(call: (answer: (error: Error | undefined, value: T | undefined) => void) => void) {
  const answers: { error: Error | undefined; value: T | undefined }[] = []
  call((error, value) => answers.push({ error, value }))
  sys.time.runUntilIdle()
  expect(answers).toHaveLength(1)
  return answers[0] as { error: Error | undefined; value: T | undefined }
}

describe('alterTopic', () => {
  test('changes settings of the topic that everybody holds, and they stay', () => {
    const topic = create('t')
    const { value } = answerOf<LogTopic>((answer) => log.alterTopic('t', { retentionMs: 1000 }, answer))
    expect(value).toBe(topic)
    expect(topic.settings.retentionMs).toBe(1000)
    reopen()
    expect(log.topic('t')?.settings).toEqual(topic.settings)
  })

  test('adds partitions, which take records and survive', () => {
    const topic = create('t', { partitions: 2 })
    append(topic, 1, 'old')
    answerOf<LogTopic>((answer) => log.alterTopic('t', { partitions: 4 }, answer))
    expect(topic.partitions.map(({ index }) => index)).toEqual([0, 1, 2, 3])
    append(topic, 3, 'new')
    reopen()
    expect(log.topic('t')?.partitions.map(({ end }) => end)).toEqual([0, 1, 0, 1])
  })

  test('shows nothing before it is durable', () => {
    const topic = create('t')
    sys.disk.delaySync(5)
    log.alterTopic('t', { partitions: 2 }, () => {})
    expect(topic.partitions).toHaveLength(1)
    expect(topic.settings.partitions).toBe(1)
    sys.time.runUntilIdle()
    expect(topic.partitions).toHaveLength(2)
  })

  test('refuses fewer partitions, bad settings and unknown topics', () => {
    create('t', { partitions: 2 })
    const refused = (name: string, changes: object) =>
      answerOf<LogTopic>((answer) => log.alterTopic(name, changes, answer)).error
    expect(refused('t', { partitions: 1 })).toMatchObject({ code: 'MILLRACE_INVALID_ARGUMENT' })
    expect(refused('t', { segmentBytes: 0 })).toMatchObject({ code: 'MILLRACE_INVALID_ARGUMENT' })
    expect(refused('u', {})).toMatchObject({ code: 'MILLRACE_UNKNOWN_TOPIC' })
  })

  test('comes in turn with other changes of the name', () => {
    sys.disk.delaySync(2)
    const seen: string[] = []
    const note = (what: string) => (error: Error | undefined) =>
      seen.push(error === undefined ? what : `${what} refused`)
    log.createTopic('t', { partitions: 1 }, note('create'))
    log.alterTopic('t', { partitions: 3 }, note('alter'))
    log.createTopic('t', { partitions: 3 }, note('create again'))
    log.deleteTopic('t', note('delete'))
    log.alterTopic('t', { partitions: 4 }, note('alter again'))
    log.createTopic('t', { partitions: 7 }, note('create anew'))
    sys.time.runUntilIdle()
    expect(seen).toEqual(['create', 'alter', 'create again', 'delete', 'alter again refused', 'create anew'])
    expect(log.topic('t')?.partitions).toHaveLength(7)
  })
})

describe('deleteTopic', () => {
  test('takes the topic and its files away, and its name is free', () => {
    const topic = create('t', { partitions: 2 })
    const other = create('u')
    append(topic, 0, 'x')
    append(topic, 1, 'y')
    append(other, 0, 'z')
    expect(folders()).toHaveLength(3)
    expect(answerOf<void>((answer) => log.deleteTopic('t', answer)).error).toBeUndefined()
    expect(log.topics().map(({ name }) => name)).toEqual(['u'])
    expect(log.topicById(topic.id)).toBeUndefined()
    expect(folders()).toEqual([`${other.id}-0`])
    const again = create('t')
    expect(again.id).not.toBe(topic.id)
    expect(again.partitions[0]?.end).toBe(0)
    reopen()
    expect(log.topics().map(({ name }) => name)).toEqual(['t', 'u'])
    expect(log.recovery.tailsCut).toEqual([])
  })

  test('whoever holds a partition learns it', () => {
    const topic = create('t')
    append(topic, 0, 'x')
    const partition = topic.partitions[0] as LogPartition
    let woken = 0
    partition.follow(() => {
      woken += 1
    })
    answerOf<void>((answer) => log.deleteTopic('t', answer))
    expect(woken).toBe(1)
    expect(() => partition.read(0, 100)).toThrow(/topic t was deleted: t-0@0 is not there any more/)
    expect(() => partition.offsetForTime(0)).toThrow(/was deleted/)
    expect(() => partition.cutBefore(0)).toThrow(/was deleted/)
    const batch = { topic: topic.id, partition: 0, bytes: batchOf('y') }
    expect(() => log.append([batch], () => {})).toThrow(/there is no topic with the id/)
  })

  test('appends on their way come before it', () => {
    const topic = create('t')
    sys.disk.delaySync(3)
    const seen: string[] = []
    log.append([{ topic: topic.id, partition: 0, bytes: batchOf('x') }], () => seen.push('append'))
    log.deleteTopic('t', () => seen.push('delete'))
    log.append([], () => seen.push('nothing'))
    sys.time.runUntilIdle()
    expect(seen).toEqual(['nothing', 'append', 'delete'])
    expect(folders()).toEqual([])
  })

  test('many files go in turns, and what is left at the close goes at the next opening', () => {
    const topic = create('t', { partitions: 40 })
    for (let index = 0; index < 40; index += 1) append(topic, index, 'x')
    log.deleteTopic('t', () => {})
    log.close(() => {})
    sys.time.settle()
    expect(folders().length).toBeGreaterThan(0)
    log = openLog(sys, '/log')
    expect(log.recovery).toMatchObject({ clean: true, tailsCut: [] })
    expect(folders()).toEqual([])
  })

  test('an unknown one is an error', () => {
    const { error } = answerOf<void>((answer) => log.deleteTopic('t', answer))
    expect(error).toMatchObject({ code: 'MILLRACE_UNKNOWN_TOPIC' })
  })

  test('after the close it is refused', () => {
    create('t')
    log.close(() => {})
    const { error } = answerOf<void>((answer) => log.deleteTopic('t', answer))
    expect(error).toMatchObject({ code: 'MILLRACE_CLOSED' })
  })
})

describe('a disk that fails', () => {
  /** Changes until the journal has no room left, and gives the first refusal. */
  function refusedBy(change: (answer: (error: Error | undefined) => void) => void): Error {
    sys.disk.diskFull(0)
    for (let attempt = 0; attempt < 10_000; attempt += 1) {
      let refusal: Error | undefined
      change((error) => {
        refusal = error
      })
      sys.time.runUntilIdle()
      if (refusal !== undefined) return refusal
    }
    throw new Error('the disk was never full')
  }

  test('full: a change is refused and leaves the topic as it was', () => {
    const topic = create('t', { partitions: 2 })
    append(topic, 0, 'x')
    let bytes = 0
    const refusal = refusedBy((answer) => log.alterTopic('t', { retentionBytes: (bytes += 1) }, answer))
    expect(refusal).toMatchObject({ code: 'MILLRACE_DISK' })
    expect(topic.settings.retentionBytes).toBe(bytes - 1)
    expect(topic.partitions[0]?.read(0, 1000)?.next).toBe(1)
    sys.disk.diskFull(Number.POSITIVE_INFINITY)
    append(topic, 1, 'y')
    expect(topic.partitions[1]?.end).toBe(1)
  })

  test('full: a topic whose deletion is refused is there as before', () => {
    for (let index = 0; index < 500; index += 1) create(`t${index}`)
    let last = -1
    const refusal = refusedBy((answer) => {
      last += 1
      log.deleteTopic(`t${last}`, answer)
    })
    expect(refusal).toMatchObject({ code: 'MILLRACE_DISK' })
    expect(log.topics()).toHaveLength(500 - last)
    const topic = log.topic(`t${last}`) as LogTopic
    expect(log.topicById(topic.id)).toBe(topic)
    sys.disk.diskFull(Number.POSITIVE_INFINITY)
    append(topic, 0, 'y')
    expect(topic.partitions[0]?.read(0, 1000)?.next).toBe(1)
    expect(answerOf<void>((answer) => log.deleteTopic(topic.name, answer)).error).toBeUndefined()
    reopen()
    expect(log.topics()).toHaveLength(499 - last)
  })

  test('a failed sync: nobody is told of a change, and the next opening knows', () => {
    create('t')
    sys.disk.failSync(1)
    const { error } = answerOf<void>((answer) => log.deleteTopic('t', answer))
    expect(error).toMatchObject({ code: 'MILLRACE_DISK' })
    expect(log.failure).toBeDefined()
    const again = answerOf<LogTopic>((answer) => log.alterTopic('t', { retentionMs: 1 }, answer))
    expect(again.error).toMatchObject({ code: 'MILLRACE_DISK' })
    log.close(() => {})
    log = openLog(sys, '/log')
    expect(log.topics().length).toBeLessThanOrEqual(1)
  })
})

describe('recordBytesMax', () => {
  const attempt = (topic: LogTopic, bytes: Uint8Array) =>
    log.append([{ topic: topic.id, partition: 0, bytes }], () => {})

  test('refuses a larger record, alone or among others, and nothing of the call is written', () => {
    const topic = create('t', { recordBytesMax: 200 })
    const other = create('u')
    expect(() => attempt(topic, batchOf('x'.repeat(200)))).toThrow(
      /a record for t-0 takes [0-9]+ bytes, at most 200/,
    )
    expect(() => attempt(topic, batchOf('a', 'x'.repeat(300), 'b'))).toThrow(
      /MILLRACE_RECORD|takes 30[0-9] bytes/,
    )
    const both = [
      { topic: other.id, partition: 0, bytes: batchOf('fine') },
      { topic: topic.id, partition: 0, bytes: batchOf('x'.repeat(500)) },
    ]
    expect(() => log.append(both, () => {})).toThrow(/takes/)
    expect(other.partitions[0]?.appended).toBe(0)
  })

  test('lets small records share a large batch', () => {
    const topic = create('t', { recordBytesMax: 200 })
    append(topic, 0, ...Array.from({ length: 50 }, () => 'x'.repeat(100)))
    expect(topic.partitions[0]?.end).toBe(50)
  })

  test('counts a compressed batch as a whole', () => {
    const topic = create('t', { recordBytesMax: 100 })
    const builder = new BatchBuilder(256)
    for (let index = 0; index < 40; index += 1) builder.appendText(5, null, `${index * 7919}`)
    expect(() => attempt(topic, builder.build({ compression: 'gzip' }))).toThrow(/takes/)
  })

  test('may be changed', () => {
    const topic = create('t', { recordBytesMax: 100 })
    answerOf<LogTopic>((answer) => log.alterTopic('t', { recordBytesMax: 1000 }, answer))
    append(topic, 0, 'x'.repeat(500))
    expect(topic.partitions[0]?.end).toBe(1)
  })
})

describe('timestampType logAppendTime', () => {
  test('every record has the time of the append, and the checksum holds', () => {
    const topic = create('t', { timestampType: 'logAppendTime' })
    sys.time.advance(1234)
    append(topic, 0, 'x', 'y')
    const bytes = topic.partitions[0]?.read(0, 1000)?.bytes as Uint8Array
    expect(verifyBatch(bytes, 0, bytes.length)).toBeUndefined()
    expect(readBatchHeader(bytes, 0)).toMatchObject({ timestampType: 'logAppendTime', maxTimestamp: 1234 })
    const reader = new BatchReader()
    reader.open(bytes, 0)
    const times: number[] = []
    while (reader.next()) times.push(reader.timestamp)
    expect(times).toEqual([1234, 1234])
    expect(topic.partitions[0]?.offsetForTime(1234)).toBe(0)
    expect(topic.partitions[0]?.offsetForTime(1235)).toBe(2)
  })

  test('a damaged batch does not get a good checksum', () => {
    const topic = create('t', { timestampType: 'logAppendTime' })
    const bytes = batchOf('x')
    bytes[bytes.length - 2] = (bytes.at(-2) as number) ^ 1
    expect(() => log.append([{ topic: topic.id, partition: 0, bytes }], () => {})).toThrow(/bad checksum/)
  })
})

describe('cutBefore with an answer', () => {
  test('answers with the start when it is durable, also when it was there before', () => {
    const topic = create('t')
    append(topic, 0, 'a', 'b', 'c')
    const partition = topic.partitions[0] as LogPartition
    sys.disk.delaySync(2)
    const answers: (number | undefined)[] = []
    partition.cutBefore(2, (_, start) => answers.push(start))
    partition.cutBefore(1, (_, start) => answers.push(start))
    expect(answers).toEqual([])
    sys.time.runUntilIdle()
    expect(answers).toEqual([2, 2])
    expect(() => partition.cutBefore(4)).toThrow(/MILLRACE|is not there/)
    expect(() => partition.cutBefore(-1)).toThrow(/is not there/)
  })
})

test('60,000 calls that wait for one name are answered without a deep stack', () => {
  const answers: string[] = []
  const world = simSys(1)
  world.disk.delaySync(1)
  const slow = openLog(world, '/slow')
  for (let index = 0; index < 60_000; index++) {
    slow.createTopic('t', { partitions: 1 }, (error, topic) => answers.push(topic?.id ?? String(error)))
  }
  for (let turn = 0; answers.length === 0 && turn < 100; turn++) world.time.advance(1)
  expect(answers).toHaveLength(60_000)
  expect(new Set(answers).size).toBe(1)
})
