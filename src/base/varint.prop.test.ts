import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isMillraceError } from './errors.ts'
import { VarintReader, varlongSize, writeVarint, writeVarlong } from './varint.ts'

test('any row of safe integers comes back', () => {
  fc.assert(
    fc.property(fc.array(fc.maxSafeInteger()), (values) => {
      const target = new Uint8Array(values.length * 10)
      let end = 0
      for (const value of values) {
        const next = writeVarlong(target, end, value)
        expect(next - end).toBe(varlongSize(value))
        end = next
      }
      const reader = new VarintReader(target, 0, end)
      expect(values.map(() => reader.varlong())).toEqual(values)
      expect(reader.position).toBe(end)
    }),
  )
})

test('any 32-bit number is the same as varint and as varlong', () => {
  fc.assert(
    fc.property(fc.integer(), (value) => {
      const short = new Uint8Array(10)
      const long = new Uint8Array(10)
      expect(writeVarint(short, 0, value)).toBe(writeVarlong(long, 0, value))
      expect(short).toEqual(long)
      expect(new VarintReader(short).varlong()).toBe(value)
      expect(new VarintReader(short).varint()).toBe(value)
    }),
  )
})

test('any bytes give what the definition gives, or are refused; nothing is read beyond the end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      const expected = definition(bytes)
      const reader = new VarintReader(bytes)
      let value: number | undefined
      try {
        value = reader.varlong()
      } catch (error) {
        expect(isMillraceError(error) && error.code).toBe('MILLRACE_CORRUPT')
      }
      expect(value).toBe(expected)
    }),
    { numRuns: 2000 },
  )
})

/** With BigInt; undefined for what must be refused. */
function definition(bytes: Uint8Array): number | undefined {
  let raw = 0n
  for (let index = 0; index < Math.min(bytes.length, 10); index += 1) {
    const byte = bytes[index] ?? 0
    raw |= BigInt(byte & 0x7f) << BigInt(7 * index)
    if (byte >= 0x80) continue
    const value = Number(raw & 1n ? -(raw >> 1n) - 1n : raw >> 1n)
    return Number.isSafeInteger(value) ? value : undefined
  }
  return undefined
}
