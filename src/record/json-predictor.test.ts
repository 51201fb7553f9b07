import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { BatchBuilder } from './batch-builder.ts'
import { BatchReader } from './batch-reader.ts'
import { type ShapeParser, shapeParser } from './json-parser-code.ts'
import { JsonPredictor } from './json-predictor.ts'
import { type JsonShape, shapeOf } from './json-shape.ts'

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

function parserOf(text: string): (json: string | Uint8Array) => unknown {
  const parser = shapeParser(shapeOf(text) as JsonShape) as ShapeParser
  return (json) => {
    const bytes = Buffer.from(json)
    return parser(bytes, viewOf(bytes), bytes.toString('latin1'), 0, 0, bytes.length)
  }
}

describe('a shape', () => {
  test('is what stands between the values, and how they are put together', () => {
    expect(shapeOf('{"a":1,"b":{"c":"x\\"}","d":{}},\n "e": null }\n')).toEqual({
      literals: ['{"a":', ',"b":{"c":', ',"d":{}},\n "e": ', ' }\n'],
      expression: '{"a":v0,"b":{"c":v1,"d":{}},"e":v2}',
    })
  })

  test.each([
    ['no object', '[1]'],
    ['nothing to read', '{}'],
    ['nothing to read inside', '{"a":{}}'],
    ['an array', '{"a":[1]}'],
    ['a key twice', '{"a":1,"a":2}'],
    ['a key with an escape', '{"\\u0061":1}'],
    ['a key that is no ASCII', '{"ü":1}'],
    ['a key that is an index, which comes first whatever the text says', '{"b":1,"7":2}'],
    ['the key that sets the prototype in code', '{"__proto__":1}'],
    ['the same inside', '{"a":{"__proto__":{"b":1}}}'],
    ['a key that would end the code', '{"a\\":alert(1),\\"":1}'],
    [
      'more than 32 values',
      JSON.stringify(Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, i]))),
    ],
    ['keys longer than what they hold', JSON.stringify({ ['k'.repeat(65)]: 1 })],
    ['much white space', `{"a":${' '.repeat(512)}1}`],
  ])('is not made of: %s', (_, text) => {
    expect(() => JSON.parse(text)).not.toThrow()
    expect(shapeOf(text)).toBeUndefined()
  })

  test('the same key at different depths is no key twice', () => {
    expect(parserOf('{"a":1,"b":{"a":2}}')('{"a":3,"b":{"a":4}}')).toEqual({ a: 3, b: { a: 4 } })
  })
})

describe('a parser made for a shape', () => {
  const known = '{"text":"a","number":1,"flag":true,"inner":{"more":null}}'
  const parse = parserOf(known)

  test('takes every kind of scalar in every place', () => {
    const scalars = [
      '"',
      '""',
      'a "long" text behind a short one',
      'grüße',
      '🌊\n',
      0,
      -0.5,
      12_345.678,
      1.25,
      true,
      false,
      null,
    ]
    for (const value of scalars) {
      for (const key of ['text', 'number', 'flag']) {
        const json = JSON.stringify({ ...JSON.parse(known), [key]: value })
        expect(parse(json)).toStrictEqual(JSON.parse(json))
      }
    }
  })

  test('strings of every length', () => {
    for (let length = 0; length < 600; length += length < 80 ? 1 : 37) {
      const text = Array.from({ length }, (_, index) => String.fromCharCode(0x61 + ((index * 7) % 26))).join(
        '',
      )
      const json = JSON.stringify({ ...JSON.parse(known), text })
      expect(parse(json)).toStrictEqual(length > 512 ? undefined : JSON.parse(json))
    }
  })

  const numbers = [
    '0',
    '-0',
    '1',
    '-1',
    '999999999999999',
    '1000000000000000',
    '9007199254740993',
    '0.1',
    '-0.0',
    '1.10',
  ]
  const fractions = [
    '123456.7890123456789',
    '0.000000000000001',
    '4.35',
    '-1.7976931348623157',
    '0.30000000000000004',
  ]
  test.each([...numbers, ...fractions])('reads the number %s', (number) => {
    const json = `{"text":"","number":${number},"flag":false,"inner":{"more":${number}}}`
    const value = parse(json) as { number: number; inner: { more: number } }
    expect(value.number).toBe(JSON.parse(number))
    expect(value.inner.more).toBe(JSON.parse(number))
  })

  test.each(['1e5', '1E-5', '0e0', '1e400', '-1.5e+3'])('leaves the number %s to JSON.parse', (number) => {
    expect(parse(`{"text":"","number":${number},"flag":false,"inner":{"more":1}}`)).toBeUndefined()
    expect(parse(`{"text":"","number":1,"flag":false,"inner":{"more":${number}}}`)).toBeUndefined()
  })

  const wrong = [
    '00',
    '01',
    '-',
    '--1',
    '-01',
    '+1',
    '1.',
    '.5',
    '1.e5',
    '1e',
    '1e+',
    '0x1',
    'tru',
    'nullx',
    'NaN',
    '',
    '1 1',
  ]
  test.each(wrong)('leaves %j alone', (wrong) => {
    expect(parse(`{"text":"","number":${wrong},"flag":false,"inner":{"more":1}}`)).toBeUndefined()
    expect(() => JSON.parse(wrong)).toThrow()
  })

  const ofText = (text: string): unknown =>
    parse(`{"text":"${text}","number":1,"flag":true,"inner":{"more":null}}`)

  test.each([
    '\t',
    '\\',
    '\\x',
    '\\u12',
    '\\u0041',
    '"',
    '\\n\t',
    '\\ü',
    '\\',
    'a'.repeat(600),
    `\\n${'ü'.repeat(300)}`,
  ])('leaves a string with %j in it alone', (text) => {
    expect(ofText(text)).toBeUndefined()
  })

  test.each(['\\"', '\\\\', 'a\\/\\b\\f\\n\\r\\t', 'ü\\nü', '\\"🌊', 'a'.repeat(512), 'ü'.repeat(600)])(
    'reads a string with %j in it',
    (text) => {
      expect(ofText(text)).toMatchObject({ text: JSON.parse(`"${text}"`) })
    },
  )

  test('bytes that are no UTF-8 read as U+FFFD, as Node reads them', () => {
    const json = Buffer.from('{"text":"a??b","number":1,"flag":true,"inner":{"more":null}}')
    json[10] = 0xc3
    json[11] = 0xf0
    expect(parse(json)).toStrictEqual(JSON.parse(json.toString('utf8')))
  })

  test('any byte replaced by any other: as JSON.parse, or not at all', () => {
    const bytes = Buffer.from(known)
    for (let at = 0; at < bytes.length; at += 1) {
      const right = bytes[at] as number
      for (let value = 0; value < 256; value += 1) {
        bytes[at] = value
        const parsed = parse(bytes)
        if (parsed !== undefined) expect(parsed).toStrictEqual(JSON.parse(bytes.toString('utf8')))
      }
      bytes[at] = right
    }
  })

  test('keeping a string does not keep the text it was cut from', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const kept: unknown[] = []
    const parser = shapeParser(shapeOf(known) as JsonShape) as ShapeParser
    const filler = 'f'.repeat(100_000)
    collect()
    const before = process.memoryUsage().heapUsed
    for (let index = 0; index < 300; index += 1) {
      const json = `{"text":"x","number":${index},"flag":"a long string, number ${index}","inner":{"more":"short"}}`
      const bytes = Buffer.from(filler + json)
      const value = parser(bytes, viewOf(bytes), bytes.toString('latin1'), 0, filler.length, bytes.length)
      const { flag, inner } = value as { flag: string; inner: { more: string } }
      kept.push(flag, inner.more)
    }
    collect()
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000)
    expect(kept).toHaveLength(600)
  })
})

describe('a predictor', () => {
  afterEach(() => vi.restoreAllMocks())

  /** How many of the texts JSON.parse saw. */
  function parses(predictor: JsonPredictor, texts: readonly string[]): number {
    const builder = new BatchBuilder()
    for (const text of texts) builder.appendText(0, null, text)
    const reader = new BatchReader()
    reader.open(builder.build(), 0)
    const parse = vi.spyOn(JSON, 'parse')
    while (reader.next()) predictor.parse(reader, reader.valueStart, reader.valueEnd)
    const { length } = parse.mock.calls
    parse.mockRestore()
    return length
  }
  const fill = (length: number, text: (index: number) => string): string[] =>
    Array.from({ length }, (_, index) => text(index))
  const event = (index: number): string => `{"user":"u${index}","amount":${index}}`

  test('leaves the first records to JSON.parse, and one more to learn from', () => {
    expect(parses(new JsonPredictor(), fill(1000, event))).toBe(65)
    expect(parses(new JsonPredictor(10), fill(1000, event))).toBe(11)
  })

  test('knows several shapes at a time', () => {
    const predictor = new JsonPredictor(0)
    const shapes = [
      event,
      (index: number) => `{"page":${index}}`,
      (index: number) => `{"a":${index},"b":null}`,
    ]
    const texts = fill(3000, (index) => (shapes[index % 3] as (index: number) => string)(index))
    expect(parses(predictor, texts)).toBeLessThan(10)
    expect(parses(predictor, texts)).toBe(0)
  })

  test('does not try where nothing fits: fewer and fewer records are looked at', () => {
    const predictor = new JsonPredictor(0)
    const learned = vi.spyOn(globalThis, 'Function')
    const texts = fill(200_000, (index) => `{"key${index}":1}`)
    expect(parses(predictor, texts)).toBe(200_000)
    expect(learned.mock.calls.length).toBeLessThan(10)
  })

  test('a new shape is learned after a pause', () => {
    const predictor = new JsonPredictor(0)
    parses(
      predictor,
      fill(20, (index) => `{"key${index}":1}`),
    )
    expect(parses(predictor, fill(2000, event))).toBeLessThan(1100)
    expect(parses(predictor, fill(2000, event))).toBe(0)
  })

  test('throws what JSON.parse throws', () => {
    const predictor = new JsonPredictor(0)
    parses(predictor, fill(10, event))
    expect(() => parses(predictor, ['{"user":"u1","amount":}'])).toThrow(SyntaxError)
  })

  test('where code may not be made, all goes to JSON.parse', () => {
    vi.spyOn(globalThis, 'Function').mockImplementation(function () {
      throw new EvalError('Code generation from strings disallowed for this context')
    })
    expect(parses(new JsonPredictor(0), fill(100, event))).toBe(100)
  })
})
