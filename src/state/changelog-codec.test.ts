import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeChangeKey, encodeChangeKey } from './changelog-codec.ts'

const namespaces = fc.oneof(fc.constant(0), fc.maxSafeInteger())
const keys = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.double({ noNaN: true }),
  fc.constant(undefined),
)

describe('the key of a changelog record', () => {
  test('comes back, wherever it lies in its bytes', () => {
    fc.assert(
      fc.property(namespaces, keys, fc.nat(9), (namespace, key, before) => {
        const bytes = encodeChangeKey(namespace, key)
        const shifted = Buffer.concat([Buffer.alloc(before, 0xff), bytes, Buffer.alloc(3, 0xff)])
        const decoded = decodeChangeKey(shifted, before, before + bytes.length)
        expect(decoded).toEqual({ namespace, key: key === 0 ? 0 : key })
      }),
      { numRuns: 500 },
    )
  })

  test('has these bytes', () => {
    expect(Buffer.from(encodeChangeKey(0, 'ab')).toString('hex')).toBe('016162')
    expect(Buffer.from(encodeChangeKey(1, 'é')).toString('hex')).toBe('053ff0000000000000c3a9')
    expect(Buffer.from(encodeChangeKey(0, 2)).toString('hex')).toBe('024000000000000000')
    expect(Buffer.from(encodeChangeKey(0, '\ud800')).toString('hex')).toBe('0300d8')
    expect(Buffer.from(encodeChangeKey(-2, undefined)).toString('hex')).toBe('04c000000000000000')
    expect(encodeChangeKey(0, -0)).toEqual(encodeChangeKey(0, 0))
  })

  test('cut short or of a newer kind is refused', () => {
    const number = encodeChangeKey(5, 2)
    for (let end = 0; end < number.length; end += 1) {
      expect(() => decodeChangeKey(number, 0, end), `${end}`).toThrow(/damaged/)
    }
    expect(() => decodeChangeKey(Uint8Array.of(8), 0, 1)).toThrow(/does not know/)
    expect(() => decodeChangeKey(Uint8Array.of(0, 1), 0, 2)).toThrow(/damaged/)
  })
})
