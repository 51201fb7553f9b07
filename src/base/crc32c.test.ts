import { afterEach, describe, expect, test, vi } from 'vitest'
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

  test('equals the definition around every change of method, and beyond one memory of the vectors', () => {
    const lengths = [
      511, 512, 513, 639, 640, 641, 1000, 4096, 65_023, 65_024, 65_025, 65_536, 130_049, 200_001,
    ]
    for (const length of lengths) {
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

  test('a long range at any alignment, from any seed, in two pieces', () => {
    const bytes = pattern(3000)
    for (let start = 0; start < 20; start += 1) {
      const whole = naive(bytes.subarray(start, 2900))
      expect(crc32c(bytes, start, 2900)).toBe(whole)
      const cut = 700 + start * 61
      expect(crc32c(bytes, cut, 2900, crc32c(bytes, start, cut))).toBe(whole)
    }
  })

  test.each([40, 1100])('finds every single flipped bit of %i bytes', (length) => {
    const bytes = pattern(length)
    const good = crc32c(bytes, 0, length)
    for (let bit = 0; bit < 8 * length; bit += 1) {
      const mask = 1 << (bit & 7)
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ mask
      expect(crc32c(bytes, 0, length)).not.toBe(good)
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ mask
    }
  })
})

describe('without the vectors', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
    vi.resetModules()
  })

  const refuses = function (): never {
    throw new RangeError('could not allocate memory')
  }
  const assemblies: readonly (readonly [string, unknown])[] = [
    ['no WebAssembly (--jitless)', undefined],
    ['a processor without the instructions', { validate: () => false }],
    ['no address space', { validate: () => true, Module: Object, Instance: refuses }],
  ]

  test.each(assemblies)('%s: the same, more slowly', async (_, assembly) => {
    vi.resetModules()
    vi.stubGlobal('WebAssembly', assembly)
    const { crc32c } = await import('./crc32c.ts')
    const bytes = pattern(5000)
    expect(crc32c(bytes, 0, 5000)).toBe(naive(bytes))
  })
})
