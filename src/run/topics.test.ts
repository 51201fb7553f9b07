import { describe, expect, test } from 'vitest'
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
