import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { text } from '../record/serdes.ts'
import { type Topic, topic } from '../streams/topic.ts'
import { type OpenLog, open } from './open.ts'
import type { ReadOptions } from './topic-reader.ts'

const left = topic('left', { value: text(), partitions: 4 })
const right = topic('right', { key: text(), value: text() })

async function values(
  log: OpenLog,
  from: Topic<null, string, string> | typeof right,
  options: ReadOptions = {},
): Promise<string[]> {
  const read: string[] = []
  for await (const { value } of log.read(from as typeof right, options)) read.push(value)
  return read
}

describe('log.transaction', () => {
  test('over several topics is whole or not there', async () => {
    await using log = await open('memory:')
    await log.transaction((transaction) => {
      transaction.send(left, 'a', { partition: 0 })
      transaction.send(left, 'b', { partition: 3 })
      transaction.send(right, 'c', { key: 'k' })
    })
    expect(await values(log, left)).toEqual(['a', 'b'])
    expect(await values(log, right)).toEqual(['c'])
    const failing = log.transaction((transaction) => {
      transaction.send(left, 'never', { partition: 0 })
      transaction.send(left, 'wrong', { partition: 9 })
    })
    await expect(failing).rejects.toThrow(/left has no partition 9: it has partitions 0 to 3/)
    expect(await values(log, left)).toEqual(['a', 'b'])
  })

  test('resolves with what the function gives, and needs not send anything', async () => {
    await using log = await open('memory:')
    expect(await log.transaction(() => 7)).toBe(7)
    expect(log.topics()).toEqual([])
  })

  test('of one record without a key: the partitions take turns', async () => {
    await using log = await open('memory:')
    for (let index = 0; index < 8; index++)
      await log.transaction((transaction) => transaction.send(left, `${index}`))
    expect(log.describe(left).partitions.map(({ end }) => end)).toEqual([2, 2, 2, 2])
  })

  test.each([Number.NaN, 1.5, Number.POSITIVE_INFINITY, 2 ** 60])(
    'a record with the time %d is refused in words for its sender, and the rest goes its way',
    async (timestamp) => {
      await using log = await open('memory:')
      const refused = {
        code: 'MILLRACE_BAD_TIMESTAMP',
        message: expect.stringMatching(/for left is .*Date[.]now/),
      }
      await expect(log.send(left, 'never', { timestamp, partition: 1 })).rejects.toMatchObject(refused)
      await log.transaction((transaction) => {
        expect(() => transaction.send(left, 'never', { timestamp, partition: 2 })).toThrow(
          expect.objectContaining(refused),
        )
        transaction.send(left, 'a', { partition: 3 })
      })
      await log.send(left, 'b', { timestamp: -1, partition: 0 })
      expect((await values(log, left)).sort()).toEqual(['a', 'b'])
    },
  )

  test('too large for one group of the log is refused, and nothing of it is written', async () => {
    await using log = await open('memory:')
    await log.send(left, 'small')
    const failing = log.transaction((transaction) => {
      transaction.send(left, 'small')
      transaction.send(left, 'x'.repeat(1_100_000))
    })
    await expect(failing).rejects.toMatchObject({ code: 'MILLRACE_RECORD_TOO_LARGE' })
    expect(log.describe(left).records).toBe(1)
  })
})

describe('log.transactional', () => {
  test('positions and records count together, or neither', async () => {
    await using log = await open('memory:')
    for (const value of ['a', 'b']) await log.send(right, value, { key: 'k' })
    await using producer = await log.transactional('copy')
    const copied = async (committed: boolean): Promise<string[]> => {
      const seen: string[] = []
      const options = { group: 'g', topics: [right], commit: 'manual' } as const
      for await (const record of log.consumer(options)) {
        producer.begin()
        await producer.send(left, record.value)
        await producer.sendOffsets(record)
        if (committed) await producer.commit()
        else await producer.abort()
        seen.push(record.value)
        if (seen.length === 2) break
      }
      return seen
    }
    expect(await copied(false)).toEqual(['a', 'b'])
    expect(log.groups.describe('g')?.positions ?? []).toEqual([])
    expect(await copied(true)).toEqual(['a', 'b'])
    expect(log.groups.describe('g')?.positions).toMatchObject([{ offset: 2, lag: 0 }])
    expect((await values(log, left)).toSorted()).toEqual(['a', 'b'])
  })

  test('a commit has the positions that nobody awaited; without them it is none', async () => {
    await using log = await open('memory:')
    for (const value of ['a', 'b']) await log.send(right, value, { key: 'k' })
    await using producer = await log.transactional('copy')
    const options = { group: 'g', topics: [right], commit: 'manual' } as const
    for await (const record of log.consumer(options)) {
      producer.begin()
      void producer.send(left, record.value)
      void producer.sendOffsets(record)
      await producer.commit()
      if (record.value === 'b') break
    }
    expect(log.groups.describe('g')?.positions).toMatchObject([{ offset: 2 }])
    await log.send(right, 'c', { key: 'k' })
    const consumer = log.consumer({ ...options, drainTimeout: '10ms' })
    for await (const record of consumer) {
      await consumer.close()
      producer.begin()
      void producer.send(left, record.value)
      producer.sendOffsets(record).catch(() => undefined)
      await expect(producer.commit()).rejects.toThrow(/a write of it failed: abort it/)
      await producer.abort()
      break
    }
    expect((await values(log, left)).toSorted()).toEqual(['a', 'b'])
    expect(log.groups.describe('g')?.positions).toMatchObject([{ offset: 2 }])
  })

  test('in the wrong state says so', async () => {
    await using log = await open('memory:')
    await using producer = await log.transactional('x')
    await expect(producer.send(left, 'a')).rejects.toThrow(/x: no transaction is open: begin one/)
    await expect(producer.commit()).rejects.toMatchObject({ code: 'MILLRACE_INVALID_TRANSACTION_STATE' })
    await expect(producer.abort()).rejects.toMatchObject({ code: 'MILLRACE_INVALID_TRANSACTION_STATE' })
    producer.begin()
    expect(() => producer.begin()).toThrow(/a transaction is open already/)
    await producer.commit()
  })

  test('a write that failed leaves nothing but the abort; then it goes on', async () => {
    await using log = await open('memory:')
    await using producer = await log.transactional('x')
    producer.begin()
    await producer.send(left, 'lost', { partition: 0 })
    await expect(producer.send(left, 'x'.repeat(1_100_000))).rejects.toMatchObject({
      code: 'MILLRACE_RECORD_TOO_LARGE',
    })
    await expect(producer.commit()).rejects.toThrow(/a write of .* failed: abort it/)
    await producer.abort()
    producer.begin()
    await producer.send(left, 'kept', { partition: 0 })
    await producer.commit()
    expect(await values(log, left)).toEqual(['kept'])
  })

  test('read_uncommitted shows what is open, read_committed waits for the end', async () => {
    await using log = await open('memory:')
    await using producer = await log.transactional('x')
    producer.begin()
    await producer.send(left, 'open', { partition: 0 })
    const read = async (isolation: 'read_committed' | 'read_uncommitted'): Promise<string[]> => {
      const found: string[] = []
      for await (const { value } of log.read(left, { isolation })) found.push(value)
      return found
    }
    expect([await read('read_uncommitted'), await read('read_committed')]).toEqual([['open'], []])
    await producer.commit()
    expect(await read('read_committed')).toEqual(['open'])
  })
})

describe('a log that is closed', () => {
  test('in the middle of a transaction aborts it: after the restart its readers wait for nobody', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-transactions-'))
    const at = `file:${folder}` as const
    try {
      const first = await open(at)
      const producer = await first.transactional('import')
      producer.begin()
      await producer.send(left, 'half', { partition: 0 })
      await first.close()
      await using again = await open(at)
      await again.send(left, 'later', { partition: 0 })
      expect(await values(again, left)).toEqual(['later'])
      await expect(producer.send(left, 'late')).rejects.toMatchObject({
        code: 'MILLRACE_INVALID_TRANSACTION_STATE',
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('waits for what its producers were given, and they take nothing more', async () => {
    const log = await open('memory:')
    const producer = log.producer({ bufferBytes: 2_000 })
    await producer.send(left, 'first')
    const sends = Array.from({ length: 50 }, (_, index) => producer.send(left, `${index}`.padEnd(200)))
    await log.close()
    expect((await Promise.allSettled(sends)).map(({ status }) => status)).toEqual(
      sends.map(() => 'fulfilled'),
    )
    await expect(producer.send(left, 'late')).rejects.toMatchObject({ code: 'MILLRACE_CLOSED' })
  })

  test('waits for a transaction whose work is done', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-transactions-'))
    try {
      const log = await open(`file:${folder}`)
      const written = log.transaction((transaction) => {
        transaction.send(left, 'a')
        return 5
      })
      await log.close()
      expect(await written).toBe(5)
      await using again = await open(`file:${folder}`)
      expect(await values(again, left)).toEqual(['a'])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('ends readers that follow; one that was to end somewhere does not look whole', async () => {
    const log = await open('memory:')
    // More than is fetched at once.
    const large = ['a', 'b', 'c'].map((letter) => letter.repeat(700_000))
    for (const value of large) await log.send(left, value, { partition: 0 })
    const following = values(log, left, { follow: true })
    const cut = log.read(left, { partition: 0 })
    await cut.next()
    await log.send(left, 'last', { partition: 0 })
    await new Promise((resolve) => setTimeout(resolve, 50))
    await log.close()
    expect(await following).toEqual([...large, 'last'])
    const rest = async (): Promise<void> => {
      while ((await cut.next()).done !== true);
    }
    await expect(rest()).rejects.toMatchObject({ code: 'MILLRACE_CLOSED' })
  })

  test("is another process' directory: opened twice it says so", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-transactions-'))
    const at = `file:${folder}` as const
    try {
      await using log = await open(at)
      await log.send(left, 'a')
      await expect(open(at)).rejects.toMatchObject({ code: 'MILLRACE_LOCKED' })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
