import { describe, expect, test } from 'vitest'
import { json, text } from '../record/serdes.ts'
import { app } from '../streams/app.ts'
import { skip } from '../streams/on-error.ts'
import { stream } from '../streams/source-stream.ts'
import { topic } from '../streams/topic.ts'
import { view } from '../streams/view.ts'
import { driver } from './driver.ts'

// Functions of steps that answer with what types forbid.

const orders = topic('orders', { key: text(), value: json() })
const source = stream(orders)

/** Anything, where the types want something else. */
const odd = (value: unknown): never => value as never

describe('a step whose function answers with a promise fails, and its rejection is nobody else’s', () => {
  const late = (): never => odd(Promise.reject(new Error('much later')))
  const steps = {
    map: () => source.map(late),
    filter: () => source.filter(late),
    flatMap: () => source.flatMap(late),
    tap: () => source.tap(late),
    branch: () => source.branch({ some: late }).some,
  }
  test.each(Object.entries(steps))('%s', (_, step) => {
    const failing = app('late', {
      rows: view(
        step()
          .keyBy(() => 'all')
          .count('n'),
      ),
    })
    const world = driver(failing)
    const refused = expect.objectContaining({
      code: 'MILLRACE_USER_FUNCTION',
      message: expect.stringMatching(
        /orders-0@0.* its function answered with a promise: a step answers at once/,
      ),
    })
    expect(() => world.send(orders, {}, { key: 'k' })).toThrow(refused)
  })

  test('which onError may skip', () => {
    const counted = source
      .map(late)
      .onError(skip('late'))
      .keyBy(() => 'all')
      .count('n')
    const world = driver(app('skips', { rows: view(counted) }))
    world.send(orders, {}, { key: 'k' })
    expect(world.views.rows.list()).toEqual([])
  })
})

test.each([
  [5n, 'Do not know how to serialize a BigInt'],
  [{ total: 5n }, 'Do not know how to serialize a BigInt'],
  [() => 1, 'function cannot be written as JSON'],
])('a view of rows that JSON cannot hold (%o) names the view and the key', (row, message) => {
  const world = driver(app('odd', { latest: view(source.map(() => row).keyBy(() => ['a', 1] as const)) }))
  const refused = expect.objectContaining({
    code: 'MILLRACE_INVALID_RECORD',
    message: expect.stringContaining(`view 'latest', the row of ["a",1]: `),
  })
  expect(() => world.send(orders, {}, { key: 'k' })).toThrow(refused)
  expect(() =>
    driver(app('odd', { latest: view(source.map(() => row).keyBy(() => 'a')) })).send(
      orders,
      {},
      { key: 'k' },
    ),
  ).toThrow(message)
})

test('the driver refuses what send refuses', () => {
  const world = driver(app('counts', { rows: view(source.count('n')) }))
  const headers = odd([{ key: 'trace', value: 'text' }])
  expect(() => world.send(orders, {}, { key: 'k', headers })).toThrow(/headers of a record for orders hold/)
  expect(() => world.send(orders, {}, { key: 'k', timestamp: 1.5 })).toThrow(
    /timestamp of a record for orders/,
  )
  world.send(orders, {}, { key: 'k' })
  expect(world.views.rows.list()).toEqual([{ key: 'k', count: 1 }])
})
