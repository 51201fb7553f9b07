import fc from 'fast-check'
import { app, type Key, type KeyPart, stream, topic, tumbling, view } from 'millrace'
import { driver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { seed, tries } from './seed.ts'

/** A key is a text, a number, a boolean or a tuple of them; each stays what it is through stores, views and restarts. */
const Part = z.union([z.string(), z.number(), z.boolean()])
const events = topic('events', { value: z.object({ key: z.union([Part, z.array(Part)]) }), partitions: 3 })
const all = stream(events, { eventTime: () => 0 })
const single = all.flatMap(({ key }) => (Array.isArray(key) ? [] : [key])).keyBy((key): KeyPart => key)
const tuples = all
  .flatMap(({ key }) => (Array.isArray(key) ? [key] : []))
  .keyBy((key): readonly KeyPart[] => key)
const keys = app('keys', {
  counts: view(all.keyBy(({ key }): Key => key).count('counts')),
  singles: view(single.window('singles', tumbling('1m')).count().updates()),
  tuples: view(tuples.window('tuples', tumbling('1m')).count().updates()),
})

const part = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 4 }),
  fc.constantFrom('', '1', 'true', 'a/b', '["a",1]', '\u0000', '😀', 'é'),
  fc.integer({ min: -3, max: 3 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
  fc.boolean(),
)
const key = fc.oneof({ weight: 2, arbitrary: part }, fc.array(part, { minLength: 1, maxLength: 3 }))

describe(`keys of every kind, seed ${seed}`, () => {
  test('equal keys are one, different ones are not: 1 is not "1" is not true is not [1]', () => {
    const property = fc.property(
      fc.array(key, { maxLength: 15, size: 'max' }),
      fc.nat(15),
      (given, crashAt) => {
        const world = driver(keys)
        given.forEach((one, index) => {
          if (index === crashAt) world.crash()
          world.send(events, { key: one })
        })
        world.crash()
        const expected = new Map<string, { key: Key; hits: number }>()
        for (const one of given) {
          const id = JSON.stringify(one)
          expected.set(id, { key: one, hits: (expected.get(id)?.hits ?? 0) + 1 })
        }
        const { counts, singles, tuples: ofTuples } = world.views
        expect(counts.entries()).toHaveLength(expected.size)
        expect(singles.entries().length + ofTuples.entries().length).toBe(expected.size)
        const window = { start: 0, end: 60_000 }
        for (const { key: one, hits } of expected.values()) {
          expect(counts.get(one)).toEqual({ key: one, count: hits })
          // The row of a window has the key [key, start]; the elements of a tuple are elements of it.
          const row = typeof one === 'object' ? ofTuples.get([...one, 0] as never) : singles.get([one, 0])
          expect(row).toEqual({ key: one, window, count: hits })
        }
      },
    )
    fc.assert(property, tries(80))
  })
})
