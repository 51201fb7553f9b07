import { describe, expect, test } from 'vitest'
import { crc32c } from './crc32c.ts'

function ofText(text: string): number {
  const bytes = new TextEncoder().encode(text)
  return crc32c(bytes, 0, bytes.length)
}

/** The definition, bit by bit. */
function naive(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 167 + (index >> 3) * 91) & 0xff)
}

describe('crc32c', () => {
  test('the check value of the standard and the vectors of RFC 3720', () => {
    expect(ofText('123456789')).toBe(0xe3069283)
    expect(ofText('')).toBe(0)
    expect(crc32c(new Uint8Array(32), 0, 32)).toBe(0x8a9136aa)
    expect(crc32c(new Uint8Array(32).fill(0xff), 0, 32)).toBe(0x62a8ab43)
    const ascending = Uint8Array.from({ length: 32 }, (_, index) => index)
    expect(crc32c(ascending, 0, 32)).toBe(0x46dd794e)
    expect(crc32c(ascending.toReversed(), 0, 32)).toBe(0x113fdb5c)
  })

  test('equals the definition for every short length', () => {
    for (let length = 0; length <= 70; length += 1) {
      const bytes = pattern(length)
      expect(crc32c(bytes, 0, length)).toBe(naive(bytes))
    }
  })

  test('takes only the range, at any alignment', () => {
    const bytes = pattern(64)
    for (let start = 0; start < 20; start += 1) {
      expect(crc32c(bytes, start, 50)).toBe(naive(bytes.subarray(start, 50)))
    }
  })

  test('goes on from a seed', () => {
    const bytes = pattern(100)
    const whole = crc32c(bytes, 0, 100)
    for (let cut = 0; cut <= 100; cut += 1) {
      expect(crc32c(bytes, cut, 100, crc32c(bytes, 0, cut))).toBe(whole)
    }
  })

  test('finds every single flipped bit', () => {
    const bytes = pattern(40)
    const good = crc32c(bytes, 0, 40)
    for (let bit = 0; bit < 320; bit += 1) {
      const mask = 1 << (bit & 7)
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ mask
      expect(crc32c(bytes, 0, 40)).not.toBe(good)
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ mask
    }
  })
})
