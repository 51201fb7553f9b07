import { afterEach, describe, expect, test } from 'vitest'
import { json, text } from '../record/serdes.ts'
import { topic } from '../streams/topic.ts'
import { type OpenLog, open } from './open.ts'

const words = topic('words', { value: text(), partitions: 2 })
const results = topic('results', { value: text() })
const numbers = topic('numbers', { value: json(), partitions: 1 })

const logs: OpenLog[] = []
afterEach(async () => {
  for (const log of logs.splice(0)) await log.close()
})

async function memoryLog(): Promise<OpenLog> {
  const log = await open('memory:')
  logs.push(log)
  return log
}

async function fill(log: OpenLog, count: number, from = 0): Promise<void> {
  const sends = Array.from({ length: count }, (_, index) =>
    log.send(words, `w${from + index}`, { partition: (from + index) % 2 }),
  )
  await Promise.all(sends)
}

/** What a loop over batches is given until it has so many records; it leaves after the last one was asked for more. */
async function values(
  batches: AsyncIterable<readonly { readonly value: string }[]>,
  count: number,
): Promise<string[][]> {
  const all: string[][] = []
  for await (const batch of batches) {
    all.push(batch.map(({ value }) => value))
    if (all.flat().length >= count) break
  }
  return all
}

function positions(log: OpenLog, group = 'g'): number[] {
  const described = log.groups.describe(group)?.positions ?? []
  return described.toSorted((a, b) => a.partition - b.partition).map(({ offset }) => offset)
}

const until = async (condition: () => boolean): Promise<void> => {
  for (let turn = 0; !condition(); turn++) {
    if (turn > 2_000) throw new Error('it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

describe('batches', () => {
  test('hold what is there, each partition in its order, up to a number of records', async () => {
    const log = await memoryLog()
    await fill(log, 25)
    const batches = await values(log.consumer({ group: 'g', topics: [words] }).batches({ records: 10 }), 25)
    expect(batches.map(({ length }) => length)).toEqual([10, 10, 5])
    for (const parity of [0, 1]) {
      const numbersOf = batches.flat().map((value) => Number(value.slice(1)))
      const own = numbersOf.filter((each) => each % 2 === parity)
      expect(own).toEqual(own.toSorted((a, b) => a - b))
    }
    expect(new Set(batches.flat()).size).toBe(25)
  })

  test('end before the bytes they may have are passed by more than a record', async () => {
    const log = await memoryLog()
    for (let index = 0; index < 10; index++) await log.send(words, 'x'.repeat(100), { partition: 0 })
    const batches = await values(log.consumer({ group: 'g', topics: [words] }).batches({ bytes: 250 }), 10)
    expect(batches.map(({ length }) => length)).toEqual([3, 3, 3, 1])
  })

  test('wait for others as long as they were told to, no longer', async () => {
    const log = await memoryLog()
    await fill(log, 1)
    const consumer = log.consumer({ group: 'g', topics: [words] })
    const taken = values(consumer.batches({ records: 3, within: '40ms' }), 4)
    await until(() => consumer.lag() === 1)
    await new Promise((resolve) => setTimeout(resolve, 5))
    await fill(log, 3, 1)
    const [first, second] = await taken
    expect(first).toHaveLength(3)
    expect([...(first ?? []), ...(second ?? [])].toSorted()).toEqual(['w0', 'w1', 'w2', 'w3'])
  })

  test('are done when the next one is asked for, and not when the loop is left', async () => {
    const log = await memoryLog()
    await fill(log, 6)
    const options = { group: 'g', topics: [words], commitInterval: '1ms' } as const
    let seen = 0
    for await (const batch of log.consumer(options).batches({ records: 2 })) {
      seen += batch.length
      if (seen === 4) break
    }
    const again = await values(log.consumer(options).batches({ records: 10 }), 4)
    // The first batch counts, the second one was left undone.
    expect(again.flat()).toHaveLength(4)
  })

  test('of a loop that throws come again, whole', async () => {
    const log = await memoryLog()
    await fill(log, 4)
    const failing = async (): Promise<void> => {
      for await (const batch of log.consumer({ group: 'g', topics: [words] }).batches())
        throw new Error(`no place for ${batch.length}`)
    }
    await expect(failing()).rejects.toThrow(/no place for/)
    expect((await values(log.consumer({ group: 'g', topics: [words] }).batches(), 4)).flat()).toHaveLength(4)
  })

  test("of a partition that moves while they wait for more are the next owner's", async () => {
    const log = await memoryLog()
    await fill(log, 2)
    const options = { group: 'g', topics: [words], drainTimeout: '5s' } as const
    const first = log.consumer(options)
    const seen: string[] = []
    const running = (async () => {
      for await (const batch of first.batches({ records: 100, within: '1m' }))
        seen.push(...batch.map(({ value }) => value))
    })()
    await until(() => first.assignment().length === 2)
    await new Promise((resolve) => setTimeout(resolve, 10))
    const second = log.consumer(options)
    const got = await values(second.batches(), 1)
    expect(got.flat()).toHaveLength(1)
    await first.close()
    await running
    // What waited was given to nobody and is not committed.
    expect(seen).toEqual([])
  })

  test('with manual commits: a transaction takes results and positions together', async () => {
    const log = await memoryLog()
    await fill(log, 6)
    const consumer = log.consumer({ group: 'g', topics: [words], commit: 'manual' })
    let seen = 0
    for await (const batch of consumer.batches({ records: 4 })) {
      await log.transaction((transaction) => {
        for (const record of batch) {
          transaction.send(results, `${record.value}!`)
          transaction.commit(record)
        }
      })
      seen += batch.length
      if (seen === 6) break
    }
    expect(log.describe(results).records).toBe(6)
    expect(positions(log)).toEqual([3, 3])
  })

  test('with manual commits: a record is committed with those before it in its partition', async () => {
    const log = await memoryLog()
    await fill(log, 6)
    for await (const batch of log.consumer({ group: 'g', topics: [words], commit: 'manual' }).batches()) {
      const own = batch.filter(({ partition }) => partition === 0)
      await own[1]?.commit()
      break
    }
    expect(positions(log)[0]).toBe(2)
  })

  test('at most once: what was given out does not come again, though it failed', async () => {
    const log = await memoryLog()
    await fill(log, 6)
    const options = { group: 'g', topics: [words], delivery: 'at-most-once' } as const
    const [lost] = await values(log.consumer(options).batches({ records: 6 }), 1)
    await fill(log, 1, 6)
    const rest = 7 - (lost?.length ?? 0)
    const then = await values(log.consumer(options).batches(), rest)
    expect([...(lost ?? []), ...then.flat()].toSorted()).toEqual(['w0', 'w1', 'w2', 'w3', 'w4', 'w5', 'w6'])
  })

  test('end with the consumer, and only one loop has it', async () => {
    const log = await memoryLog()
    const consumer = log.consumer({ group: 'g', topics: [words] })
    const waiting = values(consumer.batches(), 1)
    await expect(values(consumer.batches(), 1)).rejects.toThrow(/iterated or run once/)
    await consumer.close()
    expect(await waiting).toEqual([])
  })

  test.each([{ records: 0 }, { bytes: -1 }, { records: 1.5 }])('of %j are refused', async (options) => {
    const log = await memoryLog()
    const batches = log.consumer({ group: 'g', topics: [words] }).batches(options)
    await expect(batches.next()).rejects.toMatchObject({ code: 'MILLRACE_INVALID_ARGUMENT' })
  })
})

describe('a record that cannot be read', () => {
  test.each(['batches', 'iterate', 'run'] as const)(
    '%s: those before it count, it ends the consumer',
    async (way) => {
      const log = await memoryLog()
      const raw = topic('numbers', { value: text(), partitions: 1 })
      for (const value of ['1', '2', 'three', '4']) await log.send(raw, value)
      const consumer = log.consumer({ group: 'g', topics: [numbers] })
      const seen: unknown[] = []
      const reading = async (): Promise<void> => {
        if (way === 'run') await consumer.run(({ value }) => void seen.push(value))
        else if (way === 'iterate') for await (const { value } of consumer) seen.push(value)
        else for await (const batch of consumer.batches()) seen.push(...batch.map(({ value }) => value))
      }
      await expect(reading()).rejects.toThrow(/numbers-0@2 cannot be read/)
      expect(seen).toEqual([1, 2])
      expect(positions(log)).toEqual([2])
    },
  )
})

describe('a handler that never waits', () => {
  test('lets timers have their turn', async () => {
    const log = await memoryLog()
    await fill(log, 400)
    const consumer = log.consumer({ group: 'g', topics: [words] })
    let [handled, ticks] = [0, 0]
    const timer = setInterval(() => ticks++, 1)
    const done = consumer.run(() => {
      handled++
      for (const end = performance.now() + 0.3; performance.now() < end; );
    })
    await until(() => handled === 400)
    clearInterval(timer)
    await consumer.close()
    await done
    expect(ticks).toBeGreaterThan(3)
  })
})
