import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { text } from '../record/serdes.ts'
import { topic } from '../streams/topic.ts'
import { open } from './open.ts'

const users = topic('users', {
  key: text(),
  value: text(),
  partitions: 3,
  cleanup: 'compact',
  retention: '7d',
})

test('a topic is made as it is declared', async () => {
  await using log = await open('memory:')
  await log.send(users, 'ann', { key: 'a' })
  expect(log.admin.describeTopic('users')?.settings).toMatchObject({
    partitions: 3,
    cleanup: 'compact',
    retentionMs: 604_800_000,
    durability: 'fsync',
    recordBytesMax: 1_048_588,
  })
})

test('a topic that is there already stays as it is', async () => {
  await using log = await open('memory:')
  await log.admin.createTopic('users', { partitions: 1, retentionMs: 1_000 })
  await log.send(users, 'ann', { key: 'a' })
  expect(log.admin.describeTopic('users')?.settings).toMatchObject({
    partitions: 1,
    cleanup: 'delete',
    retentionMs: 1_000,
  })
})

test('the records of a topic that is not there: its name, and those that are', async () => {
  await using log = await open('memory:')
  await log.admin.createTopic('other', { partitions: 1 })
  await expect(log.read(users).next()).rejects.toThrow(/no topic users; there is: other/)
})

test('a record that does not fit its topic: its place, and the way past it', async () => {
  await using log = await open('memory:')
  const words = topic('words', { value: text() })
  await log.send(words, '{"n":1}')
  await log.send(words, '{"n":"x"}')
  const numbers = log.read(topic('words', { value: z.object({ n: z.number() }) }))
  expect((await numbers.next()).value).toMatchObject({ value: { n: 1 } })
  await expect(numbers.next()).rejects.toMatchObject({
    code: 'MILLRACE_INVALID_RECORD',
    message: expect.stringMatching(
      /^the value of words-0@1 cannot be read: .*n: .*read from a later offset$/,
    ),
  })
})

describe('what nobody awaited', () => {
  const fresh = topic('fresh', { value: text() })
  const words = ['a', 'b', 'c']
  const read = async (log: Awaited<ReturnType<typeof open>>): Promise<string[]> => {
    const values: string[] = []
    for await (const { value } of log.read(fresh)) values.push(value)
    return values
  }

  test('a producer that is closed at once has sent it, also to a topic that has to be made', async () => {
    await using log = await open('memory:')
    const producer = log.producer()
    const sends = words.map((word) => producer.send(fresh, word))
    await producer.close()
    expect(await Promise.all(sends)).toHaveLength(3)
    expect(await read(log)).toEqual(words)
    await expect(producer.send(fresh, 'late')).rejects.toMatchObject({ code: 'MILLRACE_CLOSED' })
  })

  test('what is sent after the close began is refused, though what came before still waits', async () => {
    await using log = await open('memory:')
    const producer = log.producer()
    const early = producer.send(fresh, 'early')
    const closing = producer.close()
    await expect(producer.send(fresh, 'late')).rejects.toMatchObject({ code: 'MILLRACE_CLOSED' })
    await Promise.all([closing, early])
    expect(await read(log)).toEqual(['early'])
  })

  test('a flush waits for it', async () => {
    await using log = await open('memory:')
    await using producer = log.producer()
    let answers = 0
    for (const word of words) void producer.send(fresh, word).then(() => (answers += 1))
    await producer.flush()
    expect(answers).toBe(3)
  })

  test('a log that is closed at once has written it', async () => {
    const folder = mkdtempSync(`${tmpdir()}/millrace-unawaited-`)
    try {
      const log = await open(`file:${folder}`)
      const sends = words.map((word) => log.send(fresh, word))
      await log.close()
      expect(await Promise.all(sends)).toHaveLength(3)
      await using again = await open(`file:${folder}`)
      expect(await read(again)).toEqual(words)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('a transaction has all of it, and takes nothing while it ends', async () => {
    await using log = await open('memory:')
    await using producer = await log.transactional('t')
    producer.begin()
    const sends = words.map((word) => producer.send(fresh, word))
    const committing = producer.commit()
    await expect(producer.send(fresh, 'late')).rejects.toThrow(/the transaction is being ended/)
    await expect(producer.commit()).rejects.toThrow(/the transaction is being ended/)
    await Promise.all([committing, ...sends])
    expect(await read(log)).toEqual(words)
  })

  test('a close waits for the commit that is under way', async () => {
    await using log = await open('memory:')
    const producer = await log.transactional('t')
    producer.begin()
    const sent = producer.send(fresh, 'a')
    const committing = producer.commit()
    await producer.close()
    await Promise.all([sent, committing])
    expect(await read(log)).toEqual(['a'])
  })

  test('a transaction that is aborted at once has none of it', async () => {
    await using log = await open('memory:')
    await using producer = await log.transactional('t')
    producer.begin()
    const sends = words.map((word) => producer.send(fresh, word))
    await producer.abort()
    await Promise.all(sends)
    producer.begin()
    await producer.send(fresh, 'next')
    await producer.commit()
    expect(await read(log)).toEqual(['next'])
  })
})

describe('records that are sent while their topic is made', () => {
  const fresh = topic('fresh', { value: text() })
  const values = Array.from({ length: 20 }, (_, index) => `w${index}`)

  test.each(['send', 'transaction', 'transactional'] as const)('%s: keep their order', async (way) => {
    await using log = await open('memory:')
    if (way === 'send') await Promise.all(values.map((value) => log.send(fresh, value)))
    else if (way === 'transaction')
      await log.transaction((transaction) => {
        for (const value of values) transaction.send(fresh, value)
      })
    else {
      await using producer = await log.transactional('t')
      producer.begin()
      await Promise.all(values.map((value) => producer.send(fresh, value)))
      await producer.commit()
    }
    const read: string[] = []
    for await (const { value } of log.read(fresh)) read.push(value)
    expect(read).toEqual(values)
  })
})
