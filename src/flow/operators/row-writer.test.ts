import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { NO_ROOM, SLACK_BYTES, WriteTarget } from '../../record/write-target.ts'
import { rowWriter } from './row-writer.ts'

const NAMES = ['events', 'a "b"', 'amount']
/** Few numbers have more characters. */
const LONG_NUMBER = -Math.PI * 1e-300

function writer() {
  const made = rowWriter(NAMES)
  if (made === undefined) throw new Error('these names are ordinary')
  return made
}

const keys = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.double({ noNaN: true }),
  fc.boolean(),
  fc.array(fc.string()),
)
// Often the one before, or one with an equal start or end.
const bound = fc.constantFrom(-60_000, 0, 60_000)
const windows = fc.record({ start: bound, end: bound })
const fields = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.string(),
  fc.jsonValue(),
  fc.constantFrom(undefined, null, new Date(0)),
)
const rows = fc.tuple(keys, windows, fields, fields, fields).map(([key, window, first, second, third]) => ({
  key,
  window,
  events: first,
  'a "b"': second,
  amount: third,
}))

describe('rows of windows as JSON', () => {
  test('the bytes are those of JSON.stringify, row by row', () => {
    fc.assert(
      fc.property(fc.array(rows, { maxLength: 12 }), (list) => {
        const target = new WriteTarget(8_192)
        const made = writer()
        for (const row of list) {
          const end = made.write(target, 0, target.bytes.length - SLACK_BYTES, row)
          expect(target.bytes.toString('utf8', 0, end)).toBe(JSON.stringify(row))
        }
      }),
      { numRuns: 300 },
    )
  })

  test('without room they say so, and never write behind the slack', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 0, max: 200 }), (row, room) => {
        const target = new WriteTarget(4_096)
        target.bytes.fill(0xee)
        const made = writer()
        for (let turn = 0; turn < 3; turn += 1) {
          const end = made.write(target, 0, room, row)
          if (end === NO_ROOM) continue
          expect(end).toBeLessThanOrEqual(room)
          expect(target.bytes.toString('utf8', 0, end)).toBe(JSON.stringify(row))
        }
        expect(target.bytes.subarray(room + SLACK_BYTES).every((byte) => byte === 0xee)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test('whatever the fields are called, and however many there are', () => {
    const odd = fc.constantFrom(
      '',
      '"',
      '\\',
      "'",
      '`',
      '*/',
      '\n',
      '\u2028',
      '\ud800',
      'grüße 🌊',
      '-1',
      '1.5',
      'constructor',
    )
    const name = fc
      .oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 4 }), odd)
      .filter((name) => !/^(\d+|key|window|toJSON|__proto__)$/.test(name))
    const members = fc.uniqueArray(fc.tuple(name, fields), { maxLength: 8, selector: ([name]) => name })
    fc.assert(
      fc.property(members, keys, windows, fc.nat(40), (list, key, window, at) => {
        const made = rowWriter(list.map(([name]) => name))
        const row = { key, window, ...Object.fromEntries(list) }
        const target = new WriteTarget(4_096)
        // The second time it has the text of the window.
        for (let turn = 0; turn < 2; turn += 1) {
          const end = made?.write(target, at, target.bytes.length - SLACK_BYTES, row)
          expect(target.bytes.toString('utf8', at, end)).toBe(JSON.stringify(row))
        }
      }),
      { numRuns: 100 },
    )
  })

  test.each(['k', 'k'.repeat(90), LONG_NUMBER])('with any room, for the key %s', (key) => {
    const values = [LONG_NUMBER, 't'.repeat(90), 'ü'.repeat(90), null, undefined]
    for (const name of ['field', 'f'.repeat(70)]) {
      const made = rowWriter(['text', name])
      const target = new WriteTarget(1_024)
      for (const value of values) {
        const row = { key, window: { start: 0, end: 60_000 }, text: 't', [name]: value }
        const json = JSON.stringify(row)
        const { length } = Buffer.from(json)
        for (let room = 0; room < length + 160; room += 1) {
          target.bytes.fill(0xee)
          const end = made?.write(target, 0, room, row)
          if (end === NO_ROOM) expect(room).toBeLessThan(length + 130)
          else expect(target.bytes.toString('utf8', 0, end)).toBe(json)
          expect(end).toBeLessThanOrEqual(room)
          const behind = target.bytes.subarray(room + SLACK_BYTES)
          expect(behind.equals(Buffer.alloc(behind.length, 0xee))).toBe(true)
        }
      }
    }
  })

  test('regular rows are not left to the general writer, but for the first one of a window', () => {
    const made = writer()
    const target = new WriteTarget(4_096)
    /** Whether anyone asked for the names of the row's members. */
    const leaves = (start: number, end: number, amount: unknown): boolean => {
      let asked = false
      const names = (row: object) => {
        asked = true
        return Reflect.ownKeys(row)
      }
      const row = { key: 'k', window: { start, end }, events: 1, 'a "b"': 'text', amount }
      made.write(target, 0, target.bytes.length - SLACK_BYTES, new Proxy(row, { ownKeys: names }))
      return asked
    }
    const bounds = [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const
    for (const [start, end] of bounds) {
      expect(leaves(start, end, 1)).toBe(true)
      for (const amount of [1, 'text', null, undefined]) expect(leaves(start, end, amount)).toBe(false)
      for (const amount of [true, [], {}]) expect(leaves(start, end, amount)).toBe(true)
    }
  })

  test('where code may not be made there is no writer', () => {
    const made = vi.spyOn(globalThis, 'Function').mockImplementation(function () {
      throw new EvalError('Code generation from strings disallowed for this context')
    })
    try {
      expect(rowWriter(NAMES)).toBeUndefined()
    } finally {
      made.mockRestore()
    }
  })

  test.each([['7'], ['key'], ['window'], ['toJSON'], ['__proto__']])(
    'a field called %s, which JSON puts elsewhere, has no writer',
    (name) => {
      expect(rowWriter(['events', name])).toBeUndefined()
    },
  )
})
