import { describe, expect, test } from 'vitest'
import { murmur2, toPositive } from './murmur2.ts'

/** From Apache Kafka's UtilsTest. */
const KNOWN: readonly (readonly [string, number])[] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
]

describe('murmur2', () => {
  test.each(KNOWN)('%s has the value that Kafka gives it', (text, expected) => {
    const bytes = new TextEncoder().encode(text)
    expect(murmur2(bytes, 0, bytes.length)).toBe(expected)
  })

  test('takes only the range', () => {
    const bytes = new TextEncoder().encode('--foobar--')
    expect(murmur2(bytes, 2, 8)).toBe(-790332482)
  })

  test('every length of tail changes the hash with every byte', () => {
    for (let length = 1; length <= 9; length += 1) {
      const bytes = Uint8Array.from({ length }, (_, index) => 0x80 + index)
      const before = murmur2(bytes, 0, length)
      for (let index = 0; index < length; index += 1) {
        const changed = bytes.slice()
        changed[index] = 1
        expect(murmur2(changed, 0, length)).not.toBe(before)
      }
    }
  })

  test('the empty key has a hash', () => {
    expect(murmur2(new Uint8Array(0), 0, 0)).toBe(275646681)
  })
})

test('toPositive clears the sign bit, as Kafka does', () => {
  expect(toPositive(-973932308)).toBe(1173551340)
  expect(toPositive(479470107)).toBe(479470107)
  expect(toPositive(-2147483648)).toBe(0)
  expect(toPositive(-1)).toBe(0x7fffffff)
})
