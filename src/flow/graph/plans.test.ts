import { describe, expect, test } from 'vitest'
import { keySerde } from '../../record/key-codec.ts'
import type { Serde } from '../../record/serde.ts'
import { json } from '../../record/serdes.ts'
import { countAggregate } from '../aggregates/count.ts'
import { customAggregate } from '../aggregates/custom.ts'
import { topAggregate } from '../aggregates/top.ts'
import type { Aggregate } from './aggregate.ts'
import { checkPlan } from './check-plan.ts'
import { comparePlans } from './compare-plans.ts'
import { describePlan } from './describe.ts'
import type { Plan, StreamNode, TableNode, TopicSourceNode, TopicSpec, WindowNode } from './plan.ts'

function source(name: string, partitions: number, key?: Serde<unknown>): TopicSourceNode {
  const topic: TopicSpec = { name, partitions, keySerde: key, valueSerde: json(), settings: {} }
  return { kind: 'topicSource', topic, eventTime: undefined, outOfOrdernessMs: 0, idleAfterMs: 30_000 }
}
/** A plan holds aggregates of any type; only their own functions see what they made. */
const any = (aggregate: unknown): Aggregate => aggregate as Aggregate
const keyed = keySerde as Serde<unknown>
const byKey = (input: StreamNode): StreamNode => ({ kind: 'keyBy', input, key: () => 'k' })
const counted = (name: string, input: StreamNode): TableNode => ({
  kind: 'aggregate',
  name,
  input,
  aggregates: { n: any(countAggregate()) },
})
const windowed = (name: string, input: StreamNode, sizeMs: number, allowedLatenessMs = 0): WindowNode => ({
  kind: 'window',
  name,
  input,
  window: { kind: 'tumbling', sizeMs, offsetMs: 0 },
  allowedLatenessMs,
  aggregates: { n: any(countAggregate()) },
})
const shown = (input: StreamNode | TableNode, name = 'shown'): Plan => ({
  name: 'app',
  leaves: [{ kind: 'view', name, input, retentionMs: undefined }],
})

describe('what is refused when a plan is built', () => {
  test('two steps of one name', () => {
    const one = counted('same', byKey(source('a', 1)))
    const two = counted('same', byKey(source('b', 1)))
    const plan = { name: 'app', leaves: [...shown(one, 'x').leaves, ...shown(two, 'y').leaves] }
    expect(() => checkPlan(plan)).toThrow(/two steps are named 'same'.*another name/)
  })

  test('a leaf used twice, a name that is none, an app without leaves', () => {
    const table = counted('t', byKey(source('a', 1)))
    expect(() =>
      checkPlan({ name: 'app', leaves: [...shown(table).leaves, ...shown(table).leaves] }),
    ).toThrow(/two leaves/)
    expect(() => checkPlan(shown(table, 'a b'))).toThrow(/"a b" is no name for a leaf/)
    expect(() => checkPlan({ name: 'app', leaves: [] })).toThrow(/no leaves/)
  })

  test('one topic with two numbers of partitions', () => {
    const merged: StreamNode = { kind: 'merge', inputs: [source('a', 1), source('a', 2)] }
    expect(() => checkPlan(shown(counted('t', byKey(merged))))).toThrow(
      /topic a is described with 1 and with 2/,
    )
  })

  test('rows that change under an aggregate that cannot take them out', () => {
    const custom = customAggregate({
      name: 'c',
      create: () => 0,
      add: (a: number) => a,
      merge: (a) => a,
      result: (a) => a,
    })
    const input = counted('t', byKey(source('a', 1)))
    const grouped: TableNode = {
      kind: 'groupTable',
      name: 'g',
      input,
      key: () => 'x',
      aggregates: { custom: any(custom) },
    }
    expect(() => checkPlan(shown(grouped))).toThrow(/'custom' \(custom\(c\)\) cannot take a row out/)
    const top: TableNode = { ...grouped, aggregates: { top: any(topAggregate(3, () => 1)) } }
    expect(() => checkPlan(shown(top))).not.toThrow()
  })

  test('a join with a table that is spread in a way nobody else can follow', () => {
    const odd: Serde<unknown> = { ...json(), format: 'odd' }
    const table: TableNode = { kind: 'toTable', name: 't', input: source('table', 4, odd) }
    const join: StreamNode = {
      kind: 'joinTable',
      input: source('s', 2, keyed),
      table,
      combine: () => 1,
      left: false,
    }
    expect(() => checkPlan(shown(join))).toThrow(/same key serde/)
  })
})

describe('partitions', () => {
  test('a join takes the stream to the partitions of the table, only where they differ', () => {
    const table: TableNode = { kind: 'toTable', name: 't', input: source('table', 4, keyed) }
    const joined = (input: StreamNode): StreamNode => ({
      kind: 'joinTable',
      input,
      table,
      combine: () => 1,
      left: false,
    })
    const near = joined(source('s', 4, keyed))
    const far = joined(source('s', 2, keyed))
    const shuffles = (node: StreamNode): boolean[] => {
      const topology = checkPlan(shown(node))
      expect(topology.of(node).partitions).toBe(4)
      return topology.nodes.flatMap(({ consumers }) =>
        consumers.filter((c) => c.node === node).map((c) => c.shuffle),
      )
    }
    expect(shuffles(near)).toEqual([false, false])
    expect(shuffles(far).filter(Boolean)).toHaveLength(1)
  })

  test('a policy covers the steps above it, up to the keyBy', () => {
    const top = source('a', 1)
    const map: StreamNode = {
      kind: 'map',
      input: top,
      map: (value) => value,
      onError: { kind: 'skip', reason: 'bad' },
    }
    const behind = byKey(map)
    const topology = checkPlan(shown(counted('t', behind)))
    expect([top, map, behind].map((node) => topology.of(node).policy.kind)).toEqual(['skip', 'skip', 'stop'])
  })
})

describe('describe', () => {
  test('shows stages, state, topics and holds, as JSON', () => {
    const window = windowed('w', byKey(source('clicks', 3)), 60_000, 30_000)
    const description = describePlan(shown({ kind: 'final', window }))
    expect(JSON.parse(JSON.stringify(description))).toEqual(description)
    expect(description.stages.map(({ partitions }) => partitions)).toEqual([3, 3])
    expect(description.stages[1]?.steps.find(({ kind }) => kind === 'window')?.holdMs).toBe(30_000)
    expect(description.topics.map(({ name, use }) => `${use} ${name}`)).toContain('input clicks')
    expect(description.stores.map(({ name }) => name)).toEqual(['w', 'view shown'])
  })

  test('a changed step is refused with the difference and the ways out; a new one is not', () => {
    const plan = (sizeMs: number, name = 'w'): Plan =>
      shown({ kind: 'final', window: windowed(name, byKey(source('clicks', 3)), sizeMs) })
    const stored = describePlan(plan(60_000))
    expect(() => comparePlans(stored, describePlan(plan(60_000)))).not.toThrow()
    expect(() => comparePlans(stored, describePlan(plan(1_000, 'other')))).not.toThrow()
    expect(() => comparePlans(stored, describePlan(plan(1_000)))).toThrow(
      /w: definition was tumbling sizeMs=60000.*is tumbling sizeMs=1000[^]*new name/,
    )
  })
})
