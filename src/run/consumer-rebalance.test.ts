import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { messageOf } from '../base/errors.ts'
import { text } from '../record/serdes.ts'
import { topic } from '../streams/topic.ts'
import { type OpenLog, open } from './open.ts'

/**
 * What handlers, signals, failures and rebalances do to each other. Each test is a fault that was found, or one that
 * users of other clients reported.
 */

const orders = topic('orders', { key: text(), value: text(), partitions: 2 })
const results = topic('results', { value: text() })

const logs: OpenLog[] = []
afterEach(async () => {
  for (const log of logs.splice(0)) await log.close()
})

async function memoryLog(): Promise<OpenLog> {
  const log = await open('memory:')
  logs.push(log)
  return log
}

async function fill(log: OpenLog, values: readonly string[], partition = 0): Promise<void> {
  for (const value of values) await log.send(orders, value, { key: value, partition })
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    if (turn > 3_000) throw new Error('it did not happen')
    await sleep(1)
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function gate(): { readonly opened: Promise<void>; open(): void } {
  let release = () => {}
  const opened = new Promise<void>((resolve) => {
    release = resolve
  })
  return { opened, open: () => release() }
}

function positionIn(log: OpenLog, partition: number): number | undefined {
  return log.groups.describe('g')?.positions.find((each) => each.partition === partition)?.offset
}

const OPTIONS = { group: 'g', topics: [orders], sessionTimeout: '200ms', drainTimeout: '2s' } as const

describe('records that waited while their partition went away', () => {
  test('are given to the next owner: close marks nothing as done that was not processed', async () => {
    const log = await memoryLog()
    await fill(log, ['a', 'b', 'c', 'd'])
    const held = gate()
    const seen: string[] = []
    const consumer = log.consumer(OPTIONS)
    const done = consumer.run(async ({ value }) => {
      seen.push(value)
      await held.opened
    })
    await until(() => seen.length === 1)
    // 'b' is taken and waits behind 'a'.
    await sleep(5)
    const closed = consumer.close()
    held.open()
    await closed
    await done
    expect(seen).toEqual(['a'])
    expect(positionIn(log, 0)).toBe(1)
  })

  test('of a partition whose neighbour failed are not passed', async () => {
    const log = await memoryLog()
    await fill(log, ['a', 'b', 'c'], 0)
    await fill(log, ['poison'], 1)
    const held = gate()
    const seen: string[] = []
    const running = log.consumer(OPTIONS).run(
      async ({ value }) => {
        seen.push(value)
        if (value === 'poison') throw new Error('cannot do that')
        await held.opened
      },
      { concurrency: { by: 'partition', limit: 2 } },
    )
    running.catch(() => undefined)
    await until(() => seen.includes('poison') && seen.includes('a'))
    held.open()
    await expect(running).rejects.toThrow('cannot do that')
    expect(seen).not.toContain('b')
    expect(positionIn(log, 0)).toBe(1)
    expect(positionIn(log, 1) ?? 0).toBe(0)
  })

  test('slow work over a rebalance: two members, nothing lost, nothing twice, what is kept goes on', async () => {
    const log = await memoryLog()
    const values = Array.from({ length: 30 }, (_, index) => `v${index}`)
    for (const [index, value] of values.entries()) await fill(log, [value], index % 2)
    const seen: string[] = []
    const handler = async ({ value }: { readonly value: string }): Promise<void> => {
      await sleep(3)
      seen.push(value)
    }
    const work = { concurrency: { by: 'partition', limit: 2 } } as const
    const first = log.consumer(OPTIONS)
    const one = first.run(handler, work)
    await until(() => seen.length >= 4)
    const second = log.consumer(OPTIONS)
    const two = second.run(handler, work)
    await until(() => seen.length >= 30)
    expect(first.assignment()).toHaveLength(1)
    expect(second.assignment()).toHaveLength(1)
    expect(seen.toSorted()).toEqual(values.toSorted())
    await Promise.all([first.close(), second.close()])
    await Promise.all([one, two])
  })
})

describe('signals', () => {
  test('what a handler throws after its signal is no failure, and its record comes again', async () => {
    const log = await memoryLog()
    await fill(log, ['a'], 0)
    await fill(log, ['b'], 1)
    const begun: string[] = []
    const first = log.consumer(OPTIONS)
    const one = first.run(
      ({ value }, { signal }) => {
        begun.push(value)
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        })
      },
      { concurrency: { by: 'partition', limit: 2 } },
    )
    await until(() => begun.length === 2)
    const again: string[] = []
    const second = log.consumer(OPTIONS)
    const two = second.run(({ value }) => {
      again.push(value)
    })
    await until(() => again.length === 1)
    expect(first.assignment()).toHaveLength(1)
    await first.close()
    await one
    await until(() => again.length === 2)
    await second.close()
    await two
  })

  test('one signal serves all records of a partition', async () => {
    const log = await memoryLog()
    await fill(log, ['a', 'b', 'c'], 0)
    const signals = new Set<AbortSignal>()
    let count = 0
    const consumer = log.consumer(OPTIONS)
    const done = consumer.run((_, { signal }) => {
      signals.add(signal)
      count += 1
    })
    await until(() => count === 3)
    expect(signals.size).toBe(1)
    await consumer.close()
    await done
  })

  test('the signal of the options leaves no listener behind', async () => {
    const log = await memoryLog()
    const { signal } = new AbortController()
    for (let round = 0; round < 3; round++) {
      const consumer = log.consumer({ ...OPTIONS, signal })
      expect(getEventListeners(signal, 'abort')).toHaveLength(1)
      await consumer.close()
    }
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  test('aborted before the consumer is made: it ends at once and never joins', async () => {
    const log = await memoryLog()
    const consumer = log.consumer({ ...OPTIONS, signal: AbortSignal.abort() })
    const seen: unknown[] = []
    for await (const record of consumer) seen.push(record)
    expect(seen).toEqual([])
    expect(log.groups.describe('g')?.members ?? []).toEqual([])
  })
})

describe('the end', () => {
  test('close inside a handler does not wait for itself', async () => {
    const log = await memoryLog()
    await fill(log, ['a', 'b', 'c'])
    const seen: string[] = []
    const consumer = log.consumer(OPTIONS)
    const begin = performance.now()
    await consumer.run(async ({ value }) => {
      seen.push(value)
      if (value === 'b') await consumer.close()
    })
    expect(performance.now() - begin).toBeLessThan(1_500)
    expect(seen).toEqual(['a', 'b'])
    expect(positionIn(log, 0)).toBe(2)
  })

  test('a handler that never ends is waited for as long as drainTimeout says', async () => {
    const log = await memoryLog()
    await fill(log, ['a', 'b', 'c', 'd'])
    const options = { ...OPTIONS, maxProcessingTime: '20ms', drainTimeout: '30ms' } as const
    const running = log.consumer(options).run(() => new Promise(() => undefined))
    await expect(running).rejects.toThrow(/orders-0@0 takes longer than 20 ms/)
    expect(positionIn(log, 0) ?? 0).toBe(0)
  })

  test('topics that cannot be made end the consumer with that error', async () => {
    const log = await open('memory:')
    await log.close()
    await expect(log.consumer(OPTIONS).run(() => undefined)).rejects.toMatchObject({
      code: 'MILLRACE_CLOSED',
    })
  })

  test('log.close ends consumers in every state', async () => {
    const log = await open('memory:')
    await fill(log, ['a', 'b', 'c'])
    const idle = log.consumer(OPTIONS)
    const done = log.consumer(OPTIONS).run(() => sleep(5))
    const iterated = (async () => {
      for await (const record of log.consumer({ ...OPTIONS, group: 'h' }))
        expect(record.value).toBeTypeOf('string')
    })()
    await sleep(20)
    const late = log.consumer(OPTIONS)
    await log.close()
    await Promise.all([done, iterated])
    expect(idle.assignment()).toEqual([])
    expect(late.assignment()).toEqual([])
  })

  test('a record that cannot be read is named by its place', async () => {
    const log = await memoryLog()
    await fill(log, ['a', 'b'])
    const broken = topic('orders', {
      key: text(),
      value: {
        ...text(),
        decode: () => {
          throw new Error('half a value')
        },
      },
      partitions: 2,
    })
    await expect(log.consumer({ group: 'g', topics: [broken] }).run(() => undefined)).rejects.toThrow(
      /the value of orders-0@0 cannot be read: .*half a value/,
    )
  })
})

describe('partitions beside each other', () => {
  test('a busy one does not starve the others', async () => {
    const log = await memoryLog()
    await fill(log, ['hot'], 0)
    const seen: string[] = []
    let feeding = Promise.resolve()
    const consumer = log.consumer(OPTIONS)
    const done = consumer.run(async ({ value }) => {
      seen.push(value)
      // There is always one more in the busy partition before the next is asked for.
      if (value === 'hot' && seen.length < 300) await log.send(orders, 'hot', { key: 'k', partition: 0 })
      if (seen.length === 10) feeding = fill(log, ['cold'], 1)
    })
    await until(() => seen.length >= 300)
    await feeding
    expect(seen.indexOf('cold')).toBeGreaterThan(0)
    expect(seen.indexOf('cold')).toBeLessThan(40)
    await consumer.close()
    await done
  })

  test('a slow one does not fill the places of the others', async () => {
    const log = await memoryLog()
    await fill(
      log,
      Array.from({ length: 20 }, (_, index) => `slow${index}`),
      0,
    )
    await fill(
      log,
      Array.from({ length: 20 }, (_, index) => `fast${index}`),
      1,
    )
    const held = gate()
    const seen: string[] = []
    const consumer = log.consumer(OPTIONS)
    const done = consumer.run(
      async ({ value }) => {
        seen.push(value)
        if (value.startsWith('slow')) await held.opened
      },
      { concurrency: { by: 'partition', limit: 2 } },
    )
    await until(() => seen.filter((value) => value.startsWith('fast')).length === 20)
    expect(seen.filter((value) => value.startsWith('slow'))).toEqual(['slow0'])
    held.open()
    await until(() => seen.length === 40)
    await consumer.close()
    await done
  })
})

describe('manual commits over a rebalance', () => {
  test('records that are only not committed do not hold it up', async () => {
    const log = await memoryLog()
    await fill(log, ['a', 'b'], 0)
    await fill(log, ['c', 'd'], 1)
    const options = { ...OPTIONS, commit: 'manual', drainTimeout: '60s' } as const
    const seen: string[] = []
    const first = log.consumer(options)
    const one = first.run(({ value }) => {
      seen.push(value)
    })
    await until(() => seen.length === 4)
    const begin = performance.now()
    const second = log.consumer({ ...OPTIONS })
    const two = second.run(({ value }) => {
      seen.push(value)
    })
    await until(() => seen.length === 6)
    expect(performance.now() - begin).toBeLessThan(2_000)
    await Promise.all([first.close(), second.close()])
    await Promise.all([one, two])
  })

  test('a transaction may take the record in hand while its partition is going', async () => {
    const log = await memoryLog()
    await fill(log, ['a'], 0)
    await fill(log, ['b'], 1)
    const held = gate()
    let begun = 0
    const first = log.consumer({ ...OPTIONS, commit: 'manual' })
    const one = first.run(
      async (record) => {
        begun += 1
        await held.opened
        await log.transaction((transaction) => {
          transaction.send(results, record.value)
          transaction.commit(record)
        })
      },
      { concurrency: { by: 'partition', limit: 2 } },
    )
    await until(() => begun === 2)
    const second = log.consumer({ ...OPTIONS, commit: 'manual' })
    await until(() => first.assignment().length === 1)
    held.open()
    await until(() => second.assignment().length === 1)
    expect(log.describe(results).records).toBe(2)
    expect([positionIn(log, 0), positionIn(log, 1)]).toEqual([1, 1])
    await Promise.all([first.close(), second.close()])
    await one
  })

  test('a record whose partition is gone is refused, by its own commit and by a transaction', async () => {
    const log = await memoryLog()
    await fill(log, ['a'], 0)
    const consumer = log.consumer({ ...OPTIONS, commit: 'manual' })
    const kept = []
    for await (const record of consumer) {
      kept.push(record)
      break
    }
    const [record] = kept
    await expect(record?.commit()).rejects.toMatchObject({ code: 'MILLRACE_REFUSED' })
    await expect(
      log.transaction((transaction) => transaction.commit(record as object)),
    ).rejects.toMatchObject({ code: 'MILLRACE_REFUSED' })
    expect(positionIn(log, 0)).toBeUndefined()
  })

  test('a record of a consumer that commits by itself cannot be committed by a transaction as well', async () => {
    const log = await memoryLog()
    await fill(log, ['a'], 0)
    for await (const record of log.consumer(OPTIONS)) {
      await expect(log.transaction((transaction) => transaction.commit(record))).rejects.toThrow(/manual/)
      break
    }
  })
})

describe('at most once over a rebalance', () => {
  test('what was committed is given out, though its partition went away meanwhile; nothing comes twice', async () => {
    const log = await memoryLog()
    const values = Array.from({ length: 20 }, (_, index) => `v${index}`)
    for (const [index, value] of values.entries()) await fill(log, [value], index % 2)
    const options = { ...OPTIONS, delivery: 'at-most-once' } as const
    const seen: string[] = []
    const handler = async ({ value }: { readonly value: string }): Promise<void> => {
      seen.push(value)
      await sleep(2)
    }
    const first = log.consumer(options)
    const one = first.run(handler)
    await until(() => seen.length >= 2)
    const second = log.consumer(options)
    const two = second.run(handler)
    await until(() => second.assignment().length === 1)
    await until(() => seen.length >= 20)
    await sleep(10)
    expect(seen.toSorted()).toEqual(values.toSorted())
    await Promise.all([first.close(), second.close()])
    await Promise.all([one, two])
    expect([positionIn(log, 0), positionIn(log, 1)]).toEqual([10, 10])
  })
})

test('a topic that is deleted ends its consumer with its name; positions in other topics are committed', async () => {
  const log = await memoryLog()
  const others = topic('others', { value: text() })
  await fill(log, ['a'])
  await log.send(others, 'b')
  const seen: string[] = []
  const consumer = log.consumer({ ...OPTIONS, topics: [orders, others] })
  const done = consumer.run(({ value }) => {
    seen.push(value)
  })
  const failure = done.then(() => undefined, messageOf)
  await until(() => seen.length === 2)
  await log.admin.deleteTopic('orders')
  expect(await failure).toMatch(/topic orders was deleted/)
  expect(log.groups.describe('g')?.positions).toMatchObject([{ topic: 'others', offset: 1 }])
  expect(consumer.lag()).toBeUndefined()
})
