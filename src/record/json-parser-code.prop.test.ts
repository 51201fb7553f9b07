import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { type ShapeParser, shapeParser } from './json-parser-code.ts'
import { type JsonShape, shapeOf } from './json-shape.ts'
import { RECENT_BYTES_MAX, RECENT_BYTES_MIN, RecentStrings } from './recent-strings.ts'

/** The texts of one input, which all lie where the one before lay, or near: what a parser keeps must not be there. */
class Input {
  readonly #bytes = Buffer.alloc(4_096, 0x22)
  readonly #view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length)
  readonly #parser: ShapeParser

  constructor(known: string) {
    this.#parser = shapeParser(shapeOf(known) as JsonShape) as ShapeParser
  }

  parse(json: string, at: number): unknown {
    const length = this.#bytes.write(json, at)
    const text = this.#bytes.toString('latin1', at)
    return this.#parser(this.#bytes, this.#view, text, at, at, at + length)
  }
}

const KNOWN = '{"page":"p","user":"u","inner":{"state":"s"}}'
const recordOf = (page: string, user: string, state: string): string =>
  JSON.stringify({ page, user, inner: { state } })

/** Ends with one word after heads of any length: one place among the recent ones for each length. */
const alike = fc
  .tuple(
    fc.string({ unit: fc.constantFrom('a', 'b', ' '), maxLength: 34 }),
    fc.constantFrom('tail', '', 'ba'),
  )
  .map(([head, tail]) => head + tail)
const odd = fc.constantFrom(
  'grüße aus Köln',
  '"tail"',
  'a\\tail',
  'line\ntail',
  '🌊🌊🌊tail',
  'tail\u2028tail',
  '\u007f\u007f\u007f\u007f',
)
const value = fc.oneof({ weight: 4, arbitrary: alike }, odd, fc.string())

describe('many records through one parser', () => {
  test('each is what JSON.parse makes of it, whatever strings the ones before had', () => {
    const record = fc.tuple(fc.tuple(value, value, value), fc.nat(64))
    const property = fc.property(fc.array(record, { maxLength: 120 }), (records) => {
      const input = new Input(KNOWN)
      const parsed: unknown[] = []
      for (const [values, at] of records) parsed.push(input.parse(recordOf(...values), at))
      // Looked at when all are through: none of them may change.
      for (const [index, [values]] of records.entries()) {
        if (parsed[index] !== undefined) expect(parsed[index]).toStrictEqual(JSON.parse(recordOf(...values)))
      }
      const [last] = records.at(-1) ?? []
      if (last === undefined || last.some((text) => /[\\"]|[^\u0020-\u007f]/.test(text))) return
      expect(parsed.at(-1)).toBeDefined()
    })
    fc.assert(property, { numRuns: 200 })
  })

  test('also where one field has only new strings and pauses, and one has a few', () => {
    const input = new Input(KNOWN)
    for (let index = 0; index < 6_000; index += 1) {
      const json = recordOf(
        `page-${index % 7}`,
        `user-${(index * 7_919) % 100_003}`,
        `${index >> 11} ends alike`,
      )
      expect(input.parse(json, index % 50)).toStrictEqual(JSON.parse(json))
    }
  })

  test('each field finds among its own strings, of those lengths that are kept', () => {
    const find = vi.spyOn(RecentStrings.prototype, 'find')
    try {
      const input = new Input(KNOWN)
      for (let length = 0; length <= 40; length += 1) {
        find.mockClear()
        const user = 'u'.repeat(length)
        const json = recordOf('page', user, 'state')
        expect(input.parse(json, length)).toStrictEqual(JSON.parse(json))
        const kept = length >= RECENT_BYTES_MIN && length <= RECENT_BYTES_MAX
        expect(find.mock.calls.map((call) => call[2])).toEqual(kept ? [4, length, 5] : [4, 5])
        expect(new Set(find.mock.contexts).size).toBe(kept ? 3 : 2)
      }
    } finally {
      find.mockRestore()
    }
  })
})
