import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NO_ROOM, SLACK_BYTES, WriteTarget } from '../record/write-target.ts'
import { beginCompactValues, readCompactValues, writeCompactValue } from './compact-values.ts'

function encode(values: readonly unknown[], room = 4_096): Uint8Array | undefined {
  const target = new WriteTarget(room + SLACK_BYTES)
  let at = beginCompactValues(target, 0, room)
  for (const value of values) if (at >= 0) at = writeCompactValue(target, at, room, value)
  return at === NO_ROOM ? undefined : new Uint8Array(target.bytes.subarray(0, at))
}

function decode(bytes: Uint8Array): unknown[] {
  return readCompactValues(bytes, 0, bytes.length)
}

const value = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double(), fc.jsonValue())

describe('short lists of values', () => {
  test('come back as they were; -0 as 0', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 8 }), (values) => {
        const expected = values.map((given) =>
          given === 0 ? 0 : typeof given === 'object' ? JSON.parse(JSON.stringify(given)) : given,
        )
        expect(decode(encode(values) as Uint8Array)).toEqual(expected)
      }),
    )
  })

  test('numbers that JSON cannot hold, and what it leaves out', () => {
    const values = [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60, undefined, null]
    expect(decode(encode(values) as Uint8Array)).toEqual([
      Number.NaN,
      Number.POSITIVE_INFINITY,
      2 ** 60,
      null,
      null,
    ])
  })

  test('the format, byte by byte', () => {
    const bytes = encode([1_700_000_000_000, 1, 128, null, 0.5, 'ü'])
    expect(Buffer.from(bytes as Uint8Array).toString('hex')).toBe(
      ['01', '0280a0abfef962', '81', '028002', '01', '033fe0000000000000', '040822c3bc22'].join(''),
    )
  })

  test('lists in JSON, as they were written before, are read', () => {
    expect(decode(Buffer.from('[1700000000000,1,[0.1,"x"]]'))).toEqual([1_700_000_000_000, 1, [0.1, 'x']])
  })

  test('without room it says so', () => {
    expect(encode(['x'.repeat(100)], 64)).toBeUndefined()
    expect(encode([1], 0)).toBeUndefined()
  })

  test('other formats and kinds are refused as newer ones, cut values as damage', () => {
    expect(() => decode(Uint8Array.of(2, 0x81))).toThrow(/does not know/)
    expect(() => decode(Uint8Array.of(1, 9))).toThrow(/does not know/)
    expect(() => decode(new Uint8Array(0))).toThrow(/no bytes/)
    expect(() => decode(Uint8Array.of(1, 3, 0, 0))).toThrow(/damaged/)
    expect(() => decode(Uint8Array.of(1, 4, 20, 0x22))).toThrow(/damaged/)
    expect(() => decode(Uint8Array.of(1, 2, 0x80))).toThrow(/cut off/)
  })
})
