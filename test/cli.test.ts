import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CliWorld, type RunningCommand } from './cli-process.ts'

/** Clicks counted per page, and per user and minute; the first ones come from a file. */
const PIPELINE = `
import { app, count, stream, text, topic, tumbling, view, withOptions } from 'millrace'
import { jsonl } from 'millrace/files'
import { z } from 'zod'

const Click = z.object({ user: z.string(), page: z.string(), at: z.number() })
const Window = z.object({ start: z.number(), end: z.number() })
export const clicks = topic('clicks', { value: Click, partitions: 2 })
export const minutes = topic('minutes', {
  key: text(),
  value: z.object({ key: z.string(), window: Window, clicks: z.number() }),
})
export default withOptions({ input: z.string().default('clicks.jsonl'), size: z.string().default('1m') }, ({ input, size }) => {
  const all = stream(clicks, { eventTime: (click) => click.at })
  const perMinute = all
    .keyBy((click) => click.user)
    .window('per-minute', tumbling(size as '1m'))
    .aggregate({ clicks: count() })
  return app('pages', {
    load: stream(jsonl(input, Click)).to(clicks),
    minutes: perMinute.final().to(minutes),
    pages: view(all.keyBy((click) => click.page).count('pages')),
    perMinute: view(perMinute.updates()),
  })
})
`
const CLICKS = [
  { user: 'ann', page: '/home', at: 1_000 },
  { user: 'bob', page: '/home', at: 2_000 },
  { user: 'ann', page: '/cart', at: 3_000 },
  { user: 'ann', page: '/home', at: 61_000 },
]
const lines = (values: readonly unknown[]): string =>
  values.map((value) => `${JSON.stringify(value)}\n`).join('')

function clicksFolder(): CliWorld {
  const world = new CliWorld()
  world.put('pages.ts', PIPELINE)
  world.put('clicks.jsonl', lines(CLICKS))
  return world
}

describe('without a running app', () => {
  let world: CliWorld
  beforeAll(async () => {
    world = clicksFolder()
    const { code, stderr } = await world.millrace(['run', 'pages.ts', '--until-end', '--no-http'])
    expect(code, stderr).toBe(0)
  })
  afterAll(() => world.remove())

  test('--help teaches: what it is, every command, examples', async () => {
    const { code, stdout, stderr } = await world.millrace(['--help'])
    expect([code, stderr]).toEqual([0, ''])
    for (const command of [
      'run',
      'describe',
      'topics',
      'topic',
      'produce',
      'read',
      'views',
      'view',
      'check',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${command}\\b.*\\S`, 'm'))
    }
    expect(stdout).toContain('Examples:')
    const read = await world.millrace(['read', '--help'])
    for (const option of ['--at', '--from', '--partition', '--limit', '--follow']) {
      expect(read.stdout).toMatch(new RegExp(`${option}\\b.*\\w+`))
    }
    expect(read.stdout).toMatch(/no app runs on, --follow holds its lock/)
    const run = await world.millrace(['run', '--help'])
    for (const option of ['--until-end', '--set', '--port', '--no-http', '--commit-interval', '--at']) {
      expect(run.stdout).toContain(option)
    }
  })

  test('--version', async () => {
    const { code, stdout } = await world.millrace(['--version'])
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)])
  })

  test('nothing asked shows the help, and is wrong usage', async () => {
    const { code, stdout, stderr } = await world.millrace([])
    expect(code).toBe(2)
    expect(stdout + stderr).toContain('Usage: millrace')
  })

  test('describe shows stages, stores, topics, holds; --set reaches the pipeline', async () => {
    const shown = await world.millrace(['describe', 'pages.ts', '--format', 'json'])
    expect(shown.code, shown.stderr).toBe(0)
    for (const name of ['pages', 'per-minute', 'perMinute', 'clicks', 'minutes', 'clicks.jsonl']) {
      expect(shown.stdout).toContain(name)
    }
    expect(() => JSON.parse(shown.stdout) as unknown).not.toThrow()
    const other = await world.millrace([
      'describe',
      'pages.ts',
      '--set',
      'size=5m',
      '--set',
      'input=other.jsonl',
    ])
    expect(other.stdout).toContain('other.jsonl')
    expect(other.stdout).not.toEqual(shown.stdout)
  })

  test('topics, in each format, with the system topics where asked for', async () => {
    const rows = await world.rows(['topics'])
    expect(rows).toEqual([
      { name: 'clicks', partitions: 2, records: 4, durability: 'fsync' },
      { name: 'minutes', partitions: 1, records: 3, durability: 'fsync' },
    ])
    const json = await world.millrace(['topics', '--format', 'json'])
    expect(JSON.parse(json.stdout)).toEqual(rows)
    const table = (await world.millrace(['topics', '--format', 'table'])).stdout.trimEnd().split('\n')
    expect(table.map((line) => line.split(/ {2,}/))).toEqual([
      ['name', 'partitions', 'records', 'durability'],
      ['clicks', '2', '4', 'fsync'],
      ['minutes', '1', '3', 'fsync'],
    ])
    expect((await world.rows(['topics', '--internal'])).length).toBeGreaterThan(rows.length)
  })

  test('topic create and describe', async () => {
    const made = await world.millrace([
      'topic',
      'create',
      'orders',
      '--partitions',
      '3',
      '--durability',
      'os',
    ])
    expect(made).toMatchObject({ code: 0, stdout: '' })
    expect(made.stderr).toContain('created orders with 3 partitions, durability os')
    const again = await world.millrace([
      'topic',
      'create',
      'orders',
      '--partitions',
      '3',
      '--durability',
      'os',
    ])
    expect(again.code).toBe(0)
    const [orders] = await world.rows(['topic', 'describe', 'orders'])
    expect(orders).toMatchObject({ name: 'orders', durability: 'os', internal: false })
    expect(orders?.['partitions']).toEqual(
      [0, 1, 2].map((partition) => expect.objectContaining({ partition, start: 0, end: 0, records: 0 })),
    )
  })

  test('produce from standard input, read it back: from, limit, partition', async () => {
    await world.millrace(['topic', 'create', 'lines', '--partitions', '2'])
    const values = Array.from({ length: 20 }, (_, n) => ({ id: `k${n}`, n }))
    const sent = await world.millrace(['produce', 'lines', '--key-field', 'id'], lines(values))
    expect(sent).toMatchObject({ code: 0, stdout: '' })
    expect(sent.stderr).toMatch(/^20 records to lines, [\d,]+\/s\n$/)
    const all = await world.rows(['read', 'lines'])
    expect(all.map(({ value }) => value).sort(byNumber)).toEqual(values)
    for (const { key, value } of all) expect(key).toBe((value as { id: string }).id)
    const one = all.filter(({ partition }) => partition === 1)
    expect(one.length).toBeGreaterThan(2)
    expect(await world.rows(['read', 'lines', '--partition', '1'])).toEqual(one)
    expect(await world.rows(['read', 'lines', '--partition', '1', '--from', '2'])).toEqual(one.slice(2))
    expect(await world.rows(['read', 'lines', '--partition', '1', '--limit', '2'])).toEqual(one.slice(0, 2))
    expect(await world.rows(['read', 'lines', '--from', 'latest'])).toEqual([])
    const later = new Date(Date.now() + 3_600_000).toISOString()
    expect(await world.rows(['read', 'lines', '--from', later])).toEqual([])
    expect(await world.rows(['read', 'lines', '--from', '2020-01-01'])).toHaveLength(20)
  })

  test('a line is what is between line feeds: nothing else in it cuts it, and its bytes stay', async () => {
    await world.millrace(['topic', 'create', 'separators'])
    const sent = await world.millrace(['produce', 'separators'], '\uFEFF"a\u2028b"\r\n\n"c\u2029d"\n"\u0085"')
    expect(sent.stderr).toMatch(/^3 records to separators, 1 empty line skipped, /)
    const values = (await world.rows(['read', 'separators'])).map(({ value }) => value)
    expect(values).toEqual(['a\u2028b', 'c\u2029d', '\u0085'])
  })

  test('produce sends a line as soon as it comes', async () => {
    await world.millrace(['topic', 'create', 'live'])
    const producing = world.start(['produce', 'live'])
    producing.child.stdin.write('"marker"\n2')
    while (!world.holds('.millrace/log', 'marker')) await sleep(20)
    producing.child.stdin.end('3\n')
    expect((await producing.finished).code).toBe(0)
    expect((await world.rows(['read', 'live'])).map(({ value }) => value)).toEqual(['marker', 23])
  })

  test('a reader that goes, as head does, ends it in peace; what a group did not print it did not read', async () => {
    await world.millrace(['topic', 'create', 'many'])
    await world.millrace(['produce', 'many'], lines(Array.from({ length: 20_000 }, (_, n) => n)))
    for (const words of [
      ['read', 'many'],
      ['read', 'many', '--group', 'first'],
    ]) {
      const reading = world.start(words)
      await reading.says(/"value":1}/)
      reading.child.stdout.destroy()
      expect(await reading.finished).toMatchObject({ code: 0, stderr: '' })
    }
    const [{ positions }] = (await world.rows(['group', 'describe', 'first'])) as [
      { positions: { offset: number }[] },
    ]
    const rest = (await world.rows(['read', 'many', '--group', 'first'])) as { value: number }[]
    // Nothing is passed over: the rest begins behind what was printed.
    expect(rest[0]?.value).toBe(positions[0]?.offset ?? 0)
    expect(rest.at(-1)?.value).toBe(19_999)
    expect(rest.length).toBeGreaterThan(0)
  })

  test('what is no JSON is shown as text', async () => {
    await world.millrace(['topic', 'create', 'texts'])
    await world.millrace(['produce', 'texts'], 'héllo\n\n7\n')
    expect((await world.rows(['read', 'texts'])).map(({ value }) => value)).toEqual(['héllo', 7])
  })

  test('read --follow goes on, until Ctrl-C', async () => {
    await world.millrace(['topic', 'create', 'followed'])
    await world.millrace(['produce', 'followed'], '1\n')
    const reading = world.start(['read', 'followed', '--follow'])
    await reading.says(/"value":1/)
    reading.signal('SIGINT')
    const { code, stdout } = await reading.finished
    expect([code, stdout.split('\n').length]).toEqual([0, 2])
  })

  test('topic alter and delete; only --yes deletes', async () => {
    await topicsChange(world, 'changed')
  })

  test('groups: read as one, list, describe, reset, delete', async () => {
    await world.millrace(['topic', 'create', 'grouped', '--partitions', '2'])
    await world.millrace(['produce', 'grouped'], lines([1, 2, 3, 4, 5, 6]))
    await groupsWork(world, 'grouped')
  })

  test('results of a run, and a check of every byte', async () => {
    const rows = await world.rows(['read', 'minutes'])
    expect(rows.map(({ key, timestamp }) => [key, timestamp]).sort()).toEqual([
      ['ann', 119_999],
      ['ann', 59_999],
      ['bob', 59_999],
    ])
    const check = await world.millrace(['check'])
    expect(check.code, check.stderr).toBe(0)
  })

  test('a run that is at its end already does nothing again', async () => {
    const { code, stderr } = await world.millrace(['run', 'pages.ts', '--until-end', '--no-http'])
    expect(code, stderr).toBe(0)
    expect(await world.rows(['read', 'minutes'])).toHaveLength(3)
    expect(await world.rows(['read', 'clicks'])).toHaveLength(4)
  })
})

/** Alters and deletes a topic: the same in a directory and through an app. */
async function topicsChange(world: CliWorld, name: string): Promise<void> {
  await world.millrace(['topic', 'create', name, '--set', 'retentionMs=2d'])
  const altered = await world.millrace([
    'topic',
    'alter',
    name,
    '--partitions',
    '3',
    '--set',
    'cleanup=compact',
  ])
  expect(altered).toMatchObject({ code: 0, stderr: `changed ${name}: cleanup compact, partitions 3\n` })
  const [described] = await world.rows(['topic', 'describe', name])
  expect(described).toMatchObject({
    settings: { retentionMs: 172_800_000, cleanup: 'compact', partitions: 3 },
  })
  expect(described?.['partitions']).toHaveLength(3)
  const fewer = await world.millrace(['topic', 'alter', name, '--partitions', '2'])
  expect(fewer).toMatchObject({ code: 2, stderr: expect.stringContaining('[MILLRACE_INVALID_ARGUMENT]') })
  const unsaid = await world.millrace(['topic', 'delete', name])
  expect(unsaid).toMatchObject({ code: 2, stderr: expect.stringContaining('say --yes') })
  const deleted = await world.millrace(['topic', 'delete', name, '--yes'])
  expect(deleted).toMatchObject({ code: 0, stderr: `deleted ${name} with 0 records in 3 partitions\n` })
  const again = await world.millrace(['topic', 'delete', name, '--yes'])
  expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('[MILLRACE_UNKNOWN_TOPIC]') })
}

/** Works with a group on a topic of two partitions: the same in a directory and through an app. */
async function groupsWork(world: CliWorld, topic: string): Promise<void> {
  const all = await world.rows(['read', topic])
  const half = await world.rows(['read', topic, '--group', 'audit', '--limit', '2'])
  const rest = await world.rows(['read', topic, '--group', 'audit'])
  expect(half).toHaveLength(2)
  const place = ({ partition, offset }: Record<string, unknown>) => `${String(partition)}@${String(offset)}`
  expect([...half, ...rest].map(place).toSorted()).toEqual(all.map(place).toSorted())
  expect(await world.rows(['read', topic, '--group', 'audit'])).toEqual([])
  const groups = await world.rows(['groups'])
  const audit = groups.find(({ group }) => group === 'audit')
  expect(audit).toMatchObject({ state: 'Empty', type: 'consumer', members: 0, lag: 0 })
  const table = await world.millrace(['groups', '--format', 'table'])
  expect(table.stdout).toMatch(/^group +state +type +members +partitions +lag\n/)
  const [described] = await world.rows(['group', 'describe', 'audit'])
  expect(described).toMatchObject({ group: 'audit', members: [], positions: [{ topic, lag: 0 }, { lag: 0 }] })
  const moved = await world.rows(['group', 'reset', 'audit', '--to', '-1', '--topic', topic])
  expect(moved.map(({ lag }) => lag)).toEqual(moved.map(({ end }) => Math.min(1, Number(end))))
  await world.millrace(['group', 'reset', 'audit', '--to', 'earliest'])
  expect(await world.rows(['read', topic, '--group', 'audit'])).toHaveLength(all.length)
  const gone = await world.millrace(['group', 'delete', 'audit'])
  expect(gone).toMatchObject({ code: 0, stderr: 'deleted group audit and its positions\n' })
  const unknown = await world.millrace(['group', 'describe', 'audit'])
  expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('[MILLRACE_UNKNOWN_GROUP]') })
}

function byNumber(left: unknown, right: unknown): number {
  return (left as { n: number }).n - (right as { n: number }).n
}

describe('with a running app', () => {
  let world: CliWorld
  let running: RunningCommand
  beforeAll(async () => {
    world = clicksFolder()
    running = await world.startApp('pages.ts', ['--commit-interval', '20ms'])
    await untilRows(world, 'pages', 2)
  })
  afterAll(() => world.remove())

  test('views, and a view by key and as a list', async () => {
    expect(await world.rows(['views'])).toEqual([
      { name: 'pages', rows: 2 },
      { name: 'perMinute', rows: 3 },
    ])
    expect(await world.rows(['view', 'get', 'pages', '/home'])).toEqual([{ key: '/home', count: 3 }])
    expect(await world.rows(['view', 'get', 'perMinute', 'ann', '60000'])).toEqual([
      { key: 'ann', window: { start: 60_000, end: 120_000 }, clicks: 1 },
    ])
    expect(await world.rows(['view', 'list', 'pages'])).toEqual([
      { key: '/cart', count: 1 },
      { key: '/home', count: 3 },
    ])
    const starts = async (...more: string[]) =>
      (await world.rows(['view', 'list', 'perMinute', ...more])).map(({ key, window }) => [
        key,
        (window as { start: number }).start,
      ])
    expect(await starts('--prefix', 'ann')).toEqual([
      ['ann', 0],
      ['ann', 60_000],
    ])
    expect(await starts('--reverse', '--limit', '1')).toEqual([['bob', 0]])
    const table = await world.millrace(['view', 'list', 'pages', '--format', 'table'])
    expect(table.stdout).toBe('key    count\n/cart      1\n/home      3\n')
  })

  test('topics, read and produce talk to the app that holds the directory', async () => {
    expect((await world.rows(['topics'])).map(({ name }) => name)).toContain('clicks')
    expect(await world.rows(['read', 'clicks', '--limit', '3'])).toHaveLength(3)
    const made = await world.millrace(['topic', 'create', 'made-by-app', '--partitions', '2'])
    expect(made.code, made.stderr).toBe(0)
    const [described] = await world.rows(['topic', 'describe', 'made-by-app'])
    expect(described).toMatchObject({ name: 'made-by-app' })
  })

  test('topics are altered and deleted through the app', async () => {
    await topicsChange(world, 'changed')
  })

  test('groups through the app; the app itself is one, and so it is by its URL', async () => {
    await groupsWork(world, 'clicks')
    const [own] = await world.rows(['groups', '--at', running.url])
    expect(own).toMatchObject({ group: 'pages', type: 'millrace', state: 'Stable', members: 1 })
    const listed = (await (await fetch(`${running.url}/groups`)).json()) as Record<string, unknown>[]
    expect(listed).toMatchObject([{ group: 'pages', protocolType: 'millrace', state: 'Stable', members: 1 }])
    const described = await fetch(`${running.url}/groups/pages`)
    expect(await described.json()).toMatchObject({
      group: 'pages',
      members: [{ client: 'millrace' }],
      positions: expect.any(Array),
    })
    expect((await fetch(`${running.url}/groups/nobody`)).status).toBe(404)
  })

  test('an app that is not there says so', async () => {
    const { code, stderr } = await world.millrace(['groups', '--at', 'http://127.0.0.1:1'])
    expect([code, stderr]).toEqual([1, expect.stringContaining('[MILLRACE_CONNECTION]')])
    const run = await world.millrace(['run', 'pages.ts', '--at', running.url, '--no-http'])
    expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining('is no place') })
  })

  test('watch shows a change as it happens, read --follow a record', async () => {
    const watching = world.start(['view', 'watch', 'pages'])
    const reading = world.start(['read', 'clicks', '--follow', '--from', 'latest'])
    // Both subscribe before the click: there is nothing that says so, so clicks go on until both have seen one.
    const seen = Promise.all([watching.says(/"key":"\/new"/), reading.says(/"page":"\/new"/)])
    let done = false
    void seen.finally(() => (done = true)).catch(() => undefined)
    for (let n = 0; !done && n < 40; n++) {
      const sent = await world.millrace(
        ['produce', 'clicks'],
        lines([{ user: 'eve', page: '/new', at: 62_000 + n }]),
      )
      expect(sent.code, sent.stderr).toBe(0)
    }
    await seen
    const change = JSON.parse(watching.stdout.split('\n')[0] ?? '') as Record<string, unknown>
    expect(change).toMatchObject({ key: '/new', after: { key: '/new' } })
    expect(['insert', 'update']).toContain(change['kind'])
    for (const command of [watching, reading]) {
      command.signal('SIGINT')
      expect((await command.finished).code).toBe(0)
    }
  })

  test('the app checks what is produced; a bad line sends nothing', async () => {
    const before = (await world.rows(['read', 'clicks'])).length
    const bad = await world.millrace(['produce', 'clicks'], `${lines(CLICKS.slice(0, 1))}{"user":"x"}\n`)
    expect(bad.code).toBe(1)
    expect(bad.stderr).toMatch(/line 2.*page/s)
    expect(await world.rows(['read', 'clicks'])).toHaveLength(before)
  })

  test('the app takes more than fits one request, and a bad line far in has its number', async () => {
    const before = (await world.rows(['read', 'clicks'])).length
    const long = Array.from({ length: 300 }, () => ({ ...CLICKS[0], page: `/${'x'.repeat(100_000)}` }))
    const sent = await world.millrace(['produce', 'clicks'], lines(long))
    expect(sent).toMatchObject({ code: 0, stderr: expect.stringMatching(/^300 records to clicks, /) })
    const bad = await world.millrace(['produce', 'clicks'], `${lines(long)}{"user":"x"}\n`)
    expect(bad).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/line 301: .*nothing from line \d+ on was sent/),
    })
    const after = (await world.rows(['read', 'clicks'])).length
    const first = Number(/nothing from line (\d+) on/.exec(bad.stderr)?.[1])
    expect(after - before).toBe(300 + first - 1)
  })

  test('Ctrl-C drains, commits and says so', async () => {
    running.command.signal('SIGINT')
    const { code, stderr } = await running.command.finished
    expect(code, stderr).toBe(0)
    expect(stderr).toContain('draining; once more stops at once')
    expect(stderr).toMatch(/pages: [\d,]+ records, 0 late, 0 dropped, 0 dead letters; all committed/)
    // What was committed is there, and the next start goes on from it.
    const again = await world.startApp('pages.ts')
    expect(await world.rows(['view', 'get', 'pages', '/home'])).toEqual([{ key: '/home', count: 3 }])
    again.command.signal('SIGTERM')
    expect((await again.command.finished).code).toBe(0)
  })
})

describe('stopping', () => {
  let world: CliWorld
  beforeEach(() => {
    world = new CliWorld()
  })
  afterEach(() => world.remove())

  test('Ctrl-C in the middle of work commits what was taken, exactly once', async () => {
    world.put('pages.ts', PIPELINE)
    const clicks = Array.from({ length: 60_000 }, (_, n) => ({
      user: `u${n % 7}`,
      page: `/${n % 5}`,
      at: n * 10,
    }))
    world.put('clicks.jsonl', lines(clicks))
    const first = await world.startApp('pages.ts', ['--commit-interval', '10ms'])
    first.command.signal('SIGINT')
    expect((await first.command.finished).code).toBe(0)
    const rest = await world.millrace(['run', 'pages.ts', '--until-end', '--no-http'])
    expect(rest.code, rest.stderr).toBe(0)
    const rows = await world.rows(['read', 'minutes'])
    const total = rows.reduce((sum, { value }) => sum + (value as { clicks: number }).clicks, 0)
    expect(total).toBe(clicks.length)
    expect((await world.rows(['topics'])).find(({ name }) => name === 'clicks')).toMatchObject({
      records: 60_000,
    })
  })

  test('twice stops at once', async () => {
    // A function that never returns cannot drain: the second Ctrl-C must not wait for it.
    world.put(
      'slow.ts',
      `
import { app, stream, topic, view } from 'millrace'
import { lines } from 'millrace/files'
import { z } from 'zod'
const numbers = topic('numbers', { value: z.string() })
const wait = (): string => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 15); return 'x' }
export default app('slow', {
  numbers: stream(lines('numbers.txt')).map(wait).to(numbers),
  view: view(stream(numbers).keyBy((one) => one).map(wait)),
})
`,
    )
    world.put('numbers.txt', 'x\n'.repeat(20_000))
    const { command } = await world.startApp('slow.ts')
    command.signal('SIGINT')
    await command.says(/once more stops at once/)
    const asked = performance.now()
    command.signal('SIGINT')
    const { code } = await command.finished
    expect([0, 130]).toContain(code)
    expect(performance.now() - asked).toBeLessThan(5_000)
  })
})

/** Waits until a view has at least so many rows. */
async function untilRows(world: CliWorld, view: string, rows: number): Promise<void> {
  for (let attempts = 0; attempts < 100; attempts++) {
    const found = (await world.rows(['views'])).find(({ name }) => name === view)
    if (Number(found?.['rows']) >= rows) return
  }
  throw new Error(`the view ${view} did not get ${rows} rows`)
}
