import fc from 'fast-check'
import { app, stream, text, topic, view } from 'millrace'
import { driver } from 'millrace/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { seed, tries } from './seed.ts'

const Line = z.object({ id: z.number(), words: z.array(z.string()) })
type Line = z.infer<typeof Line>
const first = topic('first', { value: Line })
const second = topic('second', { value: Line })
const Word = z.object({ id: z.number(), word: z.string() })
type Word = z.infer<typeof Word>
const short = topic('short', { value: Word })
const long = topic('long', { value: Word })
const rest = topic('rest', { value: Word })
const shouted = topic('shouted', { key: text(), value: text() })

const seen: string[] = []
const words = stream(first)
  .merge(stream(second))
  .filter(({ words: all }) => all.length !== 1)
  .flatMap(({ id, words: all }) => all.map((word) => ({ id, word })))
const branches = words.branch({
  short: ({ word }) => word.length < 2,
  // The first branch that holds takes the record: this one never sees a short word.
  long: ({ word }) => word.length !== 2,
})
const routing = app('routing', {
  short: branches.short.tap(({ word }) => void seen.push(word)).to(short),
  long: branches.long.to(long),
  rest: branches.otherwise.to(rest),
  shouted: words
    .keyBy(({ word }) => word)
    .map(({ word }) => word.toUpperCase())
    .to(shouted),
  last: view(words.keyBy(({ word }) => word).map(({ id }) => id)),
})

const line = fc.record({
  to: fc.constantFrom(first, second),
  words: fc.array(fc.constantFrom('a', 'bb', 'ccc', 'dddd', 'ß'), { maxLength: 4 }),
})

describe(`filter, map, flatMap, tap, merge, branch, keyBy against arrays, seed ${seed}`, () => {
  test('the same values in the same order', () => {
    const property = fc.property(fc.array(line, { maxLength: 15 }), (lines) => {
      const world = driver(routing)
      seen.length = 0
      lines.forEach(({ to, words: all }, id) => {
        world.send(to, { id, words: all }, { timestamp: id })
      })
      const all: Word[] = lines.flatMap((one, id) =>
        one.words.length === 1 ? [] : one.words.map((word) => ({ id, word })),
      )
      const values = <V>(records: readonly { readonly value: V }[]) => records.map(({ value }) => value)
      expect(values(world.read(short))).toEqual(all.filter(({ word }) => word.length < 2))
      expect(values(world.read(long))).toEqual(all.filter(({ word }) => word.length > 2))
      expect(values(world.read(rest))).toEqual(all.filter(({ word }) => word.length === 2))
      expect(seen).toEqual(all.filter(({ word }) => word.length < 2).map(({ word }) => word))
      expect(world.read(shouted).map(({ key, value, timestamp }) => [key, value, timestamp])).toEqual(
        all.map(({ id, word }) => [word, word.toUpperCase(), id]),
      )
      const last = new Map(all.map(({ id, word }) => [word, id]))
      expect(new Map(world.views.last.entries())).toEqual(last)
    })
    fc.assert(property, tries(60))
  })

  test('a record carries where it came from through every step', () => {
    const where = topic('where', { value: text() })
    const traced = stream(first)
      .map(({ id }) => id)
      .flatMap((id) => [id, id])
      .keyBy((id) => `k${id}`)
      .map((id, { key, value, topic: name, partition, offset, timestamp }) =>
        JSON.stringify([id, key, value, name, partition, offset, timestamp]),
      )
    const world = driver(app('traced', { traced: traced.to(where) }))
    world.send(first, { id: 7, words: [] }, { timestamp: -5 })
    world.send(first, { id: 8, words: [] }, { timestamp: 3 })
    expect(world.read(where).map(({ value }) => JSON.parse(value) as unknown)).toEqual([
      [7, 'k7', 7, 'first', 0, 0, -5],
      [7, 'k7', 7, 'first', 0, 0, -5],
      [8, 'k8', 8, 'first', 0, 1, 3],
      [8, 'k8', 8, 'first', 0, 1, 3],
    ])
  })
})
