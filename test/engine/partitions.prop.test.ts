import fc from 'fast-check'
import { app, json, stream, text, topic, tumbling } from 'millrace'
import { driver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { partitionOf } from '../../src/record/partitioner.ts'
import { histories } from './histories.ts'
import { seed, tries } from './seed.ts'

/** Time over several partitions: each has its own, and the slowest one holds the windows back (until it is idle). */
const Input = z.object({ at: z.number(), amount: z.number() })
const inputs = topic('inputs', { key: text(), value: Input, partitions: 2 })
const results = topic('results', { key: text(), value: json() })
const SIZE = 10
const BOUND = 3

function appOf(idleAfter: '30s' | false) {
  const all = stream(inputs, { eventTime: ({ at }) => at, outOfOrderness: BOUND, idleAfter })
    .keyBy(() => 'all')
    .window('all', tumbling(SIZE))
    .count()
  return app('partitions', { results: all.final().to(results) })
}

interface Row {
  readonly window: { readonly start: number; readonly end: number }
  readonly count: number
}

describe(`watermarks of partitions, seed ${seed}`, () => {
  test('a window closes when all partitions have passed its end', () => {
    const property = fc.property(histories({ lengthMax: 30, backMax: 20 }), (events) => {
      const world = driver(appOf(false))
      const marks = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
      const counts = new Map<number, number>()
      let late = 0
      for (const { key, at, amount } of events) {
        const start = Math.floor(at / SIZE) * SIZE
        const watermark = Math.min(...marks)
        if (start + SIZE - 1 <= watermark) late += 1
        else counts.set(start, (counts.get(start) ?? 0) + 1)
        const partition = key === 'b' ? 1 : 0
        world.send(inputs, { at, amount }, { key: keyIn(partition) })
        marks[partition] = Math.max(marks[partition] ?? 0, at - BOUND - 1)
        const closed = [...counts].filter(([begin]) => begin + SIZE - 1 <= Math.min(...marks))
        const rows = world.read(results).map(({ value }) => value as Row)
        expect(rows.map(({ window, count: many }) => [window.start, many])).toEqual(
          closed.sort(([left], [right]) => left - right),
        )
      }
      expect(world.status().late).toBe(late)
    })
    fc.assert(property, tries(80))
  })

  test('a partition that is quiet for long enough holds nothing back, and comes back in its own time', () => {
    const world = driver(appOf('30s'))
    const [first, second] = [keyIn(0), keyIn(1)]
    world.send(inputs, { at: 5, amount: 1 }, { key: first })
    world.send(inputs, { at: 50, amount: 1 }, { key: first })
    expect(world.read(results)).toEqual([])
    // The other partition never had a record: after 30 s at its end it counts no more.
    world.advance('31s')
    expect(world.read(results).length).toBeGreaterThan(0)
    const closed = world.read(results).length
    // What it brings behind the watermark is late, and time does not move back.
    world.send(inputs, { at: 7, amount: 1 }, { key: second })
    expect(world.status().late).toBe(1)
    expect(world.read(results)).toHaveLength(closed)
  })
})

/** A key that a client would put into a partition. */
function keyIn(partition: number): string {
  let number = 0
  while (partitionOf(Buffer.from(`key${number}`), 2) !== partition) number += 1
  return `key${number}`
}
