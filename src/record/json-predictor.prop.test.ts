import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BatchBuilder } from './batch-builder.ts'
import { BatchReader } from './batch-reader.ts'
import { shapeParser } from './json-parser-code.ts'
import { JsonPredictor } from './json-predictor.ts'
import { shapeOf } from './json-shape.ts'

/** What a parser said of a text: the value spelled out with the order of keys and the sign of zero, or the error. */
function outcome(parse: () => unknown): string {
  try {
    return spelled(parse())
  } catch (error) {
    return `throws ${String(error)}`
  }
}

function spelled(value: unknown): string {
  if (Object.is(value, -0)) return '-0'
  if (typeof value !== 'object' || value === null)
    return `${typeof value} ${JSON.stringify(value)} ${String(value)}`
  if (Array.isArray(value)) return `[${value.map(spelled).join()}]`
  if (Object.getPrototypeOf(value) !== Object.prototype) return 'an object of another kind'
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(key)}:${spelled(member)}`)
    .join()}}`
}

const utf8 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

/** A value alone, with bytes around it that a parser must not look at. */
function parseByShape(shapeText: string, bytes: Uint8Array): object | undefined {
  const shape = shapeOf(shapeText)
  const parser = shape === undefined ? undefined : shapeParser(shape)
  const around = Buffer.concat([Buffer.from('},"'), bytes, Buffer.from('","b":1}')])
  return parser?.(around, viewOf(around), around.toString('latin1'), 0, 3, 3 + bytes.length)
}

const plainKey = fc.constantFrom(
  'a',
  'user',
  'at',
  'first name',
  '$ref',
  'x.y',
  'constructor',
  'toString',
  'ü',
  '7',
)
const oddKey = fc.constantFrom('__proto__', '', '"', '\\', '\u2028', '-1', '1e3')
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('a\nb', '"', '\\', 'ü'.repeat(20), 'x'.repeat(600)),
)
const number = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.maxSafeInteger(),
  fc.integer({ min: -99_999, max: 99_999 }).map((cents) => cents / 100),
)
const scalar = fc.oneof(text, number, fc.boolean(), fc.constant(null))

interface Template {
  readonly keys: readonly string[]
  readonly space: string
  readonly nested: boolean
}
const template: fc.Arbitrary<Template> = fc.record({
  keys: fc.array(fc.oneof({ weight: 12, arbitrary: plainKey }, oddKey), { minLength: 1, maxLength: 6 }),
  space: fc.constantFrom('', '', ' ', '\n\t', '\r\n  '),
  nested: fc.boolean(),
})

/** Numbers as others write them: JSON.stringify never writes these. */
const written = fc.oneof(
  { weight: 8, arbitrary: scalar.map((value) => JSON.stringify(value)) },
  fc.constantFrom(
    '-0',
    '0',
    '-0.0',
    '1e400',
    '-1E-400',
    '0.1e+1',
    '1.0',
    '123456789012345678901',
    '9007199254740993',
  ),
  fc.constantFrom(
    '"\\u0041\\ud83c"',
    '"\\/"',
    '5e-324',
    '0.30000000000000004',
    '999999999999999',
    '1000000000000000',
  ),
  fc.constantFrom(
    '{}',
    '[]',
    '[1,2]',
    '{"a":1}',
    '00',
    '01',
    '-',
    '.5',
    '1.',
    '+1',
    'NaN',
    'nul',
    '"\t"',
    '',
    "'a'",
  ),
)

function write({ keys, space, nested }: Template, values: readonly string[]): string {
  const member = (key: string, index: number): string =>
    `${space}${JSON.stringify(key)}${space}:${space}${values[index % values.length] ?? 'null'}`
  const flat = `{${keys.map(member).join(`${space},`)}${space}}`
  return nested ? `${space}{"in"${space}:${flat},"out":${values[0] ?? '1'}}${space}` : flat
}

const values = fc.array(written, { minLength: 1, maxLength: 6 })

test('a parser made for a shape answers as JSON.parse, or not at all', () => {
  fc.assert(
    fc.property(template, values, values, (template, first, second) => {
      const known = write(template, first)
      // Only of a text that JSON.parse took.
      fc.pre(!outcome(() => JSON.parse(known)).startsWith('throws'))
      for (const json of [
        known,
        write(template, second),
        ` ${known}`,
        `${known} `,
        `${known},`,
        known.slice(0, -1),
      ]) {
        const parsed = parseByShape(known, Buffer.from(json))
        if (parsed !== undefined)
          expect(spelled(parsed)).toBe(outcome(() => JSON.parse(utf8(Buffer.from(json)))))
      }
    }),
    { numRuns: 2_000 },
  )
})

test('any bytes changed, cut out or put in: as JSON.parse, or not at all', () => {
  const change = fc.record({
    at: fc.nat(),
    remove: fc.nat(3),
    insert: fc.oneof(
      fc.uint8Array({ maxLength: 3 }),
      fc
        .constantFrom('"', '\\', ',', '{', '}', ':', '0', '-', '.', 'e5', ' ')
        .map((text) => Buffer.from(text)),
    ),
  })
  fc.assert(
    fc.property(
      template,
      fc.array(scalar, { minLength: 1, maxLength: 6 }),
      change,
      (template, values, change) => {
        const known = write(
          template,
          values.map((value) => JSON.stringify(value)),
        )
        const bytes = Buffer.from(known)
        const at = change.at % (bytes.length + 1)
        const changed = Buffer.concat([
          bytes.subarray(0, at),
          change.insert,
          bytes.subarray(at + change.remove),
        ])
        const parsed = parseByShape(known, changed)
        if (parsed !== undefined) expect(spelled(parsed)).toBe(outcome(() => JSON.parse(utf8(changed))))
      },
    ),
    { numRuns: 5_000 },
  )
})

test('records of many shapes, right and wrong, through one predictor', () => {
  const record = fc.tuple(fc.nat(2), values).map(([which, values]) => ({ which, values }))
  const key = fc.option(fc.uint8Array({ maxLength: 3 }), { nil: null })
  fc.assert(
    fc.property(
      fc.array(template, { minLength: 3, maxLength: 3 }),
      fc.array(fc.tuple(key, record), { minLength: 1, maxLength: 80 }),
      (templates, records) => {
        const builder = new BatchBuilder()
        const texts = records.map(([, { which, values }]) => write(templates[which] as Template, values))
        for (const [index, [key]] of records.entries())
          builder.append(index, key, Buffer.from(texts[index] as string))
        const reader = new BatchReader()
        const predictor = new JsonPredictor(3)
        reader.open(builder.build(), 0)
        for (const json of texts) {
          reader.next()
          expect(outcome(() => predictor.parse(reader, reader.valueStart, reader.valueEnd))).toBe(
            outcome(() => JSON.parse(utf8(Buffer.from(json)))),
          )
        }
      },
    ),
    { numRuns: 300 },
  )
})
