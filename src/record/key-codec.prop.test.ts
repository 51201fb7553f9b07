import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Key, type KeyPart, keyOfStoreKey, keySerde, storeKey } from './key-codec.ts'

const text = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.string({ unit: fc.constantFrom('\u0000', '\uffff', 'a', '5', '\u0001', 'é'), maxLength: 5 }),
)
const number = fc.oneof(fc.double({ noNaN: true }), fc.integer({ min: -3, max: 3 }))
const part: fc.Arbitrary<KeyPart> = fc.oneof(text, number, fc.boolean())
const tuple = fc.array(part, { maxLength: 4 })
const key: fc.Arbitrary<Key> = fc.oneof(part, tuple)

const zeroed = (value: Key): Key => (Array.isArray(value) ? value.map(zero) : zero(value as KeyPart))
const zero = (value: KeyPart): KeyPart => (Object.is(value, -0) ? 0 : value)

function decode(bytes: Uint8Array): Key {
  const source = {
    bytes,
    text: (start: number, end: number) => Buffer.from(bytes.subarray(start, end)).toString(),
  }
  return keySerde.decode(source, 0, bytes.length)
}

/** The order that both forms promise: texts, false, true, numbers; then element by element, the shorter first. */
function compareTuples(left: readonly KeyPart[], right: readonly KeyPart[]): number {
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const order = compareParts(left[index] as KeyPart, right[index] as KeyPart)
    if (order !== 0) return order
  }
  return Math.sign(left.length - right.length)
}

function compareParts(left: KeyPart, right: KeyPart): number {
  const rank = (value: KeyPart) => ['string', 'boolean', 'number'].indexOf(typeof value)
  if (rank(left) !== rank(right)) return Math.sign(rank(left) - rank(right))
  return left < right ? -1 : left > right ? 1 : 0
}

const compareTexts = (left: string, right: string) => (left < right ? -1 : left > right ? 1 : 0)

describe('both forms', () => {
  test('bytes and back', () => {
    fc.assert(
      fc.property(key, (one) => {
        expect(decode(keySerde.encode(one))).toStrictEqual(zeroed(one))
      }),
    )
  })

  test('store key and back', () => {
    fc.assert(
      fc.property(key, (one) => {
        expect(keyOfStoreKey(storeKey(one))).toStrictEqual(zeroed(one))
      }),
    )
  })

  test('different keys have different forms, whatever their types', () => {
    fc.assert(
      fc.property(key, key, (left, right) => {
        const same = JSON.stringify(forms(left)) === JSON.stringify(forms(right))
        expect(storeKey(left) === storeKey(right)).toBe(same)
        expect(Buffer.compare(keySerde.encode(left), keySerde.encode(right)) === 0).toBe(same)
      }),
    )
    function forms(value: Key): unknown {
      const form = (one: KeyPart) => [typeof one, String(zero(one))]
      return Array.isArray(value) ? value.map(form) : form(value as KeyPart)
    }
  })

  test('tuples keep their order', () => {
    fc.assert(
      fc.property(tuple, tuple, (left, right) => {
        const order = compareTuples(left.map(zero), right.map(zero))
        expect(compareTexts(storeKey(left) as string, storeKey(right) as string)).toBe(order)
        // Code units and code points agree below U+FFFF's surrogates, which these texts do not reach.
        expect(Buffer.compare(keySerde.encode(left), keySerde.encode(right))).toBe(order)
      }),
    )
  })

  test('a tuple is a prefix of the tuples that begin with it', () => {
    fc.assert(
      fc.property(tuple, tuple, (first, rest) => {
        const whole = [...first, ...rest]
        expect((storeKey(whole) as string).startsWith(storeKey(first) as string)).toBe(true)
        const begin = keySerde.encode(first)
        expect(Buffer.compare(keySerde.encode(whole).subarray(0, begin.length), begin)).toBe(0)
      }),
    )
  })

  test('any bytes decode to a key that encodes to them, or are refused', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0, 1, 0x61, 0xf5, 0xf6, 0xf8, 0xf9, 0xff), { maxLength: 14 }),
        (noise) => {
          const bytes = Uint8Array.from([0xf9, ...noise])
          let decoded: Key
          try {
            decoded = decode(bytes)
          } catch (error) {
            expect(error).toMatchObject({ code: 'MILLRACE_INVALID_RECORD' })
            return
          }
          if (!JSON.stringify(decoded).includes('\ufffd'))
            expect([...keySerde.encode(decoded)]).toEqual([...bytes])
        },
      ),
      { numRuns: 500 },
    )
  })
})

test('the bytes are fixed for ever', () => {
  const hex = (one: Key) => Buffer.from(keySerde.encode(one)).toString('hex')
  expect(hex('köln')).toBe('6bc3b66c6e')
  expect(hex('')).toBe('')
  expect(hex(false)).toBe('f6')
  expect(hex(1)).toBe('f8bff0000000000000')
  expect(hex(-1)).toBe('f8400fffffffffffff')
  expect(hex(-0)).toBe(hex(0))
  expect(hex(['a\u0000', true, 1])).toBe('f9f56100ff00f7f8bff0000000000000')
})

test('store keys of texts and numbers are themselves', () => {
  expect([storeKey('ann'), storeKey(7), storeKey(-0)]).toStrictEqual(['ann', 7, 0])
  expect(keyOfStoreKey(storeKey('\u00005'))).toBe('\u00005')
})

test.each([
  [{ id: 1 }, /got Object; choose fields/],
  [undefined, /got undefined/],
  [null, /got null/],
  [Number.NaN, /got NaN/],
  [[['nested']], /got Array/],
  [['a', undefined], /got undefined/],
  [10n, /got 10/],
])('%s is no key', (value, message) => {
  for (const encode of [storeKey, keySerde.encode]) {
    expect(() => encode(value as unknown as Key)).toThrow(message)
    expect(() => encode(value as unknown as Key)).toThrow(
      expect.objectContaining({ code: 'MILLRACE_INVALID_RECORD' }),
    )
  }
})

test('half a surrogate pair cannot be written: two keys would become one', () => {
  expect(() => keySerde.encode('a\ud800')).toThrow(/surrogate/)
  expect(() => keySerde.encode(['a\ud800'])).toThrow(/surrogate/)
})

test('bytes of another serde are refused as a key', () => {
  for (const bytes of [[0xf8, 1], [0xf6, 0xf7], [0xf5, 0x61, 0], [0xff], [0xf9, 0xf5, 0x61]]) {
    expect(() => decode(Uint8Array.from(bytes))).toThrow(/no canonical key/)
  }
})
