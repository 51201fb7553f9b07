import fc from 'fast-check'
import { app, count, deadLetter, hopping, session, stream, text, top, topic, tumbling } from 'millrace'
import { driver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { histories } from './histories.ts'
import { seed, tries } from './seed.ts'

/**
 * Where only the first n rows of closing windows count, tasks send no others. Beside a `count()`, which needs every row,
 * they send all: the tops must be the same.
 */
const inputs = topic('inputs', {
  key: text(),
  value: z.object({ key: z.string(), at: z.number() }),
  partitions: 3,
})
const Tops = z.object({ most: z.array(z.unknown()), last: z.array(z.unknown()) })
const few = topic('few', { value: Tops })
const every = topic('every', { value: Tops })

const shapes = { tumbling: tumbling(8), hopping: hopping({ size: 12, every: 4 }), session: session(3) }

function appOf(shape: keyof typeof shapes, n: number, failing: string) {
  const windows = stream(inputs, { eventTime: ({ at }) => at, outOfOrderness: 10 })
    // Where a record came from decides which task closes its window.
    .window('items', shapes[shape])
    .aggregate({ hits: count() })
  type Row = { readonly key: string; readonly hits: number }
  const tops = {
    // Without ties: the earlier one counts, which is the order in which rows come.
    most: top(n, ({ hits }: Row) => hits),
    last: top(2, ({ key }: Row) => {
      if (key === failing) throw new Error('no order')
      return key
    }),
  }
  const group = ({ key }: Row): string => (key < 'c' ? 'low' : 'high')
  return app('first-rows', {
    few: windows.groupBy('few', group).aggregate(tops).final().onError(deadLetter('failed')).to(few),
    every: windows
      .groupBy('every', group)
      .aggregate({ ...tops, all: count() })
      .final()
      .onError(deadLetter('failed'))
      .to(every),
  })
}

describe(`the first rows of each task, seed ${seed}`, () => {
  test('give the tops that all rows give: with ties, over a crash, and where a row fails in one of the tops', () => {
    const property = fc.property(
      histories({ lengthMax: 40, backMax: 10, keys: ['a', 'b', 'c', 'd', 'e', 'f'] }),
      fc.constantFrom('tumbling', 'hopping', 'session'),
      fc.constantFrom(1, 2, 3),
      fc.constantFrom('none', 'd'),
      fc.nat(40),
      (events, shape, n, failing, crashAt) => {
        const world = driver(appOf(shape, n, failing))
        for (const [index, { key, at }] of events.entries()) {
          world.send(inputs, { key, at }, { key })
          if (index === crashAt) world.crash()
        }
        for (const key of 'abcdefghijklmnop') world.send(inputs, { key, at: 1_000 }, { key })
        const shown = (of: typeof few) =>
          world.read(of).map(({ value: { most, last }, timestamp }) => ({ most, last, timestamp }))
        expect(shown(few)).toEqual(shown(every))
      },
    )
    fc.assert(property, tries(60))
  })
})
