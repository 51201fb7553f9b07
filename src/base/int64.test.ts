import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readInt32, readInt64, writeInt32, writeInt64 } from './int64.ts'

const EDGES = [0, 1, -1, 255, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 32 - 1, -(2 ** 32), 2 ** 53 - 1, 1 - 2 ** 53]

function bytesOf(big: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigInt64(0, big)
  return bytes
}

describe('int64', () => {
  test.each(EDGES)('%s has the bytes of a DataView and comes back', (value) => {
    const target = new Uint8Array(10).fill(0xaa)
    writeInt64(target, 1, value)
    expect(target.subarray(1, 9)).toEqual(bytesOf(BigInt(value)))
    expect([target[0], target[9]]).toEqual([0xaa, 0xaa])
    expect(readInt64(target, 1)).toBe(value)
  })

  test('any safe integer comes back', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        const target = new Uint8Array(8)
        writeInt64(target, 0, value)
        expect(target).toEqual(bytesOf(BigInt(value)))
        expect(readInt64(target, 0)).toBe(value)
      }),
    )
  })

  test.each([2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)])('refuses to read %s', (big) => {
    expect(() => readInt64(bytesOf(big), 0)).toThrow('the 64-bit number at byte 0 is no safe integer')
  })

  test('refuses to write what is no safe integer', () => {
    for (const value of [2 ** 53, 0.5, Number.NaN]) {
      expect(() => writeInt64(new Uint8Array(8), 0, value)).toThrow('safe integer')
    }
  })
})

describe('int32', () => {
  test('keeps the sign and the order of bytes', () => {
    const target = new Uint8Array(4)
    for (const value of [0, 1, -1, 0x01020304, -(2 ** 31), 2 ** 31 - 1]) {
      writeInt32(target, 0, value)
      expect(readInt32(target, 0)).toBe(value)
    }
    writeInt32(target, 0, 0x01020304)
    expect([...target]).toEqual([1, 2, 3, 4])
  })

  test('never reads or writes outside', () => {
    const bytes = new Uint8Array(4)
    expect(() => readInt32(bytes, 1)).toThrow('outside')
    expect(() => readInt32(bytes, -1)).toThrow('outside')
    expect(() => writeInt32(bytes, 1, 0)).toThrow('outside')
    expect(() => readInt64(bytes, 0)).toThrow('outside')
  })
})
