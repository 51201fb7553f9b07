import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CliWorld, type Finished } from './cli-process.ts'

/**
 * What users get wrong, through the command line as a process: each is refused with what, where and the way out, and
 * loses nothing. The rerun after the repair comes to the right result.
 */
let world: CliWorld
beforeEach(() => {
  world = new CliWorld()
})
afterEach(() => world.remove())

/** Clicks from a file of JSON lines into a topic, counted per user and minute. */
function pipeline(parts: { size?: string; parse?: string; onError?: string; time?: string } = {}): string {
  const { size = '1m', parse = 'JSON.parse(line)', onError = '', time = 'click.at' } = parts
  return `
import { app, deadLetter, skip, stream, text, topic, tumbling, view } from 'millrace'
import { lines } from 'millrace/files'
import { z } from 'zod'

const Click = z.object({ user: z.string(), at: z.number() })
const Window = z.object({ start: z.number(), end: z.number() })
export const clicks = topic('clicks', { value: Click })
export const counts = topic('counts', {
  key: text(),
  value: z.object({ key: z.string(), window: Window, count: z.number() }),
})
const perMinute = stream(clicks, { eventTime: (click) => ${time} })
  .keyBy((click) => click.user)
  .window('per-minute', tumbling('${size}'))
  .count()
export default app('clicks', {
  load: stream(lines('clicks.jsonl')).map((line) => ${parse})${onError}.to(clicks),
  counts: perMinute.final().to(counts),
  minutes: view(perMinute.updates()),
})
void [deadLetter, skip]
`
}

/** The same over a topic that others fill. */
function overTopic(parts: { onError?: string; time?: string } = {}): string {
  return pipeline(parts)
    .replace(/ {2}load: .*\n/, '')
    .replace(
      '})\n  .keyBy((click) => click.user)\n  .window',
      `})${parts.onError ?? ''}\n  .keyBy((click) => click.user)\n  .window`,
    )
}

const GOOD = [
  { user: 'ann', at: 1_000 },
  { user: 'bob', at: 2_000 },
  { user: 'ann', at: 3_000 },
  { user: 'ann', at: 61_000 },
]
const good = GOOD.map((click) => JSON.stringify(click))
const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')
const UNTIL_END = ['run', 'pipeline.ts', '--until-end', '--no-http']

/** Rows of `counts` as [user, minute, count], sorted. */
async function counted(): Promise<readonly unknown[]> {
  const rows = await world.rows(['read', 'counts'])
  return rows
    .map(({ value }) => value as { key: string; window: { start: number }; count: number })
    .map(({ key, window, count }) => [key, window.start / 60_000, count])
    .sort()
}
const COUNTED = [
  ['ann', 0, 2],
  ['ann', 1, 1],
  ['bob', 0, 1],
]

function expectFailure(finished: Finished, code: number, ...says: readonly (RegExp | string)[]): void {
  for (const one of says) {
    if (typeof one === 'string') expect(finished.stderr).toContain(one)
    else expect(finished.stderr).toMatch(one)
  }
  expect(finished.code, finished.stderr).toBe(code)
  // An error is a sentence for a person, not a stack.
  expect(finished.stderr).not.toMatch(/\n\s+at .*\(.*:\d+:\d+\)/)
}

async function expectRepaired(): Promise<void> {
  const rerun = await world.millrace(UNTIL_END)
  expect(rerun.code, rerun.stderr).toBe(0)
  expect(await counted()).toEqual(COUNTED)
}

describe('input', () => {
  test('a missing file', async () => {
    world.put('pipeline.ts', pipeline())
    expectFailure(await world.millrace(UNTIL_END), 1, world.path('clicks.jsonl'), 'MILLRACE_FILE')
    world.put('clicks.jsonl', text(good))
    await expectRepaired()
  })

  test('an unparsable line: stop, with file and line', async () => {
    world.put('pipeline.ts', pipeline())
    world.put('clicks.jsonl', text([...good.slice(0, 2), 'not json', ...good.slice(2)]))
    expectFailure(await world.millrace(UNTIL_END), 1, /clicks\.jsonl:3\b/, /JSON/, /onError/)
    world.put('clicks.jsonl', text(good))
    await expectRepaired()
  })

  test('an unparsable line: skip says how many', async () => {
    world.put('pipeline.ts', pipeline({ onError: ".onError(skip('no clicks'))" }))
    world.put('clicks.jsonl', text(['{', ...good, 'not json']))
    const { code, stderr } = await world.millrace(UNTIL_END)
    expect(code, stderr).toBe(0)
    expect(stderr).toMatch(/\b2 dropped/)
    expect(await counted()).toEqual(COUNTED)
  })

  test('an unparsable line: a dead letter says what, why and where', async () => {
    world.put('pipeline.ts', pipeline({ onError: ".onError(deadLetter('broken'))" }))
    world.put('clicks.jsonl', text([good[0] ?? '', 'not json', ...good.slice(1)]))
    const { code, stderr } = await world.millrace(UNTIL_END)
    expect(code, stderr).toBe(0)
    expect(await counted()).toEqual(COUNTED)
    const [letter, ...others] = await world.rows(['read', 'broken'])
    expect(others).toEqual([])
    expect(letter?.['value']).toBe('not json')
    const headers = Object.fromEntries(letter?.['headers'] as [string, unknown][])
    expect(Object.keys(headers).sort()).toEqual(
      ['attempts', 'error', 'line', 'offset', 'partition', 'stack', 'timestamp', 'topic'].sort(),
    )
    expect(headers).toMatchObject({ attempts: 1, partition: 0, offset: 1, line: 2 })
    expect(String(headers['error'])).toMatch(/JSON/)
    expect(String(headers['stack'])).toContain('pipeline.ts')
    expect(String(headers['topic'])).toContain('clicks.jsonl')
  })

  test('a value that the schema of its topic refuses', async () => {
    world.put('pipeline.ts', overTopic())
    await world.millrace(['topic', 'create', 'clicks'])
    await world.millrace(
      ['produce', 'clicks'],
      text([...good.slice(0, 3), '{"user":"bob","at":"noon"}', ...good.slice(3)]),
    )
    expectFailure(await world.millrace(UNTIL_END), 1, 'clicks-0@3', /at\b.*expected number/i, /onError/)
    world.put('pipeline.ts', overTopic({ onError: ".onError(skip('old clicks'))" }))
    await expectRepaired()
  })

  test('a value that a pipeline writes and the schema of its topic refuses', async () => {
    world.put('pipeline.ts', pipeline())
    world.put('clicks.jsonl', text([...good.slice(0, 2), '{"user":"bob"}', ...good.slice(2)]))
    expectFailure(await world.millrace(UNTIL_END), 1, /clicks/, /at\b.*expected number/i)
    world.put('clicks.jsonl', text(good))
    await expectRepaired()
  })

  test('a time that is none', async () => {
    world.put('clicks.jsonl', text(good))
    world.put('pipeline.ts', pipeline({ time: "click.user === 'bob' ? 'last tuesday' : click.at" }))
    expectFailure(await world.millrace(UNTIL_END), 1, 'clicks-0@1', 'last tuesday', 'MILLRACE_BAD_TIMESTAMP')
    world.put('pipeline.ts', pipeline())
    await expectRepaired()
  })
})

describe('the data directory', () => {
  test('a corrupt segment: file and position, and nothing is cut', async () => {
    world.put('pipeline.ts', pipeline())
    world.put('clicks.jsonl', text(good))
    expect((await world.millrace(UNTIL_END)).code).toBe(0)
    const segment = segmentsUnder(world.path('.millrace')).find((path) =>
      readFileSync(path).includes('"user":"bob"'),
    )
    if (segment === undefined) throw new Error('no segment holds the clicks')
    const whole = readFileSync(segment)
    const damaged = Buffer.from(whole)
    const at = whole.indexOf('"user":"bob"') + 3
    damaged[at] = (damaged[at] ?? 0) ^ 0x10
    writeFileSync(segment, damaged)
    expectFailure(await world.millrace(['read', 'clicks']), 1, 'MILLRACE_CORRUPT', segment, /\b\d+\b/)
    const check = await world.millrace(['check'])
    expectFailure(check, 1, 'MILLRACE_CORRUPT', 'clicks-0', 'restore')
    expect(JSON.parse(check.stdout)).toMatchObject({ partition: 'clicks-0', file: segment, position: 0 })
    expect(readFileSync(segment)).toEqual(damaged)
    writeFileSync(segment, whole)
    expect((await world.millrace(['check'])).code).toBe(0)
    await expectRepaired()
  })

  test('a second process on the directory', async () => {
    world.put('pipeline.ts', overTopic())
    const held = world.start(['run', 'pipeline.ts', '--no-http'])
    await held.says(/clicks runs on/)
    expectFailure(
      await world.millrace(['run', 'pipeline.ts', '--no-http']),
      1,
      /\.millrace/,
      'MILLRACE_LOCKED',
      /stop/,
    )
    expectFailure(await world.millrace(['topics']), 1, 'MILLRACE_LOCKED', /--no-http|stop/)
    held.signal('SIGINT')
    expect((await held.finished).code).toBe(0)
    // A lock dies with its holder, however it dies.
    const killed = world.start(['run', 'pipeline.ts', '--no-http'])
    await killed.says(/clicks runs on/)
    killed.signal('SIGKILL')
    await killed.finished
    expect((await world.millrace(['topics'])).code).toBe(0)
  })

  test('an incompatible plan: what changed, the ways out, and the old one goes on', async () => {
    world.put('clicks.jsonl', text(good.slice(0, 2)))
    world.put('pipeline.ts', pipeline())
    const { command: first } = await world.startApp('pipeline.ts', ['--commit-interval', '10ms'])
    while ((await world.rows(['view', 'list', 'minutes'])).length < 2);
    first.signal('SIGINT')
    await first.finished
    world.put('pipeline.ts', pipeline({ size: '5m' }))
    expectFailure(await world.millrace(UNTIL_END), 1, 'MILLRACE_INCOMPATIBLE_PLAN', 'per-minute', /name/)
    world.put('pipeline.ts', pipeline())
    world.put('clicks.jsonl', text(good))
    await expectRepaired()
  })

  test.each([
    [['topics']],
    [['topic', 'describe', 'clicks']],
    [['topic', 'delete', 'clicks', '--yes']],
    [['produce', 'clicks']],
    [['read', 'clicks']],
    [['read', 'clicks', '--group', 'audit']],
    [['groups']],
    [['group', 'reset', 'audit', '--to', 'earliest']],
    [['check']],
    [['views']],
  ])('a place where nothing is, for %j: where, the way out, and no directory is made', async (words) => {
    const way = words[0] === 'views' ? /millrace run/ : /no data directory.*--at file:FOLDER.*topic create/
    expectFailure(await world.millrace([...words, '--at', 'file:./dta'], '{}\n'), 1, 'file:./dta', way)
    expect(world.has('dta')).toBe(false)
  })

  test('an unknown topic, an unknown view, a missing row', async () => {
    world.put('pipeline.ts', pipeline())
    world.put('clicks.jsonl', text(good))
    expect((await world.millrace(UNTIL_END)).code).toBe(0)
    expectFailure(await world.millrace(['read', 'clocks']), 1, 'clocks', 'clicks', 'counts', 'topic create')
    expectFailure(
      await world.millrace(['view', 'get', 'minutes', 'ann']),
      1,
      'millrace run',
      'MILLRACE_CLOSED',
    )
    const { command } = await world.startApp('pipeline.ts')
    expectFailure(await world.millrace(['view', 'get', 'hours', 'ann']), 1, 'hours', 'minutes')
    expectFailure(await world.millrace(['view', 'get', 'minutes', 'eve', '0']), 1, 'minutes', 'eve')
    expectFailure(await world.millrace(['read', 'clocks']), 1, 'clocks', 'clicks', 'counts')
    command.signal('SIGINT')
    expect((await command.finished).code).toBe(0)
  })
})

describe('the pipeline file', () => {
  test.each([
    ['missing', undefined, 1, [/pipeline\.ts/, /no pipeline file/]],
    ['a syntax error', 'export default app(', 1, [/pipeline\.ts/]],
    ['syntax that cannot be erased', 'enum Color { Red }\nexport default Color', 1, [/pipeline\.ts/, /enum/]],
    [
      'an import that is not there',
      "import { nothing } from 'millrace'\nexport default nothing",
      1,
      [/nothing/],
    ],
    ['a run-time error', 'const row: any = {}\n\nexport default row.a.b', 1, [/pipeline\.ts:3/, /undefined/]],
    ['no default export', 'export const a = 1', 1, [/pipeline\.ts/, /export default app/]],
    ['a default export that is no app', 'export default 1', 1, [/pipeline\.ts/, /export default app/]],
    [
      'a wrong type where the compiler did not look',
      pipeline().replace("tumbling('1m')", '300_000 as never'),
      1,
      [/window/, /tumbling/, /MILLRACE_INVALID_PLAN/],
    ],
    [
      'a wrong duration',
      pipeline().replace("'1m'", "'1 minute' as '1m'"),
      1,
      [/pipeline\.ts:15/, /1 minute/],
    ],
    [
      'a name used twice',
      pipeline().replace(
        'minutes: view',
        "again: view(stream(clicks).keyBy((c) => c.user).count('per-minute')),\n  minutes: view",
      ),
      1,
      [/per-minute/, /name/],
    ],
  ])('%s', async (_, content, code, says) => {
    if (content !== undefined) world.put('pipeline.ts', content)
    const finished = await world.millrace(UNTIL_END)
    // A wrong argument inside a pipeline is the pipeline's fault, not one of the command line.
    expectFailure(finished, code, ...says)
    // Nothing was opened for it.
    expect(world.has('.millrace')).toBe(false)
  })

  test('an error in a function of the pipeline names step, record and cause', async () => {
    world.put('clicks.jsonl', text(good))
    world.put(
      'pipeline.ts',
      pipeline().replace('(click) => click.user)', '(click) => (click as any).user.name.first)'),
    )
    expectFailure(await world.millrace(UNTIL_END), 1, 'clicks-0@0', /keyBy/, /undefined/)
    world.put('pipeline.ts', pipeline())
    await expectRepaired()
  })
})

describe('the command line', () => {
  const withOptions = `
import { app, stream, topic, view, withOptions } from 'millrace'
import { z } from 'zod'
const clicks = topic('clicks', { value: z.string() })
export default withOptions({ limit: z.coerce.number().default(1) }, ({ limit }) =>
  app('limited', { last: view(stream(clicks).keyBy((user) => user).map(() => limit)) }))
`
  test.each([
    ['an unknown command', ['frobnicate'], [/frobnicate/, /--help/]],
    ['a wrong flag', ['run', 'options.ts', '--frobnicate'], [/--frobnicate/, /--help/]],
    ['a missing argument', ['run'], [/file/, /--help/]],
    ['a port that is none', ['run', 'options.ts', '--port', 'http'], [/--port/, /65535/]],
    ['a format that is none', ['topics', '--format', 'xml'], [/xml/, /table.*json.*jsonl/]],
    ['a place that is none', ['topics', '--at', './data'], [/\.\/data/, /file:/]],
    ['--set without a value', ['describe', 'options.ts', '--set', 'limit'], [/--set/, /key=value/]],
    ['an option that there is not', ['describe', 'options.ts', '--set', 'limits=3'], [/limits/, /limit\b/]],
    ['an option of a wrong kind', ['describe', 'options.ts', '--set', 'limit=few'], [/limit/, /number/i]],
    ['--set where nothing takes it', ['describe', 'plain.ts', '--set', 'limit=1'], [/--set/, /withOptions/]],
    ['a beginning that is none', ['read', 'clicks', '--from', 'yesterday'], [/yesterday/, /earliest/]],
    [
      'a beginning of a group that has its own',
      ['read', 'clicks', '--group', 'audit', '--from', '7'],
      [/--from 7/, /millrace group reset audit --to 7/],
    ],
    ['a partition that is none', ['read', 'clicks', '--partition', '-1'], [/partition/]],
    ['a partition that there is not', ['read', 'clicks', '--partition', '7'], [/clicks/, /7/, /partition 0/]],
    [
      'a commit interval that is none',
      ['run', 'options.ts', '--commit-interval', 'soon', '--no-http'],
      [/soon/],
    ],
    ['a durability that is none', ['topic', 'create', 'x', '--durability', 'maybe'], [/maybe/, /fsync/]],
    ['a number of partitions that is none', ['topic', 'create', 'x', '--partitions', '0'], [/--partitions/]],
  ])('%s is wrong usage', async (_, words, says) => {
    world.put('options.ts', withOptions)
    world.put('plain.ts', pipeline())
    if (words.includes('clicks')) await world.millrace(['topic', 'create', 'clicks'])
    expectFailure(await world.millrace(words), 2, ...says)
  })

  test('an offset that is not there, a topic that is there already, a bad line, a missing key field', async () => {
    await world.millrace(['topic', 'create', 'clicks'])
    await world.millrace(['produce', 'clicks'], text(good))
    expectFailure(await world.millrace(['read', 'clicks', '--from', '9']), 1, 'clicks-0', '9', 'earliest')
    expectFailure(
      await world.millrace(['topic', 'create', 'clicks', '--partitions', '2']),
      1,
      'clicks',
      /1\b.*2\b|2\b.*1\b/,
    )
    expectFailure(
      await world.millrace(['produce', 'clicks', '--key-field', 'name'], text(good)),
      1,
      'line 1',
      'name',
    )
    expectFailure(await world.millrace(['produce', 'clocks'], text(good)), 1, 'clocks', 'topic create')
    expect(await world.rows(['read', 'clicks'])).toHaveLength(GOOD.length)
  })

  test('a bad line far in: its own number, and what was sent before it', async () => {
    await world.millrace(['topic', 'create', 'long'])
    const many = Array.from({ length: 30_000 }, (_, n) => JSON.stringify({ id: `k${n}`, n }))
    many[25_000] = '{"n":1}'
    const bad = await world.millrace(['produce', 'long', '--key-field', 'id'], text(many))
    expectFailure(bad, 1, 'line 25001', 'key field "id" is missing', /nothing from line \d+ on was sent/)
    const first = Number(/nothing from line (\d+) on/.exec(bad.stderr)?.[1])
    expect(first).toBeGreaterThan(1)
    expect(await world.rows(['read', 'long'])).toHaveLength(first - 1)
    many[25_000] = JSON.stringify({ id: 'x'.repeat(2_000_000) })
    const large = await world.millrace(['produce', 'long'], text(many))
    expectFailure(
      large,
      1,
      'MILLRACE_RECORD_TOO_LARGE',
      'line 25001',
      /1 went wrong; none after them was sent/,
    )
  })

  test('a port that is taken', async () => {
    world.put('pipeline.ts', overTopic())
    const { command, url } = await world.startApp('pipeline.ts')
    const { port } = new URL(url)
    const second = await world.millrace(['run', 'pipeline.ts', '--at', 'file:./other', '--port', port])
    expectFailure(second, 1, port, /--port/)
    command.signal('SIGINT')
    expect((await command.finished).code).toBe(0)
  })
})

function segmentsUnder(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.log'))
    .map((name) => join(folder, name))
}
