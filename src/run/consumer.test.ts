import { afterEach, describe, expect, test } from 'vitest'
import { json, text } from '../record/serdes.ts'
import { topic } from '../streams/topic.ts'
import type { Consumer } from './consumer.ts'
import { type OpenLog, open } from './open.ts'

const words = topic('words', { value: text(), partitions: 4 })
const orders = topic('orders', { key: text(), value: text(), partitions: 2 })
const payments = topic('payments', { value: json(), partitions: 1 })

const logs: OpenLog[] = []
afterEach(async () => {
  // Whoever serves the log goes last.
  for (const log of logs.splice(0).toReversed()) await log.close()
})

async function fill(log: OpenLog, count: number, from = 0): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      log.send(words, `w${from + index}`, { partition: (from + index) % 4 }),
    ),
  )
}

async function take<R>(consumer: AsyncIterable<R>, count: number): Promise<R[]> {
  const taken: R[] = []
  if (count === 0) return taken
  for await (const record of consumer) {
    taken.push(record)
    if (taken.length === count) break
  }
  return taken
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    if (turn > 2_000) throw new Error('it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** What a running consumer was given, as texts. */
function collecting(consumer: Consumer<typeof words, 'auto'>): { seen: string[]; done: Promise<void> } {
  const seen: string[] = []
  const done = consumer.run(({ value }) => {
    seen.push(value)
  })
  return { seen, done }
}

/** Of a test: the log in memory, or the same by the URL at which another one serves it. */
const PLACES = ['in this process', 'through the URL of its process'] as const

describe.each(PLACES)('%s', (place) => {
  const remote = place !== PLACES[0]
  const shortSession = remote ? '300ms' : '30ms'

  async function memoryLog(): Promise<OpenLog> {
    const log = await open('memory:', remote ? { http: 0 } : {})
    logs.push(log)
    if (!remote) return log
    const other = await open(log.url as `http://${string}`)
    logs.push(other)
    return other
  }

  describe('a consumer', () => {
    test('gets every record of its topics, each partition in order', async () => {
      const log = await memoryLog()
      await fill(log, 40)
      const records = await take(log.consumer({ group: 'g', topics: [words] }), 40)
      expect(records.map(({ value }) => value).toSorted()).toEqual(
        Array.from({ length: 40 }, (_, index) => `w${index}`).toSorted(),
      )
      for (let partition = 0; partition < 4; partition++) {
        const offsets = records.filter((record) => record.partition === partition).map(({ offset }) => offset)
        expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
      }
    })

    test('goes on where its group was', async () => {
      const log = await memoryLog()
      await fill(log, 20)
      const first = await take(log.consumer({ group: 'g', topics: [words] }), 12)
      const second = await take(log.consumer({ group: 'g', topics: [words] }), 9)
      // The loop was left inside the twelfth record: it is not done, and comes again.
      const all = [...first.slice(0, 11), ...second].map(({ value }) => value)
      expect(new Set(all).size).toBe(20)
    })

    test('another group sees everything', async () => {
      const log = await memoryLog()
      await fill(log, 8)
      await take(log.consumer({ group: 'g', topics: [words] }), 8)
      expect(await take(log.consumer({ group: 'h', topics: [words] }), 8)).toHaveLength(8)
    })

    test('follows what is appended later', async () => {
      const log = await memoryLog()
      const { seen, done } = collecting(log.consumer({ group: 'g', topics: [words] }))
      await fill(log, 5)
      await until(() => seen.length === 5)
      await fill(log, 5, 5)
      await until(() => seen.length === 10)
      await log.close()
      await done
    })

    test('of several topics tells its records apart', async () => {
      const log = await memoryLog()
      await log.send(orders, 'an order', { key: 'k' })
      await log.send(payments, { amount: 3 })
      const consumer = log.consumer({ group: 'g', topics: [orders, payments] })
      const seen: string[] = []
      for await (const record of consumer) {
        if (orders.is(record)) seen.push(`order ${record.key} ${record.value}`)
        else if (payments.is(record)) seen.push(`payment ${JSON.stringify(record.value)}`)
        if (seen.length === 2) break
      }
      expect(seen.toSorted()).toEqual(['order k an order', 'payment {"amount":3}'])
    })

    test('is iterated or run once', async () => {
      const log = await memoryLog()
      const consumer = log.consumer({ group: 'g', topics: [words] })
      void consumer.run(() => undefined)
      await expect(consumer.run(() => undefined)).rejects.toThrow(/once/)
      expect(() => log.consumer({ group: 'g', topics: [] as never[] })).toThrow(/at least one topic/)
    })
  })

  describe('where it begins', () => {
    test.each([
      ['earliest', undefined, 8],
      ['latest', undefined, 0],
      [{ offset: 1 }, undefined, 4],
      ['committed', 'latest', 0],
      ['committed', 'earliest', 8],
    ] as const)('from %j, ifNone %s: %i of 8 records', async (from, ifNone, count) => {
      const log = await memoryLog()
      await fill(log, 8)
      const consumer = log.consumer({ group: 'g', topics: [words], from, ...(ifNone && { ifNone }) })
      const { seen, done } = collecting(consumer)
      await until(() => consumer.assignment().length === 4)
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(seen).toHaveLength(count)
      await fill(log, 1, 100)
      await until(() => seen.includes('w100'))
      await consumer.close()
      await done
    })

    test('ifNone fail says what to do', async () => {
      const log = await memoryLog()
      await fill(log, 1)
      const consumer = log.consumer({ group: 'g', topics: [words], ifNone: 'fail' })
      await expect(take(consumer, 1)).rejects.toMatchObject({ code: 'MILLRACE_NO_POSITION' })
    })

    test('an offset that the log does not have fails, and is not passed silently', async () => {
      const log = await memoryLog()
      await fill(log, 4)
      const far = { group: 'g', topics: [words], from: { offset: 99 } }
      await expect(take(log.consumer(far), 1)).rejects.toMatchObject({ code: 'MILLRACE_OFFSET_OUT_OF_RANGE' })
      expect(await take(log.consumer({ ...far, group: 'h', ifOutOfRange: 'earliest' }), 4)).toHaveLength(4)
    })
  })

  describe('members of a group', () => {
    test('share the partitions, and hand them over when one comes or goes; nothing is lost or given twice', async () => {
      const log = await memoryLog()
      const first = log.consumer({ group: 'g', topics: [words] })
      const one = collecting(first)
      await until(() => first.assignment().length === 4)
      await fill(log, 40)
      const second = log.consumer({ group: 'g', topics: [words], sessionTimeout: '500ms' })
      const two = collecting(second)
      await fill(log, 40, 40)
      await until(() => first.assignment().length === 2 && second.assignment().length === 2)
      await fill(log, 40, 80)
      await until(() => one.seen.length + two.seen.length >= 120)
      await first.close()
      await until(() => second.assignment().length === 4)
      await fill(log, 40, 120)
      await until(() => one.seen.length + two.seen.length >= 160)
      expect([...one.seen, ...two.seen].toSorted()).toEqual(
        Array.from({ length: 160 }, (_, index) => `w${index}`).toSorted(),
      )
      expect(two.seen.length).toBeGreaterThan(40)
      await second.close()
      await Promise.all([one.done, two.done])
    })

    test('a handler is told by its signal that the partition goes away, and may finish', async () => {
      const log = await memoryLog()
      await fill(log, 4)
      const first = log.consumer({ group: 'g', topics: [words], sessionTimeout: '200ms' })
      const aborted: string[] = []
      const begun: string[] = []
      const done = first.run(
        ({ value }, { signal }) => {
          begun.push(value)
          return new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              aborted.push(value)
              resolve()
            })
          })
        },
        { concurrency: { by: 'partition', limit: 4 } },
      )
      await until(() => begun.length === 4)
      const second = log.consumer({ group: 'g', topics: [words], sessionTimeout: '200ms' })
      const two = collecting(second)
      await until(() => aborted.length === 2 && second.assignment().length === 2)
      expect(two.seen).toEqual([])
      await first.close()
      await done
      await second.close()
      await two.done
    })

    test('one partition more is found and read', async () => {
      const log = await memoryLog()
      const consumer = log.consumer({ group: 'g', topics: [orders], sessionTimeout: '200ms' })
      const seen: string[] = []
      const done = consumer.run(({ value }) => {
        seen.push(value)
      })
      await until(() => consumer.assignment().length === 2)
      await log.admin.alterTopic('orders', { partitions: 3 })
      await log.send(orders, 'new', { key: 'k', partition: 2 })
      await until(() => seen.includes('new'))
      await consumer.close()
      await done
    })
  })

  describe('positions', () => {
    test('manual: what was not committed comes again', async () => {
      const log = await memoryLog()
      await fill(log, 8)
      const consumer = log.consumer({ group: 'g', topics: [words], commit: 'manual' })
      let count = 0
      for await (const record of consumer) {
        if (record.partition === 0) await record.commit()
        count += 1
        if (count === 8) break
      }
      const again = await take(log.consumer({ group: 'g', topics: [words] }), 6)
      expect(again.filter(({ partition }) => partition === 0)).toEqual([])
    })

    test('out of order: only what is done below every unfinished record is committed', async () => {
      const log = await memoryLog()
      for (let index = 0; index < 4; index++)
        await log.send(orders, `o${index}`, { key: `k${index}`, partition: 0 })
      const consumer = log.consumer({ group: 'g', topics: [orders] })
      const ended: string[] = []
      let release = () => {}
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      const done = consumer.run(
        async ({ value }) => {
          if (value === 'o1') await held
          ended.push(value)
        },
        { concurrency: { by: 'key', limit: 4 } },
      )
      await until(() => ended.length === 3)
      const described = log.groups.describe('g')
      expect(described?.positions.every(({ offset }) => offset <= 1)).toBe(true)
      release()
      await until(() => ended.length === 4)
      await consumer.close()
      await done
      expect(log.groups.describe('g')?.positions[0]).toMatchObject({ partition: 0, offset: 4, lag: 0 })
    })

    test('a handler that throws ends the consumer, and its record comes again', async () => {
      const log = await memoryLog()
      for (const value of ['a', 'poison', 'c']) await log.send(orders, value, { key: 'k', partition: 0 })
      const failing = log.consumer({ group: 'g', topics: [orders] }).run(({ value }) => {
        if (value === 'poison') throw new Error('cannot do that')
      })
      await expect(failing).rejects.toThrow('cannot do that')
      const again = await take(log.consumer({ group: 'g', topics: [orders] }), 2)
      expect(again.map(({ value }) => value)).toEqual(['poison', 'c'])
    })

    test('at most once: what was given out does not come again, though it failed', async () => {
      const log = await memoryLog()
      for (const value of ['a', 'b', 'c']) await log.send(orders, value, { key: 'k', partition: 0 })
      const failing = log.consumer({ group: 'g', topics: [orders], delivery: 'at-most-once' }).run(() => {
        throw new Error('lost')
      })
      await expect(failing).rejects.toThrow('lost')
      await log.send(orders, 'd', { key: 'k', partition: 0 })
      const again = await take(log.consumer({ group: 'g', topics: [orders] }), 1)
      expect(again.map(({ value }) => value)).toEqual(['d'])
    })

    test('a record that takes too long fails the consumer and names the record', async () => {
      const log = await memoryLog()
      await log.send(orders, 'slow', { key: 'k', partition: 0 })
      const consumer = log.consumer({
        group: 'g',
        topics: [orders],
        maxProcessingTime: '20ms',
        drainTimeout: '20ms',
      })
      const running = consumer.run(() => new Promise((resolve) => setTimeout(resolve, 100)))
      await expect(running).rejects.toThrow(/orders-0@0 takes longer than 20 ms/)
    })

    test('a slow handler keeps its membership while it makes progress', async () => {
      const log = await memoryLog()
      await fill(log, 4)
      const consumer = log.consumer({ group: 'g', topics: [words], sessionTimeout: shortSession })
      const seen: string[] = []
      const done = consumer.run(async ({ value }) => {
        await new Promise((resolve) => setTimeout(resolve, 60))
        seen.push(value)
      })
      await until(() => seen.length === 4)
      expect(consumer.assignment()).toHaveLength(4)
      expect(log.groups.describe('g')?.generation).toBe(1)
      await consumer.close()
      await done
    })
  })

  describe('transactions', () => {
    test('results and position together, exactly once', async () => {
      const log = await memoryLog()
      for (const value of ['a', 'b', 'c']) await log.send(orders, value, { key: 'k', partition: 0 })
      const loop = async (failAt: string | undefined): Promise<void> => {
        const consumer = log.consumer({ group: 'g', topics: [orders], commit: 'manual' })
        for await (const record of consumer) {
          await log.transaction((transaction) => {
            transaction.send(payments, { for: record.value })
            transaction.commit(record)
            if (record.value === failAt) throw new Error('crash')
          })
          if (record.value === 'c') break
        }
      }
      await expect(loop('b')).rejects.toThrow('crash')
      await loop(undefined)
      const results = await take(log.read(payments), 3)
      expect(results.map(({ value }) => value)).toEqual([{ for: 'a' }, { for: 'b' }, { for: 'c' }])
      expect(log.describe(payments).records).toBe(3)
    })

    test('what a function that fails had sent is never written', async () => {
      const log = await memoryLog()
      await expect(
        log.transaction((transaction) => {
          transaction.send(payments, 1)
          throw new Error('no')
        }),
      ).rejects.toThrow('no')
      expect(log.describe(payments).records).toBe(0)
    })

    test('nothing can be added after the end', async () => {
      const log = await memoryLog()
      const late = await log.transaction((transaction) => transaction)
      expect(() => late.send(payments, 1)).toThrow(/has ended/)
      expect(() => late.commit({})).toThrow(/has ended/)
      await expect(log.transaction((transaction) => transaction.commit({}))).rejects.toThrow(
        /a record of a consumer/,
      )
    })

    test('written first and committed later: readers wait, an abort leaves nothing', async () => {
      const log = await memoryLog()
      await using producer = await log.transactional('import')
      producer.begin()
      await producer.send(payments, 1)
      expect(log.describe(payments).records).toBe(0)
      await producer.abort()
      producer.begin()
      await Promise.all([producer.send(payments, 2), producer.send(payments, 3)])
      await producer.commit()
      const read = []
      for await (const { value } of log.read(payments)) read.push(value)
      expect(read).toEqual([2, 3])
    })

    test('who reads uncommitted sees what is open, and what was aborted', async () => {
      const log = await memoryLog()
      await using producer = await log.transactional('import')
      producer.begin()
      await producer.send(payments, 'aborted')
      await producer.abort()
      producer.begin()
      await producer.send(payments, 'open')
      const read = async (isolation: 'read_committed' | 'read_uncommitted'): Promise<unknown[]> => {
        const values: unknown[] = []
        for await (const { value } of log.read(payments, { isolation })) values.push(value)
        return values
      }
      expect(await read('read_committed')).toEqual([])
      expect(await read('read_uncommitted')).toEqual(['aborted', 'open'])
      const consumer = log.consumer({ group: 'g', topics: [payments], isolation: 'read_uncommitted' })
      expect((await take(consumer, 2)).map(({ value }) => value)).toEqual(['aborted', 'open'])
    })

    test('the second owner of a transactional id fences the first', async () => {
      const log = await memoryLog()
      const first = await log.transactional('import')
      first.begin()
      await first.send(payments, 'first')
      const second = await log.transactional('import')
      await expect(first.commit()).rejects.toMatchObject({ code: 'MILLRACE_FENCED' })
      second.begin()
      await second.send(payments, 'second')
      await second.commit()
      const read = []
      for await (const { value } of log.read(payments)) read.push(value)
      expect(read).toEqual(['second'])
      await second.close()
    })
  })
})
