import { app, bytes, deadLetter, json, skip, stop, stream, text, topic, tumbling, view } from 'millrace'
import { driver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { SimWorld } from './sim-world.ts'

const Order = z.object({ id: z.string(), total: z.number() })
const orders = topic('orders', { value: Order })
/** The same topic, as one who knows no schema writes to it. */
const rawOrders = topic('orders', { value: bytes() })
const totals = topic('totals', { value: z.number() })

const raw = (value: unknown): Uint8Array =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const good = (id: string, total: number): Uint8Array => raw({ id, total })

describe('dead letters', () => {
  const toTotals = stream(orders)
    .map((order) => {
      if (order.total < 0) throw new RangeError(`${order.id} has a total below 0`)
      return order.total
    })
    .onError(deadLetter('orders-failed'))

  function run(values: readonly Uint8Array[]) {
    const world = new SimWorld(app('totals', { totals: toTotals.to(totals) }), { seed: 1 })
    world.start()
    world.append(
      rawOrders,
      values.map((value, index) => ({ value, timestamp: 1_000 + index })),
    )
    world.runToEnd()
    return world
  }

  test('carry the record as it came, and error, stack, topic, partition, offset, timestamp, attempts', () => {
    const world = run([good('a', 1), good('b', -1), good('c', 3)])
    expect(world.read('totals')[0]?.map(({ value }) => value)).toEqual(['1', '3'])
    const [letter, ...others] = world.read('orders-failed').flat()
    expect(others).toEqual([])
    expect(letter).toMatchObject({ key: null, value: '{"id":"b","total":-1}', timestamp: 1_001 })
    const headers = Object.fromEntries(letter?.headers ?? [])
    expect(headers).toMatchObject({
      error: 'b has a total below 0',
      topic: 'orders',
      partition: '0',
      offset: '1',
      timestamp: '1001',
      attempts: '1',
    })
    expect(headers['stack']).toMatch(/^RangeError: b has a total below 0\n\s+at .*on-error\.test\.ts/)
    expect(world.engine?.status()).toMatchObject({ records: 3 })
  })

  test('take what cannot be decoded the same way, byte for byte', () => {
    const broken = new Uint8Array([0xff, 0x00, 0x7b])
    const world = run([raw('{"id":'), good('a', 1), raw({ id: 'x', total: 'many' }), broken])
    expect(world.read('totals')[0]?.map(({ value }) => value)).toEqual(['1'])
    const letters = world.read('orders-failed').flat()
    expect(letters.map(({ value }) => value)).toEqual([
      '{"id":',
      '{"id":"x","total":"many"}',
      Buffer.from(broken).toString(),
    ])
    const headersOf = (index: number) => Object.fromEntries(letters[index]?.headers ?? [])
    expect(headersOf(0)['error']).toMatch(/JSON/)
    expect(headersOf(1)['error']).toMatch(/total.*expected number/i)
    expect(letters.map((_, index) => headersOf(index)['offset'])).toEqual(['0', '2', '3'])
  })

  test('keep the headers that a record had, in front of their own', () => {
    const world = new SimWorld(app('totals', { totals: toTotals.to(totals) }), { seed: 1 })
    world.start()
    const headers = [
      { key: 'trace', value: raw('abc') },
      { key: 'empty', value: null },
    ]
    world.append(orders, [{ value: { id: 'b', total: -1 }, headers }])
    world.runToEnd()
    const [letter] = world.read('orders-failed').flat()
    expect(letter?.headers.map(([key]) => key)).toEqual([
      'trace',
      'empty',
      'error',
      'stack',
      'topic',
      'partition',
      'offset',
      'timestamp',
      'attempts',
    ])
    expect(letter?.headers.slice(0, 2)).toEqual([
      ['trace', 'abc'],
      ['empty', null],
    ])
  })

  test('lie in the commit of the position: none twice, none lost, across power cuts', () => {
    const world = driver(app('totals', { totals: toTotals.to(totals) }))
    for (let n = 0; n < 20; n++) {
      world.send(orders, { id: `o${n}`, total: n % 3 === 0 ? -1 : n })
      if (n % 4 === 0) world.crash()
    }
    const letters = world.read(topic('orders-failed', { value: Order })).map(({ value }) => value.id)
    expect(letters).toEqual(['o0', 'o3', 'o6', 'o9', 'o12', 'o15', 'o18'])
    expect(world.read(totals)).toHaveLength(13)
  })
})

describe('the policy of a step', () => {
  const fails = (value: number): number => {
    throw new Error(`no ${value}`)
  }
  const numbers = topic('numbers', { value: z.number() })
  const results = topic('results', { value: json() })

  test('stop is the default: the record, the step, the cause and the ways out', () => {
    const world = driver(app('stops', { results: stream(numbers).map(fails).to(results) }))
    expect(() => world.send(numbers, 7)).toThrow(
      /map.*numbers-0@0.*no 7[\s\S]*onError\(skip\('reason'\)\)[\s\S]*onError\(deadLetter/,
    )
  })

  test('skip counts what it drops', () => {
    const odd = (value: number): number => (value % 2 === 1 ? value : fails(value))
    const world = driver(
      app('skips', { results: stream(numbers).map(odd).onError(skip('even')).to(results) }),
    )
    for (let n = 0; n < 10; n++) world.send(numbers, n)
    expect(world.read(results).map(({ value }) => value)).toEqual([1, 3, 5, 7, 9])
    expect(world.status()).toMatchObject({ records: 10, dropped: 5, late: 0 })
  })

  test('reaches back to the onError before it, and no further', () => {
    const first = (value: number): number => (value === 1 ? fails(value) : value)
    const second = (value: number): number => (value === 2 ? fails(value) : value)
    const both = stream(numbers).map(first).onError(skip('ones')).map(second).onError(deadLetter('twos'))
    const world = driver(app('both', { results: both.to(results) }))
    for (const n of [0, 1, 2, 3]) world.send(numbers, n)
    expect(world.read(results).map(({ value }) => value)).toEqual([0, 3])
    expect(world.read(topic('twos', { value: z.number() })).map(({ value }) => value)).toEqual([2])
    expect(world.status().dropped).toBe(1)
  })

  test('a stop between says that the steps above stop', () => {
    const first = (value: number): number => (value === 1 ? fails(value) : value)
    const stops = stream(numbers)
      .map(first)
      .onError(stop())
      .filter(() => true)
      .onError(skip('never'))
    const world = driver(app('stops', { results: stops.to(results) }))
    world.send(numbers, 0)
    expect(() => world.send(numbers, 1)).toThrow(/no 1/)
  })

  test.each([
    ['filter', stream(numbers).filter(() => fails(0) > 0)],
    ['flatMap', stream(numbers).flatMap((n) => [n, fails(n)])],
    ['tap', stream(numbers).tap((n) => void fails(n))],
    ['branch', stream(numbers).branch({ one: () => fails(1) > 0 }).otherwise],
  ])('%s', (_, steps) => {
    const world = driver(app('each', { results: steps.onError(skip('all')).to(results) }))
    world.send(numbers, 1)
    expect(world.read(results)).toEqual([])
    expect(world.status().dropped).toBe(1)
  })

  test('keyBy, and the event time of a topic', () => {
    const timed = stream(numbers, { eventTime: (n) => (n === 1 ? 'yesterday' : n) }).onError(skip('no time'))
    const keyed = timed.keyBy((n) => (n === 2 ? String(fails(n)) : `k${n}`)).onError(skip('no key'))
    const counts = keyed.window('w', tumbling(10)).count()
    const world = driver(app('keyed', { counts: view(counts.updates()) }))
    for (const n of [0, 1, 2, 3]) world.send(numbers, n)
    expect(world.views.counts.entries().map(([key]) => key)).toEqual([
      ['k0', 0],
      ['k3', 0],
    ])
    expect(world.status().dropped).toBe(2)
  })

  test('nothing of a failed commit is visible, and a corrected app takes the record again', () => {
    const late = topic('late-results', { value: text() })
    let broken = true
    const parse = (n: number): string => (broken && n === 2 ? String(fails(n)) : `n${n}`)
    const world = new SimWorld(app('again', { out: stream(numbers).map(parse).to(late) }), {
      seed: 1,
      commitIntervalMs: 1_000,
    })
    world.start()
    world.append(
      numbers,
      [0, 1, 2, 3].map((value) => ({ value })),
    )
    expect(() => world.runToEnd()).toThrow(/numbers-0@2/)
    expect(world.read('late-results').flat()).toEqual([])
    broken = false
    world.restart()
    world.start()
    world.runToEnd()
    expect(world.read('late-results')[0]?.map(({ value }) => value)).toEqual(['n0', 'n1', 'n2', 'n3'])
  })
})
