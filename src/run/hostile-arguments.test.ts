import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { json, text } from '../record/serdes.ts'
import { app } from '../streams/app.ts'
import { stream } from '../streams/source-stream.ts'
import { topic } from '../streams/topic.ts'
import { view } from '../streams/view.ts'
import { type OpenLog, open } from './open.ts'
import { run } from './run.ts'

// What types forbid and programs do nevertheless. Every call is refused in words, and the log goes on.

const lines = topic('lines', { value: text(), partitions: 2 })
const orders = topic('orders', { key: text(), value: json() })
const lineCounts = app('counts', {
  counts: view(
    stream(lines)
      .keyBy(() => 'all')
      .count('n'),
  ),
})

/** Anything, where the types want something else. */
const odd = (value: unknown): never => value as never

let log: OpenLog

beforeEach(async () => {
  log = await open('memory:')
})

afterEach(() => log.close())

async function refusal(call: () => unknown): Promise<string> {
  try {
    await call()
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    return `${code}: ${message}`
  }
  return 'taken'
}

async function worksStill(): Promise<void> {
  await expect(log.send(lines, 'fine', { partition: 0 })).resolves.toMatchObject({ offset: 0 })
}

const header = (value: unknown) => ({ headers: odd([{ key: 'trace', value }]) })

describe('a record', () => {
  test.each([
    [header('text'), 'hold { key: "trace", value: "text" }'],
    [header(5n), 'hold { key: "trace", value: 5n }'],
    [header(undefined), 'hold { key: "trace", value: undefined }'],
    [{ headers: odd([{ key: 1, value: null }]) }, 'hold { key: 1, value: null }'],
    [{ headers: odd([null]) }, 'hold null'],
    [{ headers: odd({ trace: 'x' }) }, 'is an object'],
    [{ headers: odd('trace') }, 'is "trace"'],
    [odd('a-key'), 'what is said of a record for lines is "a-key", expected an object'],
    [{ timestamp: odd(Symbol('now')) }, 'the timestamp of a record for lines is Symbol(now)'],
    [{ partition: odd(Symbol('one')) }, 'lines has no partition Symbol(one)'],
  ])('with %o is refused by send and by transactions', async (options, message) => {
    const words = message.replace(/^is/, 'the headers of a record for lines is')
    expect(await refusal(() => log.send(lines, 'x', options))).toContain(words)
    expect(await refusal(() => log.transaction((all) => all.send(lines, 'x', options)))).toContain(words)
    await worksStill()
  })

  test('right headers pass, without a value too', async () => {
    await log.send(lines, 'x', {
      headers: [
        { key: 'a', value: Uint8Array.of(1) },
        { key: 'b', value: null },
      ],
    })
    for await (const { headers } of log.read(lines)) expect(headers.map(({ key }) => key)).toEqual(['a', 'b'])
  })

  test('that cannot be written says of which topic it is, and whether its key or its value is wrong', async () => {
    const badKey = await refusal(() => log.send(orders, {}, { key: odd(5) }))
    expect(badKey).toBe(
      'MILLRACE_INVALID_RECORD: the key of a record for orders: expected a text, got number',
    )
    const badValue = await refusal(() => log.send(orders, { total: 5n }, { key: 'k' }))
    expect(badValue).toContain('the value of a record for orders: the value cannot be written as JSON')
  })

  test.each([odd(null), odd(undefined), odd({}), odd('lines')])(
    'for %o instead of a topic',
    async (target) => {
      expect(await refusal(() => log.send(target as typeof lines, 'x'))).toContain('this is no topic')
      await worksStill()
    },
  )
})

describe('a consumer', () => {
  const base = { group: 'g', topics: [lines] }
  test.each([
    [{ group: odd(5) }, 'the group of a consumer is 5, expected a text'],
    [{ topics: odd(lines) }, 'topics is an object, expected at least one topic'],
    [{ commit: odd('never') }, `commit is "never", expected 'auto' or 'manual'`],
    [{ delivery: odd('exactly-once') }, 'delivery is "exactly-once"'],
    [{ isolation: odd('read-committed') }, 'isolation is "read-committed"'],
    [{ ifNone: odd('newest') }, 'ifNone is "newest"'],
    [{ ifOutOfRange: odd('earlyest') }, 'ifOutOfRange is "earlyest"'],
    [{ from: odd('begin') }, 'from is "begin"'],
    [{ from: odd(5) }, 'from is 5'],
    [{ from: odd(null) }, 'from is null'],
    [{ from: { offset: odd('5') } }, 'from.offset is "5"'],
    [{ instance: odd(Symbol('me')) }, 'instance is Symbol(me)'],
    [{ client: odd(5n) }, 'client is 5n'],
    [{ signal: odd({ aborted: true }) }, 'signal is an object, expected an AbortSignal'],
  ])('with %o is refused before it joins', async (options, message) => {
    expect(await refusal(() => log.consumer({ ...base, ...options }))).toContain(message)
    expect(log.groups.list()).toEqual([])
    await worksStill()
  })

  test.each([odd(undefined), odd(null), odd('g')])('with %o for options', async (options) => {
    expect(await refusal(() => log.consumer(options))).toContain('the options of a consumer is')
  })

  test('may be run after a call of run that was refused', async () => {
    const consumer = log.consumer(base)
    expect(await refusal(() => consumer.run(odd('work')))).toContain('the handler of run is "work"')
    const fast = { concurrency: odd({ by: 'topic', limit: 2 }) }
    expect(await refusal(() => consumer.run(() => undefined, fast))).toContain('concurrency.by is "topic"')
    await log.send(lines, 'x')
    await expect(consumer.run(() => void consumer.close())).resolves.toBeUndefined()
  })

  test.each([null, undefined])('whose handler throws %o fails, and commits nothing', async (nothing) => {
    await log.send(lines, 'x', { partition: 1 })
    const failing = (): void => {
      // oxlint-disable-next-line only-throw-error -- what is tested is who does it nevertheless
      throw odd(nothing)
    }
    const fails = expect.stringMatching(/USER_FUNCTION: the handler threw null or undefined at lines-1@0/)
    expect(await refusal(() => log.consumer(base).run(failing))).toEqual(fails)
    expect(await refusal(() => log.consumer(base).run(failing, { concurrency: 4 }))).toEqual(fails)
  })
})

describe('other calls', () => {
  const calls: [string, (log: OpenLog) => unknown, string][] = [
    ['read from a word', (it) => it.read(lines, { from: odd('begin') }).next(), 'from is "begin"'],
    [
      'read with another isolation',
      (it) => it.read(lines, { isolation: odd('all') }).next(),
      'isolation is "all"',
    ],
    ['read until a number', (it) => it.read(lines, { signal: odd(5) }).next(), 'signal is 5'],
    ['read with null', (it) => it.read(lines, odd(null)).next(), 'the options of read is null'],
    ['describe nothing', (it) => it.describe(odd(null)), 'the name of the topic is undefined'],
    ['a transaction of nothing', (it) => it.transaction(odd(null)), 'the work of a transaction is null'],
    ['a transactional producer without an id', (it) => it.transactional(odd(null)), 'producer is null'],
    ['a producer idempotent by a text', (it) => it.producer({ idempotent: odd('no') }), 'idempotent is "no"'],
    ['a reset to a number', (it) => it.groups.reset('g', { to: odd(5) }), 'to is 5'],
    [
      'a reset to a shift of bigint',
      (it) => it.groups.reset('g', { to: { shift: odd(5n) }, topic: 'lines' }),
      '5n',
    ],
    ['a reset of a number', (it) => it.groups.reset(odd(7), { to: 'latest', topic: 'lines' }), 'group is 7'],
    ['a topic named by a number', (it) => it.admin.createTopic(odd(5), { partitions: 1 }), 'topic is 5'],
    ['a topic without settings', (it) => it.admin.createTopic('t', odd(null)), 'the settings of t is null'],
    [
      'a durability of bigint',
      (it) => it.admin.createTopic('t', { partitions: 1, durability: odd(1n) }),
      'is 1',
    ],
    ['changes that are none', (it) => it.admin.alterTopic('lines', odd(5)), 'the changes of lines is 5'],
    ['records deleted before a text', (it) => it.admin.deleteRecords('lines', 0, odd('5')), 'before is "5"'],
  ]
  test.each(calls)('%s', async (_, call, message) => {
    await log.send(lines, 'x', { partition: 1 })
    const said = await refusal(() => call(log))
    expect(said).toContain('MILLRACE_INVALID_ARGUMENT')
    expect(said).toContain(message)
    await worksStill()
  })

  test.each([-1, 1.5, 65_536, Number.NaN, odd(null), odd('80')])('the port %o', async (http) => {
    expect(await refusal(() => open('memory:', { http }))).toContain('http is ')
    expect(await refusal(() => run(lineCounts, { at: 'memory:', http }))).toContain(
      'expected a port from 0 to 65535',
    )
  })

  test.each([odd(null), odd(undefined), odd(5), odd(['memory:'])])('the place %o', async (at) => {
    expect(await refusal(() => open(at))).toContain('where the log lies is')
    expect(await refusal(() => run(lineCounts, { at }))).toContain('at is')
  })
})

test.each([
  [odd(undefined), 'answers with undefined, expected { value } or { issues }'],
  [odd(null), 'answers with null'],
  [odd(5), 'answers with 5'],
])('a schema that answers %o', async (answer, message) => {
  const checked = topic('checked', {
    value: { '~standard': { version: 1, vendor: 'home-made', validate: () => answer } },
  })
  expect(await refusal(() => log.send(checked, odd('x')))).toContain(`the home-made schema ${message}`)
})

test('a topic without options, or with a schema that cannot validate, is refused when it is made', async () => {
  expect(await refusal(() => topic('t', odd(undefined)))).toContain('the topic t needs options')
  expect(await refusal(() => topic('t', { value: odd({ '~standard': {} }) }))).toContain('needs a `value`')
  expect(await refusal(() => topic(odd(5n), { value: text() }))).toContain('5n is no name for a topic')
})
