import { describe, expect, test } from 'vitest'
import { VarintReader, varintSize, varlongSize, writeVarint, writeVarlong } from './varint.ts'

function varlong(value: number): number[] {
  const target = new Uint8Array(12)
  return [...target.subarray(0, writeVarlong(target, 0, value))]
}

/** The definition, with BigInt. */
function expectedVarlong(value: number): number[] {
  const big = BigInt(value)
  let raw = BigInt.asUintN(64, (big << 1n) ^ (big >> 63n))
  const bytes: number[] = []
  while (raw >= 0x80n) {
    bytes.push(Number(raw & 0x7fn) | 0x80)
    raw >>= 7n
  }
  return [...bytes, Number(raw)]
}

function edges(bits: number): number[] {
  const values = [0]
  for (let bit = 0; bit <= bits; bit += 1) {
    for (const near of [-2, -1, 0, 1, 2]) values.push(2 ** bit + near, -(2 ** bit) + near)
  }
  return values
}

const SAFE = edges(53).filter(Number.isSafeInteger)
const INT32 = edges(31).filter((value) => value === (value | 0))

describe('varlong', () => {
  test('the examples of the format', () => {
    expect(varlong(0)).toEqual([0])
    expect(varlong(-1)).toEqual([1])
    expect(varlong(1)).toEqual([2])
    expect(varlong(63)).toEqual([0x7e])
    expect(varlong(-64)).toEqual([0x7f])
    expect(varlong(64)).toEqual([0x80, 1])
  })

  test('has the bytes of the definition at every power of two', () => {
    for (const value of SAFE) expect(varlong(value), String(value)).toEqual(expectedVarlong(value))
  })

  test('its size is known beforehand', () => {
    for (const value of SAFE) expect(varlongSize(value), String(value)).toBe(varlong(value).length)
  })

  test('is read back', () => {
    for (const value of SAFE) {
      const reader = new VarintReader(Uint8Array.from(varlong(value)))
      expect(reader.varlong()).toBe(value)
      expect(reader.position).toBe(reader.end)
    }
  })

  test('padding does not change the value', () => {
    const reader = new VarintReader(Uint8Array.of(0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0))
    expect(reader.varlong()).toBe(1)
  })

  test.each([2n ** 53n, -(2n ** 53n), 2n ** 62n, -(2n ** 63n), 2n ** 63n - 1n])('refuses %s', (big) => {
    let raw = BigInt.asUintN(64, (big << 1n) ^ (big >> 63n))
    const bytes: number[] = []
    for (; raw >= 0x80n; raw >>= 7n) bytes.push(Number(raw & 0x7fn) | 0x80)
    const reader = new VarintReader(Uint8Array.from([...bytes, Number(raw)]))
    expect(() => reader.varlong()).toThrow('at byte 0 is no safe integer')
  })

  test('refuses an eleventh byte', () => {
    const reader = new VarintReader(new Uint8Array(12).fill(0x80))
    expect(() => reader.varlong()).toThrow('longer than 10 bytes')
  })

  test('refuses to write what is no safe integer', () => {
    const target = new Uint8Array(12)
    for (const value of [2 ** 53, -(2 ** 53), Number.NaN, Number.POSITIVE_INFINITY, 2 ** 40 + 0.5]) {
      expect(() => writeVarlong(target, 0, value)).toThrow('a varlong is a safe integer')
    }
  })
})

describe('varint', () => {
  test('has the bytes of the varlong of the same value', () => {
    for (const value of INT32) {
      const target = new Uint8Array(8)
      const end = writeVarint(target, 0, value)
      expect([...target.subarray(0, end)], String(value)).toEqual(expectedVarlong(value))
      expect(varintSize(value)).toBe(end)
      expect(new VarintReader(target).varint()).toBe(value)
    }
  })

  test('refuses more than 32 bits', () => {
    const reader = new VarintReader(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x10))
    expect(() => reader.varint()).toThrow('does not fit into 32 bits')
  })
})

describe('a reader', () => {
  test('refuses a cut at every byte, says where, and stays there', () => {
    const bytes = Uint8Array.from([0, ...varlong(Number.MAX_SAFE_INTEGER)])
    for (let end = 1; end < bytes.length; end += 1) {
      const reader = new VarintReader(bytes, 1, end)
      expect(() => reader.varlong()).toThrow(`at byte 1 is cut off at ${end}`)
      expect(reader.position).toBe(1)
      if (end < 6) expect(() => reader.varint()).toThrow('cut off')
    }
  })

  test('reads a row of numbers and can be used again', () => {
    const target = new Uint8Array(32)
    let end = writeVarint(target, 0, 300)
    end = writeVarlong(target, end, -(2 ** 40))
    end = writeVarint(target, end, -5)
    const reader = new VarintReader(target, 0, end)
    for (let round = 0; round < 2; round += 1) {
      expect([reader.varint(), reader.varlong(), reader.varint()]).toEqual([300, -(2 ** 40), -5])
      expect(() => reader.varint()).toThrow('cut off')
      reader.reset(target, 0, end)
    }
  })
})
