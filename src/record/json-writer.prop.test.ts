import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { writeJson } from './json-writer.ts'
import { NO_ROOM, SLACK_BYTES, WriteTarget } from './write-target.ts'

function written(value: unknown, at = 3): string | undefined {
  const target = new WriteTarget(8_192)
  target.bytes.fill(0xee)
  const end = writeJson(target, at, target.bytes.length - SLACK_BYTES, value)
  if (end === undefined) return undefined
  expect(target.bytes.subarray(0, at).every((byte) => byte === 0xee)).toBe(true)
  return target.bytes.toString('utf8', at, end)
}

const anything = fc.anything({
  withDate: true,
  withNullPrototype: true,
  withSparseArray: true,
  withUnicodeString: true,
  withMap: true,
  maxDepth: 4,
})
const numbers = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  // Times, which come again and again.
  fc.integer({ min: 0, max: 5 }).map((step) => 1_700_000_000_000 + step * 60_000),
)
const rows = fc.dictionary(fc.string({ maxLength: 12 }), fc.oneof(numbers, fc.string(), fc.jsonValue()))

describe('the bytes are those of JSON.stringify', () => {
  test('for whatever it takes', () => {
    fc.assert(
      fc.property(fc.oneof(anything, rows, fc.array(rows)), (value) => {
        expect(written(value)).toBe(JSON.stringify(value))
      }),
      { numRuns: 1_000 },
    )
  })

  test('for one row after the other of the same shape, and then of another', () => {
    const row = (index: number) => ({
      key: `user-${index}`,
      window: { start: 1_700_000_000_000 + Math.floor(index / 5) * 60_000, end: 1_700_000_060_000 },
      'a "name"\n': index,
      amount: index / 3,
    })
    for (let index = 0; index < 50; index += 1) {
      expect(written(row(index))).toBe(JSON.stringify(row(index)))
      const { key, ...rest } = row(index)
      if (index % 7 === 0) expect(written({ ...rest, key })).toBe(JSON.stringify({ ...rest, key }))
    }
  })

  test.each([
    [
      'numbers at the edges',
      [-0, 0, 9, 10, 999_999_999, 1_000_000_000, -1_000_000_007, 2 ** 53 - 1, -(2 ** 53), 1e21],
    ],
    ['what is no number', [Number.NaN, Number.POSITIVE_INFINITY]],
    ['holes and what JSON does not know', [undefined, () => 1, Symbol('s'), ...new Array<number>(1), 2]],
    ['members that are left out', { a: undefined, b: () => 1, c: Symbol('s'), d: 1 }],
    [
      'texts',
      ['', 'a"b', 'a\\b', '\u0000', '\u007f', 'ü', '😀', '\ud800', '\u2028', 'x'.repeat(97), 'ü'.repeat(200)],
    ],
    ['inherited members', Object.create({ inherited: 1 })],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
    ['numbers as names', { b: 1, 2: 2, 1: 1 }],
    ['a date', { at: new Date(0) }],
    ['toJSON, which is told the name', { a: { toJSON: (name: string) => `named ${name}` } }],
    ['toJSON of an array', Object.assign([1], { toJSON: () => 'array' })],
    [
      'a class',
      new (class Point {
        x = 1
      })(),
    ],
    ['depth', { a: { b: { c: { d: { e: { f: { g: { h: { i: { j: 1 } } } } } } } } } }],
  ])('%s', (_name, value) => {
    expect(written(value)).toBe(JSON.stringify(value))
  })

  test('with a getter that is hidden behind toJSON out of sight', () => {
    const value = Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 'hidden', enumerable: false })
    expect(written(value)).toBe('"hidden"')
  })
})

test('more names than are remembered', () => {
  for (let index = 0; index < 3_000; index += 1) {
    const value = { [`name-${index}`]: index, id: { [index]: `${index}` } }
    expect(written(value)).toBe(JSON.stringify(value))
  }
})

test('nothing at all where JSON has nothing', () => {
  expect(written(undefined)).toBeUndefined()
  expect(written(() => 1)).toBeUndefined()
})

test('it throws what JSON.stringify throws', () => {
  const cycle: Record<string, unknown> = {}
  cycle['itself'] = cycle
  expect(() => written(cycle)).toThrow(/circular/)
  expect(() => written({ big: 1n })).toThrow(/BigInt/)
})

test('without room it says so, and never writes behind the slack', () => {
  fc.assert(
    fc.property(rows, fc.integer({ min: 0, max: 120 }), (row, room) => {
      const target = new WriteTarget(4_096)
      target.bytes.fill(0xee)
      const end = writeJson(target, 0, room, row)
      if (end !== NO_ROOM) expect(target.bytes.toString('utf8', 0, end)).toBe(JSON.stringify(row))
      expect(target.bytes.subarray(room + SLACK_BYTES).every((byte) => byte === 0xee)).toBe(true)
    }),
    { numRuns: 500 },
  )
})
