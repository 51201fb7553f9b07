import { readFileSync } from 'node:fs'
import { app, stream, text, topic } from 'millrace'
import { driver } from 'millrace/testing'
import { afterAll, describe, expect, test } from 'vitest'
import { sharedPath } from '../shared-path.ts'

/** Kafka Streams' own join cases: after each input record, the records that it must have caused. */
interface Case {
  readonly source: string
  readonly kind: string
  readonly input: string
  readonly versioned: boolean
  readonly expectedPerInput: readonly (readonly (readonly [string, string, number])[])[]
}
type InputRow = readonly [side: 'left' | 'right', key: string | null, value: string | null, timestamp: number]
interface Joins {
  readonly inputs: Readonly<Record<string, { readonly rows: readonly InputRow[] }>>
  readonly cases: readonly Case[]
}

const { inputs, cases } = JSON.parse(
  readFileSync(sharedPath('vectors/kafka-streams-joins.json'), 'utf8'),
) as Joins

const left = topic('left', { key: text(), value: text() })
const right = topic('right', { key: text(), value: text() })
const results = topic('results', { key: text(), value: text() })

function run({ source, input }: Case): readonly (readonly (readonly [string, string, number])[])[] {
  const table = stream(right).toTable('right')
  const combine = (one: string, other: string | null): string => `${one}-${other}`
  const joined = source.includes('testLeft')
    ? stream(left).leftJoin(table, combine)
    : stream(left).join(table, combine)
  const world = driver(app('joins', { joined: joined.to(results) }))
  let read = 0
  return (inputs[input]?.rows ?? []).map(([side, key, value, timestamp]) => {
    if (key === null) throw new Error('a topic with a key has one in every record')
    world.send(side === 'left' ? left : right, value, { key, timestamp })
    const records = world.read(results)
    const fresh = records.slice(read)
    read = records.length
    return fresh.map((record) => [record.key, record.value, record.timestamp] as const)
  })
}

const nameOf = ({ source }: Case): string => source.replace(/^.*:/, '')
const runnable = cases.filter(({ kind, versioned }) => kind === 'stream-table' && !versioned)
const reasonOf = ({ kind, versioned }: Case): string =>
  kind === 'stream-table' && versioned ? 'there are no versioned tables' : `there is no ${kind} join`

describe('joins of Kafka Streams', () => {
  for (const one of runnable) {
    test(nameOf(one), () => {
      expect(run(one)).toEqual(one.expectedPerInput)
    })
  }
  for (const one of cases.filter((other) => !runnable.includes(other))) {
    test.skip(`${nameOf(one)}: ${reasonOf(one)}`, () => undefined)
  }
  test('the cases of this version are there', () => {
    expect(runnable.map(nameOf)).toEqual([
      'StreamTableJoinIntegrationTest.testInner',
      'StreamTableJoinIntegrationTest.testLeft',
    ])
  })
  afterAll(() => {
    console.log(
      `joins of Kafka Streams: ${runnable.length} run, ${cases.length - runnable.length} skipped with a reason`,
    )
  })
})
