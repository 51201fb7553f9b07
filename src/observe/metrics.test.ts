import { describe, expect, test } from 'vitest'
import { Metrics } from './metrics.ts'

describe('metrics', () => {
  test('are collected by name with their labels', () => {
    const metrics = new Metrics()
    metrics.gauge('lag_records', 'records behind', { topic: 'b' }).set(7)
    metrics.counter('commits', 'commits done').add()
    metrics.counter('commits', 'commits done').value += 2
    expect(metrics.collect()).toEqual([
      { name: 'commits', help: 'commits done', kind: 'counter', samples: [{ labels: {}, value: 3 }] },
      {
        name: 'lag_records',
        help: 'records behind',
        kind: 'gauge',
        samples: [{ labels: { topic: 'b' }, value: 7 }],
      },
    ])
  })

  test('the same labels are one series in any order; others are their own', () => {
    const metrics = new Metrics()
    const one = metrics.counter('late', 'late', { a: '1', b: '2' })
    expect(metrics.counter('late', 'late', { b: '2', a: '1' })).toBe(one)
    expect(metrics.counter('late', 'late', { a: '1' })).not.toBe(one)
    metrics.remove('late', { b: '2', a: '1' })
    expect(metrics.collect()[0]?.samples).toEqual([{ labels: { a: '1' }, value: 0 }])
  })

  test('a callback is asked at each collection, and the latest counts', () => {
    const metrics = new Metrics()
    let value = 1
    metrics.gaugeCallback('watermark_ms', 'watermark', () => 0)
    metrics.gaugeCallback('watermark_ms', 'watermark', () => value)
    value = 5
    expect(metrics.collect()[0]?.samples).toEqual([{ labels: {}, value: 5 }])
    expect(() => metrics.gauge('watermark_ms', 'watermark')).toThrow('computed by a callback')
  })

  test('a histogram cumulates; a value on a bound is inside it', () => {
    const metrics = new Metrics()
    const histogram = metrics.histogram('commit_ms', 'commit time', [1, 10])
    for (const value of [0.5, 1, 2, 10, 11]) histogram.observe(value)
    expect(metrics.collect()[0]?.samples).toEqual([
      {
        labels: {},
        buckets: [
          { bound: 1, count: 2 },
          { bound: 10, count: 4 },
          { bound: Number.POSITIVE_INFINITY, count: 5 },
        ],
        sum: 24.5,
        count: 5,
      },
    ])
  })

  test('refuses one name for two kinds, bad names and bad bounds', () => {
    const metrics = new Metrics()
    metrics.counter('records', 'records')
    expect(() => metrics.gauge('records', 'records')).toThrow('records is a counter, not a gauge')
    expect(() => metrics.counter('Records-in', '')).toThrow('lower case')
    expect(() => metrics.histogram('ms', '', [2, 1])).toThrow('ascend')
  })
})
