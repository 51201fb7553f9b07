import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { compile, compileFiles, root } from './compiler.ts'

const examples = readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => `examples/${name}`)

/** Below the folder of the compiler's project: nothing may be written beside the sources. */
const EMIT = { noEmit: false, declaration: true, emitDeclarationOnly: true, outDir: 'out', rootDir: '/' }

describe('the examples', () => {
  test('there are some', () => {
    expect(examples).toContain('examples/trending.ts')
  })

  test('compile without a type argument or a cast, and can be emitted with declarations', () => {
    const { diagnostics, declarations } = compileFiles(examples, {
      ...EMIT,
      rewriteRelativeImportExtensions: true,
    })
    expect(diagnostics.filter(({ file }) => file.includes('examples/'))).toEqual([])
    expect([...declarations.keys()].some((name) => name.endsWith('examples/trending.d.ts'))).toBe(true)
    const own = [...declarations].filter(([name]) => name.includes('examples/'))
    expect(importedBy(own.map(([, text]) => text))).toEqual(['millrace'])
  })

  test.each(examples)('%s needs no type argument at a millrace function and no cast', (file) => {
    const text = readFileSync(join(root, file), 'utf8')
    expect(text).not.toMatch(/\bas (?!const\b)[A-Z{(]/)
    expect(text).not.toMatch(/\b(topic|stream|app|view|map|filter|keyBy|aggregate|join|withOptions)<[A-Z{]/)
    expect(text).not.toMatch(/: any\b|<any>/)
  })

  // The rules see every expression whose type is `any`, also those that nobody wrote down.
  test('hold no `any`', () => {
    const rules = ['assignment', 'member-access', 'return', 'call', 'argument'].flatMap((name) => [
      '-D',
      `typescript/no-unsafe-${name}`,
    ])
    const lint = join(root, 'node_modules/.bin/oxlint')
    const run = spawnSync(lint, ['--type-aware', '-A', 'all', ...rules, '-f', 'unix', ...examples], {
      cwd: root,
      encoding: 'utf8',
    })
    expect(
      run.stdout.split('\n').filter((line) => line.startsWith('examples/') || line.includes('/examples/')),
    ).toEqual([])
  })
})

describe('whatever a pipeline file exports', () => {
  // A name that inference prints and the package does not export would be an error (TS2742, TS4023) or a path into it.
  test('can be named in its declarations, and has the types of every-step.txt', async () => {
    const { diagnostics, declarations } = compile({ 'program.ts': EVERY_STEP }, EMIT)
    expect(diagnostics).toEqual([])
    const texts = [...declarations].filter(([name]) => name.endsWith('program.d.ts')).map(([, text]) => text)
    expect(texts.length).toBe(1)
    expect(importedBy(texts)).toEqual(['millrace'])
    expect(texts.join()).not.toMatch(/\bany\b/)
    await expect(texts[0]).toMatchFileSnapshot('every-step.txt')
  })
})

/** The modules that declarations name by themselves. */
function importedBy(declarations: readonly string[]): readonly string[] {
  const found = declarations.flatMap((text) =>
    [...text.matchAll(/import\("([^"]*)"\)/g)].map(([, name]) => name ?? ''),
  )
  return [...new Set(found)].sort()
}

const EVERY_STEP = `
import { app, average, bytes, collect, connector, count, custom, deadLetter, duration, hopping, json, max, min, ms, session, skip,
  stop, stream, sum, text, top, topic, tumbling, view, withOptions } from 'millrace'
import type { Key, KeyedStream, Stream } from 'millrace'
import { z } from 'zod'
export const clickTopic = topic('clicks', { value: z.object({ user: z.string(), at: z.number() }) })
export const rawTopic = topic('raw', { key: text(), value: bytes() })
export const anyJson = topic('any-json', { value: json() })
export const pairs = topic('pairs', { key: z.tuple([z.string(), z.number()]), value: text(), partitions: 3 })
export const clicks = stream(clickTopic)
export const raw = stream(rawTopic)
export const pairStream = stream(pairs)
export const unknowns = stream(anyJson)
export const filtered = clicks.filter((click) => click.at > 0)
export const mapped = clicks.map((click) => click.user)
export const flat = clicks.flatMap((click) => [click.at])
export const tapped = clicks.tap((click) => click.at)
export const merged = clicks.merge(mapped, flat)
export const branched = merged.branch({ texts: (one) => typeof one === 'string', numbers: (one) => typeof one === 'number' })
export const keyed = clicks.keyBy((click) => [click.user, click.at])
export const caught = keyed.onError(deadLetter('failed')).map((click) => click.at).onError(skip('why')).onError(stop())
export const counted = keyed.count('counted')
export const reduced = keyed.reduce('reduced', (left) => left)
export const spread = custom({ name: 'spread', create: () => 0, add: (sum, click: { at: number }) => sum + click.at, merge: (a, b) => a + b, result: (sum) => sum })
export const aggregated = clicks.keyBy((click) => click.user).aggregate('aggregated', { all: collect(), spread, low: min((click) => click.at) })
export const windowed = keyed.window('windowed', hopping({ size: '1h', every: '5m' }), { allowedLateness: '1m' })
export const sessions = keyed.window('sessions', session('30m')).count()
export const rows = windowed.aggregate({ views: count(), mean: average((click) => click.at) })
export const reducedRows = keyed.window('tumbling', tumbling(ms('5m'))).reduce((left) => left)
export const final = rows.final()
export const updates = rows.updates()
export const late = rows.late()
export const regrouped = rows.groupBy('regrouped', (row) => row.views)
export const topRows = regrouped.aggregate({ best: top(3, (row) => row.views) })
export const sessionUpdates = sessions.updates()
export const table = stream(rawTopic).toTable('table')
export const grouped = aggregated.groupBy('grouped', (row) => row.low)
export const perLow = grouped.aggregate({ most: max((row) => row.spread), total: sum((row) => row.low) })
export const joined = raw.join(table, (left, right) => [left, right])
export const leftJoined = raw.leftJoin(table, (left, right) => ({ left, right }))
export const rates = stream(topic('rates', { key: z.enum(['EUR', 'USD']), value: z.object({ rate: z.number() }) })).toTable('rates')
export const mixedKeys = raw.join(rates, (left, right) => right.rate)
export const mixedMerge = raw.merge(clicks.keyBy((click) => (click.at > 0 ? 'new' : 'old')))
export const stamped = stamp(clicks)
export function stamp<T extends object>(rows: Stream<T>) { return rows.map((row) => ({ ...row, seen: true })) }
export function perKey<K extends Key, V>(rows: KeyedStream<K, V>, name: string) { return view(rows.count(name)) }
export const generic = perKey(keyed, 'per-key')
export const transformed = topic('transformed', { value: z.object({ at: z.string().transform(Number), size: z.number().default(0) }) })
export const times = stream(transformed, { eventTime: (one) => one.at }).map((one) => ({ at: String(one.at) })).to(transformed)
export const file = connector<string, { size: number }>({})
export const output = clicks.map((click) => ({ size: click.at })).to(file)
export const tupleKeys = keyed.map((click) => click.user).to(pairs)
export const shown = view(updates)
export const program = app('program', { output, shown })
export default withOptions({ size: duration('1h'), gap: duration() }, ({ size, gap }) => app('program', { sizes: view(counted), size: view(perLow) }))
`
