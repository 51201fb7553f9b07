import { expect, test } from 'vitest'
import { text } from '../record/serdes.ts'
import { topic } from '../streams/topic.ts'
import { type OpenLog, open } from './open.ts'

const words = topic('words', { value: text() })
const OPTIONS = { group: 'g', topics: [words], commitInterval: '1h' } as const

async function filled(count: number): Promise<OpenLog> {
  const log = await open('memory:')
  await Promise.all(Array.from({ length: count }, (_, index) => log.send(words, `w${index}`)))
  return log
}

function position(log: OpenLog): number | undefined {
  return log.groups.describe('g')?.positions[0]?.offset
}

test('calls that do not wait for one another are answered in their order, also over the end of what is there', async () => {
  await using log = await filled(3)
  const iterator = log.consumer(OPTIONS)[Symbol.asyncIterator]()
  const calls = [1, 2, 3, 4].map(() => iterator.next())
  await calls[2]
  await log.send(words, 'w3')
  const values = (await Promise.all(calls)).map(({ value }) => value?.value)
  expect(values).toEqual(['w0', 'w1', 'w2', 'w3'])
  await iterator.return()
  // The last one was given out, and nobody said that it is done.
  expect(position(log)).toBe(3)
})

test('what was not asked to go on from is not done', async () => {
  await using log = await filled(3)
  const iterator = log.consumer(OPTIONS)[Symbol.asyncIterator]()
  await iterator.next()
  await iterator.next()
  await expect(iterator.throw(new Error('enough'))).rejects.toThrow('enough')
  expect(position(log)).toBe(1)
  expect(await iterator.next()).toEqual({ value: undefined, done: true })
})

test('a second loop over the same consumer is refused and does not end the first', async () => {
  await using log = await filled(2)
  const consumer = log.consumer(OPTIONS)
  const first = consumer[Symbol.asyncIterator]()
  await first.next()
  const second = consumer[Symbol.asyncIterator]()
  await expect(second.next()).rejects.toThrow(/iterated or run once/)
  expect(await second.next()).toEqual({ value: undefined, done: true })
  expect((await first.next()).value?.value).toBe('w1')
  await first.return()
})

test('a return while the next record is waited for ends when the consumer does', async () => {
  await using log = await filled(0)
  await using iterator = log.consumer(OPTIONS)[Symbol.asyncIterator]()
  const waiting = iterator.next()
  const returned = iterator.return()
  await log.send(words, 'late')
  expect((await waiting).value?.value).toBe('late')
  expect(await returned).toEqual({ value: undefined, done: true })
})

test('a loop whose consumer is closed in its body ends behind that record', async () => {
  await using log = await filled(3)
  const consumer = log.consumer({ ...OPTIONS, drainTimeout: '1s' })
  const seen: string[] = []
  let closed: Promise<void> | undefined
  for await (const { value } of consumer) {
    seen.push(value)
    closed = consumer.close()
  }
  await closed
  expect(seen).toEqual(['w0'])
  expect(position(log)).toBe(1)
})
