import { beforeEach, describe, expect, test } from 'vitest'
import { openLog } from '../../log/open.ts'
import { BatchBuilder } from '../../record/batch-builder.ts'
import type { TopicSettings } from '../../record/topic-settings.ts'
import { type SimSys, simSys } from '../../sim/sim-sys.ts'
import type { Answer, TopicDescription } from '../broker.ts'
import { LocalBroker } from './local-broker.ts'

let sys: SimSys
let broker: LocalBroker

beforeEach(() => {
  sys = simSys(1, { now: 10_000 })
  broker = new LocalBroker(sys, openLog(sys, '/data'))
})

function answerOf<T>(call: (answer: Answer<T>) => void): { error: Error | undefined; value: T | undefined } {
  const answers: { error: Error | undefined; value: T | undefined }[] = []
  call((error, value) => answers.push({ error, value }))
  sys.time.runUntilIdle(1000)
  expect(answers).toHaveLength(1)
  return answers[0] as { error: Error | undefined; value: T | undefined }
}

function create(name: string, settings: Partial<TopicSettings> = {}): TopicDescription {
  const { error, value } = answerOf<TopicDescription>((answer) =>
    broker.createTopic(name, { partitions: 1, ...settings }, answer),
  )
  expect(error).toBeUndefined()
  return value as TopicDescription
}

function batchOf(count: number, bytes = 10, timestamp = 5): Uint8Array {
  const builder = new BatchBuilder(256)
  for (let index = 0; index < count; index += 1) builder.appendText(timestamp, null, 'x'.repeat(bytes))
  return builder.build()
}

function append(topic: TopicDescription, bytes: Uint8Array): Error | undefined {
  return answerOf<readonly number[]>((answer) =>
    broker.append([{ topic: topic.id, partition: 0, bytes }], answer),
  ).error
}

describe('topics', () => {
  test('are described with settings, bounds and sizes', () => {
    const topic = create('t', { segmentBytes: 1024, retentionMs: 5000 })
    for (let index = 0; index < 3; index += 1) append(topic, batchOf(2, 400))
    const details = broker.admin.describeTopic('t')
    expect(details).toMatchObject({
      id: topic.id,
      name: 't',
      partitions: 1,
      settings: { segmentBytes: 1024, retentionMs: 5000, cleanup: 'delete' },
      details: [
        { partition: 0, start: 0, end: 6, lastStable: 6, segments: 3, producers: [], openTransactions: [] },
      ],
    })
    expect(details?.details[0]?.bytes).toBeGreaterThan(2400)
    expect(broker.admin.describeTopic('u')).toBeUndefined()
  })

  test('are altered and deleted', () => {
    const topic = create('t')
    const altered = answerOf<TopicDescription>((answer) =>
      broker.admin.alterTopic('t', { partitions: 3, retentionBytes: 1 }, answer),
    )
    expect(altered.value).toMatchObject({ id: topic.id, partitions: 3 })
    expect(broker.topic('t')?.partitions).toBe(3)
    expect(answerOf<void>((answer) => broker.admin.deleteTopic('t', answer)).error).toBeUndefined()
    expect(broker.topic('t')).toBeUndefined()
    expect(() => broker.bounds(topic.id, 0)).toThrow(/there is no topic with the id/)
  })

  test('a reader of a deleted one is woken and told', () => {
    const topic = create('t')
    append(topic, batchOf(1))
    let woken = 0
    const reader = broker.read(topic.id, 0, 0, () => {
      woken += 1
    })
    expect(reader.poll(1000)).toBeDefined()
    expect(reader.poll(1000)).toBeUndefined()
    answerOf<void>((answer) => broker.admin.deleteTopic('t', answer))
    expect(woken).toBe(1)
    expect(() => reader.poll(1000)).toThrow(/topic t was deleted/)
  })

  test('faults are answers, never thrown', () => {
    create('t')
    const errors = [
      answerOf<TopicDescription>((answer) => broker.admin.alterTopic('t', { partitions: 0 }, answer)),
      answerOf<TopicDescription>((answer) => broker.admin.alterTopic('u', {}, answer)),
      answerOf<void>((answer) => broker.admin.deleteTopic('u', answer)),
      answerOf<TopicDescription>((answer) => broker.createTopic('a b', { partitions: 1 }, answer)),
    ].map(({ error }) => (error as { code?: string }).code)
    expect(errors).toEqual([
      'MILLRACE_INVALID_ARGUMENT',
      'MILLRACE_UNKNOWN_TOPIC',
      'MILLRACE_UNKNOWN_TOPIC',
      'MILLRACE_INVALID_ARGUMENT',
    ])
  })

  test('those of the coordinators are theirs', () => {
    answerOf((answer) => broker.join('g', answer))
    const groups = broker.topic('__groups') as TopicDescription
    for (const { error } of [
      answerOf<void>((answer) => broker.admin.deleteTopic('__groups', answer)),
      answerOf<TopicDescription>((answer) => broker.admin.alterTopic('__groups', { partitions: 2 }, answer)),
      answerOf<number>((answer) => broker.admin.deleteRecords(groups.id, 0, 1, answer)),
    ]) {
      expect(error?.message).toMatch(/topic __groups holds the state of groups and transactions/)
    }
  })
})

describe('records', () => {
  test('are deleted before an offset', () => {
    const topic = create('t')
    append(topic, batchOf(5))
    const before = (offset: number) =>
      answerOf<number>((answer) => broker.admin.deleteRecords(topic.id, 0, offset, answer))
    expect(before(3).value).toBe(3)
    expect(before(2).value).toBe(3)
    expect(broker.bounds(topic.id, 0).start).toBe(3)
    expect(before(6).error).toMatchObject({ code: 'MILLRACE_OFFSET_OUT_OF_RANGE' })
    expect(before(-1).error).toMatchObject({ code: 'MILLRACE_OFFSET_OUT_OF_RANGE' })
    expect(before(1.5).error).toMatchObject({ code: 'MILLRACE_INVALID_ARGUMENT' })
    expect(
      answerOf<number>((answer) => broker.admin.deleteRecords('nobody', 0, 0, answer)).error,
    ).toMatchObject({
      code: 'MILLRACE_UNKNOWN_TOPIC',
    })
  })

  test('larger than the topic allows are refused by append and commit', () => {
    const topic = create('t', { recordBytesMax: 100 })
    expect(append(topic, batchOf(1, 200))).toMatchObject({ code: 'MILLRACE_RECORD_TOO_LARGE' })
    const { value } = answerOf<{ group: string; member: string; generation: number }>((answer) =>
      broker.join('g', answer),
    )
    const batches = [{ topic: topic.id, partition: 0, bytes: batchOf(1, 200) }]
    const outcomes: unknown[] = []
    const membership = value as { group: string; member: string; generation: number }
    broker.commit({ batches, positions: [], conditions: [], membership }, (outcome) => outcomes.push(outcome))
    expect(outcomes).toMatchObject([{ kind: 'refused', reason: 'tooLarge' }])
  })

  test('that are too old go when housekeeping is asked for', () => {
    const topic = create('t', { retentionMs: 1000 })
    append(topic, batchOf(3))
    const { value } = answerOf<{ work: readonly unknown[] }>((answer) =>
      broker.admin.housekeeping.runOnce(answer),
    )
    expect(value?.work).toMatchObject([{ topic: 't', partition: 0, what: 'retention', error: undefined }])
    expect(broker.bounds(topic.id, 0)).toMatchObject({ start: 3, end: 3 })
    expect(broker.admin.housekeeping.status()).toMatchObject([{ topic: 't', running: false }])
  })
})
