import { describe, expect, test } from 'vitest'
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../base/brands.ts'
import { TimeInputs, TimeOutput } from './time-edges.ts'

function world(count: number) {
  const seen: (number | string)[] = []
  const inputs = new TimeInputs({
    onWatermark: (watermark) => seen.push(watermark),
    onIdle: (idle) => seen.push(idle ? 'idle' : 'active'),
  })
  for (let index = 0; index < count; index += 1) inputs.addInput()
  return { inputs, seen }
}

describe('watermarks of several inputs', () => {
  test('the minimum counts, and never goes back (1.4)', () => {
    const { inputs, seen } = world(2)
    inputs.advance(0, 10)
    expect(seen).toEqual([])
    inputs.advance(1, 5)
    inputs.advance(1, 3)
    inputs.advance(1, 20)
    inputs.advance(0, 9)
    expect(seen).toEqual([5, 10])
  })

  test('an idle input leaves the minimum (1.6)', () => {
    const { inputs, seen } = world(2)
    inputs.advance(0, 10)
    inputs.setIdle(1)
    inputs.advance(0, 11)
    expect(seen).toEqual([10, 11])
  })

  test('when all are idle the highest counts, whatever the order in which they went, then idle is passed on', () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ] as const) {
      const { inputs, seen } = world(2)
      inputs.advance(0, 10)
      inputs.advance(1, 30)
      for (const input of order) inputs.setIdle(input)
      expect(seen.at(-2)).toBe(30)
      expect(seen.at(-1)).toBe('idle')
    }
  })

  test('one that comes back counts again only when it has reached the last output', () => {
    const { inputs, seen } = world(2)
    inputs.advance(0, 10)
    inputs.setIdle(1)
    inputs.setActive(1)
    inputs.advance(1, 4)
    inputs.advance(0, 12)
    expect(seen).toEqual([10, 12])
    inputs.advance(1, 12)
    inputs.advance(0, 20)
    expect(seen).toEqual([10, 12])
    inputs.advance(1, 15)
    expect(seen).toEqual([10, 12, 15])
  })

  test('from all idle, one that comes back makes it active, and time does not move back', () => {
    const { inputs, seen } = world(2)
    inputs.advance(0, 10)
    inputs.setIdle(0)
    inputs.setIdle(1)
    inputs.setActive(1)
    inputs.advance(1, 3)
    expect(seen).toEqual([10, 'idle', 'active'])
    expect(inputs.watermark).toBe(10)
  })

  test('after a restart an input below the watermark is one that has not caught up', () => {
    const { inputs, seen } = world(2)
    inputs.restore(10)
    inputs.advance(0, 12)
    inputs.advance(1, 4)
    inputs.realign()
    inputs.advance(0, 13)
    expect(seen).toEqual([12, 13])
  })
})

describe('holds (1.14)', () => {
  test('are taken off on the way, but not from the end of time', () => {
    const { inputs, seen } = world(0)
    const output = new TimeOutput()
    output.connect(inputs, 30)
    output.emit(MIN_TIMESTAMP)
    output.emit(100)
    output.emit(MAX_TIMESTAMP)
    expect(seen).toEqual([70, MAX_TIMESTAMP])
  })
})
