import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Source as ConnectorSource } from '../flow/graph/connector.ts'
import type { AggregateNode, PlanNode } from '../flow/graph/plan.ts'
import { inputsOf } from '../flow/graph/topology.ts'
import { text } from '../record/serdes.ts'
import { count, custom, sum } from './aggregates.ts'
import { app, planOf } from './app.ts'
import { carriedBy } from './carried.ts'
import { deadLetter, skip, stop } from './on-error.ts'
import { connector, sourceOf } from './seams.ts'
import { stream } from './source-stream.ts'
import { topic, topicSpecOf } from './topic.ts'
import { view } from './view.ts'
import { hopping, tumbling } from './windows.ts'

const Click = z.object({ user: z.string(), page: z.string(), at: z.number() })
const clickTopic = topic('clicks', { value: Click })
const userTopic = topic('users', { key: text(), value: z.object({ country: z.string() }) })
const clicks = stream(clickTopic)
const byUser = clicks.keyBy((click) => click.user)

/** The node behind a stream or table; the tests know which kind it is. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- a test says which kind it expects
function nodeOf<N extends PlanNode = PlanNode>(value: unknown): N {
  const { stream: streamNode, table, windowed, leaf } = carriedBy(value)
  return (streamNode ?? table ?? windowed ?? leaf) as N
}

describe('stream', () => {
  test('of a topic has the defaults of time', () => {
    expect(nodeOf(clicks)).toEqual({
      kind: 'topicSource',
      topic: topicSpecOf(clickTopic),
      eventTime: undefined,
      outOfOrdernessMs: 0,
      idleAfterMs: 30_000,
    })
  })

  test('takes event time, patience and idleness', () => {
    const eventTime = (click: z.infer<typeof Click>) => click.at
    const options = { eventTime, outOfOrderness: '10s', idleAfter: false, maxTaskIdle: '2s' } as const
    const node = nodeOf(stream(clickTopic, options))
    expect(node).toMatchObject({
      eventTime,
      outOfOrdernessMs: 10_000,
      idleAfterMs: false,
      maxTaskIdleMs: 2_000,
    })
    expect(() => stream(clickTopic, { outOfOrderness: '-1s' })).toThrow(
      /`outOfOrderness`: "-1s" is no duration/,
    )
    expect(() => stream(clickTopic, { eventTime: 'at' as never })).toThrow(/`eventTime` is a function/)
  })

  test('of a connector is its source', () => {
    const source = { id: 'file:/a', partitions: 1 } as ConnectorSource
    expect(nodeOf(stream(sourceOf<string>(source), { outOfOrderness: '1s' }))).toEqual({
      kind: 'connectorSource',
      source,
      eventTime: undefined,
      outOfOrdernessMs: 1000,
    })
    expect(() => stream(sourceOf(source), { idleAfter: '1s' })).toThrow(
      /`idleAfter` and `maxTaskIdle` are for topics/,
    )
    expect(() => stream(sourceOf(source), { maxTaskIdle: '1s' })).toThrow(/are for topics/)
  })

  test('of what cannot be read is refused', () => {
    expect(() => stream(connector({}))).toThrow(/takes a topic.* or a file/)
    expect(() => stream('clicks' as never)).toThrow(/takes a topic/)
    expect(() => stream(clicks as never)).toThrow(/takes a topic/)
  })
})

describe('a step', () => {
  const double = (click: z.infer<typeof Click>) => [click, click]
  const keep = () => true
  const steps = {
    filter: clicks.filter(keep),
    map: clicks.map(double),
    flatMap: clicks.flatMap(double),
    tap: clicks.tap(double),
    keyBy: byUser,
    merge: clicks.merge(clicks.filter(keep)),
    toTable: byUser.toTable('latest'),
    aggregate: byUser.aggregate('totals', { views: count() }),
    reduce: byUser.reduce('last', (_, right) => right),
    window: byUser.window('w', tumbling('1m')).count(),
    output: clicks.to(clickTopic),
    view: view(byUser),
  }

  test.each(Object.entries(steps))('%s is a frozen node that points at its input', (kind, step) => {
    const node = nodeOf(step)
    expect(node.kind).toBe(kind)
    expect(Object.isFrozen(step)).toBe(true)
    expect(Object.isFrozen(node)).toBe(true)
    expect(inputsOf(node)[0]).toBe(
      nodeOf(
        ['keyBy', 'filter', 'map', 'flatMap', 'tap', 'merge', 'output'].includes(kind) ? clicks : byUser,
      ),
    )
  })

  test('that two others use is one node', () => {
    const filtered = clicks.filter(keep)
    expect(inputsOf(nodeOf(filtered.map(double)))[0]).toBe(inputsOf(nodeOf(filtered.tap(double)))[0])
    const rows = byUser.window('w', tumbling('1m')).count()
    expect(nodeOf(rows.final())).toBe(nodeOf(rows.final()))
    expect(nodeOf(rows.updates())).toBe(nodeOf(rows.updates()))
    expect(nodeOf(rows.late())).toBe(nodeOf(rows.late()))
  })

  test('takes a function', () => {
    expect(() => clicks.map('page' as never)).toThrow(/\.map\(map\) takes a function, not string/)
    expect(() => clicks.filter(null as never)).toThrow(/\.filter\(predicate\) takes a function, not null/)
    expect(() => byUser.reduce('r', 1 as never)).toThrow(/\.reduce\('r', reduce\) takes a function/)
    expect(() => byUser.window('w', tumbling(1)).reduce(1 as never)).toThrow(/takes a function of two values/)
    expect(() => byUser.count('c').groupBy('g', 'key' as never)).toThrow(
      /\.groupBy\('g', key\) takes a function/,
    )
  })

  test('that needs a key is refused on a stream without one', () => {
    const keyless = clicks as unknown as typeof byUser
    expect(() => keyless.count('c')).toThrow(/runs key by key: give the stream a key first/)
    expect(() => keyless.window('w', tumbling('1m'))).toThrow(/runs key by key/)
    expect(() => keyless.toTable('t')).toThrow(/runs key by key/)
    expect(() => keyless.join(byUser.count('c') as never, () => 1)).toThrow(/runs key by key/)
    expect(() => view(clicks as never)).toThrow(/the stream has no key/)
    expect(() => clicks.to(userTopic as never)).toThrow(
      /\.to\(users\): the topic has a key and the stream has none/,
    )
  })

  test.each(['', 'a b', '..', 'ü', 'a'.repeat(101)])('is not called %j', (name) => {
    expect(() => byUser.count(name)).toThrow(/is no name for a step/)
    expect(() => byUser.window(name, tumbling('1m'))).toThrow(/is no name for a step/)
    expect(() => byUser.count('c').groupBy(name, () => 1)).toThrow(/is no name for a step/)
  })
})

describe('branch', () => {
  test('is one node with an output for each predicate and one for the rest', () => {
    const a = (click: z.infer<typeof Click>) => click.at === 1
    const b = (click: z.infer<typeof Click>) => click.at === 2
    const branches = clicks.branch({ a, b })
    expect(Object.keys(branches)).toEqual(['a', 'b', 'otherwise'])
    const outputs = Object.values(branches).map((branch) => nodeOf(branch))
    const branch = { kind: 'branch', input: nodeOf(clicks), predicates: [a, b] }
    expect(outputs).toEqual([0, 1, 2].map((index) => ({ kind: 'branchOutput', branch, index })))
    expect(new Set(outputs.flatMap(inputsOf)).size).toBe(1)
  })

  test('needs branches, and keeps `otherwise` for itself', () => {
    expect(() => clicks.branch({})).toThrow(/has no branch/)
    expect(() => clicks.branch({ otherwise: () => true })).toThrow(/'otherwise' is what no branch took/)
  })

  test('of a keyed stream is keyed', () => {
    expect(nodeOf(byUser.branch({ a: () => true }).a.count('c')).kind).toBe('aggregate')
  })
})

describe('merge', () => {
  test('refuses the same stream twice', () => {
    expect(() => clicks.merge(clicks)).toThrow(/the same stream twice/)
    expect(() => clicks.merge(byUser.count('c') as never)).toThrow(/takes a stream, not this TableBuilder/)
  })
})

describe('aggregates', () => {
  test('are kept in their order, frozen', () => {
    const node = nodeOf<AggregateNode>(byUser.aggregate('a', { z: count(), a: sum((click) => click.at) }))
    expect(Object.keys(node.aggregates)).toEqual(['z', 'a'])
    expect(Object.isFrozen(node.aggregates)).toBe(true)
    expect(Object.isFrozen(node.aggregates['z'])).toBe(true)
  })

  test('must be there, be aggregates, and leave key and window to the row', () => {
    const none: Record<string, never> = {}
    expect(() => byUser.aggregate('a', none)).toThrow(/the aggregate 'a' has no aggregate/)
    expect(() => byUser.aggregate('a', { n: 1 as never })).toThrow(/the aggregate 'a': 'n' is no aggregate/)
    expect(() => byUser.aggregate('a', { key: count() })).toThrow(/a row has its key under 'key'/)
    expect(() => byUser.window('w', tumbling('1m')).aggregate({ window: count() })).toThrow(
      /a row has its window/,
    )
  })

  test('of the rows of a table must be able to take a row out again: the app says so', () => {
    const last = custom({
      name: 'last',
      create: () => 0,
      add: (_, row: { count: number }) => row.count,
      merge: (_, right) => right,
      result: (value) => value,
    })
    const grouped = byUser
      .count('c')
      .groupBy('g', (row) => row.count)
      .aggregate({ last })
    expect(() => app('a', { v: view(grouped) })).toThrow(/last.*subtract/)
  })
})

describe('windows', () => {
  const window = byUser.window('w', hopping({ size: '1h', every: '5m' }), { allowedLateness: '30s' })
  const rows = window.aggregate({ views: count() })

  test('are a node with name, windows and lateness; their emissions point at it', () => {
    const node = nodeOf(rows)
    expect(node).toMatchObject({
      kind: 'window',
      name: 'w',
      window: { kind: 'hopping', sizeMs: 3_600_000, everyMs: 300_000, offsetMs: 0 },
      allowedLatenessMs: 30_000,
    })
    expect(nodeOf(rows.final())).toEqual({ kind: 'final', window: node })
    expect(nodeOf(rows.updates())).toEqual({ kind: 'updates', window: node })
    expect(nodeOf(rows.late())).toEqual({ kind: 'late', window: node })
    expect(() => byUser.window('w', tumbling('1m'), { allowedLateness: '1.5ms' })).toThrow(
      /`allowedLateness` of 'w'/,
    )
  })

  test('under another key are the second level, which has no late records', () => {
    const all = () => 'all'
    const top = rows.groupBy('top', all).count()
    expect(nodeOf(top)).toMatchObject({ kind: 'groupWindow', name: 'top', input: nodeOf(rows), key: all })
    expect(() => (top as unknown as typeof rows).late()).toThrow(
      /'top' groups rows of windows, which are never late/,
    )
  })

  test('are shown only when it is said when', () => {
    expect(() => view(rows as never)).toThrow(/final\(\) or updates\(\)/)
  })

  test('reduce combines two values at a time; null is a value', () => {
    const reduce = (left: number | null, right: number | null) =>
      left === null || right === null ? null : left + right
    const node = nodeOf<AggregateNode>(
      byUser
        .map((click): number | null => click.at)
        .window('r', tumbling(1))
        .reduce(reduce),
    )
    const { create, add, merge, result, encode, decode } = node.aggregates['value'] as never as ReturnType<
      typeof erased
    >
    const three = add(add(create(), 1), 2)
    expect(result(three)).toBe(3)
    expect(result(merge(three, add(create(), 4)))).toBe(7)
    expect(result(merge(create(), three))).toBe(3)
    expect(result(merge(three, create()))).toBe(3)
    expect(result(decode(JSON.parse(JSON.stringify(encode(three)))))).toBe(3)
    expect(result(add(add(create(), null), 2))).toBe(null)
  })
})

/** The type of an aggregate's functions, for a test that calls them. */
declare function erased(): {
  create(): unknown
  add(accumulator: unknown, value: unknown): unknown
  merge(left: unknown, right: unknown): unknown
  result(accumulator: unknown): unknown
  encode(accumulator: unknown): unknown
  decode(stored: unknown): unknown
}

describe('joins', () => {
  const users = stream(userTopic).toTable('users')

  test('are a node with both inputs', () => {
    const combine = () => 1
    const node = { kind: 'joinTable', input: nodeOf(byUser), table: nodeOf(users), combine }
    expect(nodeOf(byUser.join(users, combine))).toEqual({ ...node, left: false })
    expect(nodeOf(byUser.leftJoin(users, combine))).toEqual({ ...node, left: true })
  })

  test('take a table', () => {
    expect(() => byUser.join(byUser as never, () => 1)).toThrow(
      /\.join\(table, combine\) takes a table, not this StreamBuilder/,
    )
    expect(() => byUser.leftJoin(undefined as never, () => 1)).toThrow(/takes a table, not this undefined/)
  })
})

describe('onError', () => {
  test('stands on its step; the steps before stay the nodes that they are', () => {
    const mapped = clicks.map((click) => click.at)
    const caught = mapped.onError(skip('no number'))
    expect(nodeOf(caught)).toEqual({ ...nodeOf(mapped), onError: { kind: 'skip', reason: 'no number' } })
    expect(inputsOf(nodeOf(caught))[0]).toBe(nodeOf(clicks))
    expect(nodeOf(mapped).onError).toBe(undefined)
    expect(Object.isFrozen(nodeOf(caught))).toBe(true)
    expect(nodeOf(byUser.onError(stop()).count('c')).kind).toBe('aggregate')
  })

  test('takes one policy a step', () => {
    expect(() => clicks.onError(stop()).onError(stop())).toThrow(/two \.onError stand behind one step/)
    expect(() => clicks.onError('skip' as never)).toThrow(
      /takes skip\(reason\), deadLetter\(topic\) or stop\(\)/,
    )
    expect(() => skip(' ')).toThrow(/says why/)
    expect(() => deadLetter('a b')).toThrow(/is no name for a topic/)
    expect(deadLetter('failed')).toEqual({ kind: 'deadLetter', topic: 'failed' })
  })
})

describe('to', () => {
  test('writes to a topic or a sink', () => {
    const sink = { id: 'file:/out' } as never
    expect(nodeOf(clicks.to(clickTopic))).toMatchObject({
      to: { kind: 'topic', topic: topicSpecOf(clickTopic) },
    })
    expect(nodeOf(clicks.to(connector({ sink })))).toMatchObject({ to: { kind: 'sink', sink } })
    expect(nodeOf(byUser.count('c').to(topic('c', { key: text(), value: z.any() }))).kind).toBe('output')
    expect(() => clicks.to(connector({}))).toThrow(/can only be read/)
    expect(() => clicks.to('clicks' as never)).toThrow(/takes a topic.* or a file/)
  })
})

test('a plan is what its leaves reach', () => {
  expect(
    planOf(app('a', { v: view(byUser), w: clicks.to(clickTopic) })).leaves.map(({ name }) => name),
  ).toEqual(['v', 'w'])
})
