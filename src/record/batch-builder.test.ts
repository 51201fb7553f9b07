import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BatchBuilder } from './batch-builder.ts'
import { NO_ROOM, type ValueWriter } from './write-target.ts'

const bytesOf: ValueWriter<Uint8Array> = {
  write: ({ bytes }, at, end, value) => {
    if (end - at < value.length) return NO_ROOM
    bytes.set(value, at)
    return at + value.length
  },
}

const record = fc.record({
  timestamp: fc.integer({ min: 0, max: 2 ** 40 }),
  key: fc.oneof(
    fc.constant(null),
    fc.string({ maxLength: 40 }),
    fc.string({ maxLength: 30, unit: fc.constantFrom('a', '\x7f', 'é', '€', '🌊') }),
    fc.uint8Array({ maxLength: 40 }),
  ),
  // Lengths of one, two and three bytes.
  value: fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.constantFrom(7_000, 9_000, 20_000).map((n) => new Uint8Array(n)),
  ),
})

describe('values written in their place', () => {
  test('the batch is that of the same values appended, however long they are', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 30 }), (records) => {
        const written = new BatchBuilder(64)
        const appended = new BatchBuilder(64)
        for (const { timestamp, key, value } of records) {
          const keyBytes = typeof key === 'string' ? Buffer.from(key) : key
          if (!written.appendWritten(timestamp, key, value, bytesOf, 100_000)) {
            written.append(timestamp, keyBytes, value)
          }
          appended.append(timestamp, keyBytes, value)
        }
        expect(written.build()).toEqual(appended.build())
      }),
    )
  })

  test('a value that needs more room than it got gets more from the next time on', () => {
    const builder = new BatchBuilder()
    const value = new Uint8Array(3_000)
    const turns = Array.from({ length: 4 }, () => builder.appendWritten(0, null, value, bytesOf, 100_000))
    expect(turns).toEqual([false, false, true, true])
    expect(builder.count).toBe(2)
  })

  test('what is larger than it may be is refused, and nothing is kept of it', () => {
    const builder = new BatchBuilder()
    expect(builder.appendWritten(5, 'key', new Uint8Array(11), bytesOf, 10)).toBe(false)
    expect(builder.count).toBe(0)
    builder.append(7, null, new Uint8Array(1))
    const alone = new BatchBuilder()
    alone.append(7, null, new Uint8Array(1))
    expect(builder.build()).toEqual(alone.build())
  })

  test('a writer that throws leaves the batch as it was', () => {
    const builder = new BatchBuilder()
    builder.append(1, null, Uint8Array.of(1))
    const before = builder.build()
    const failing: ValueWriter<number> = {
      write: ({ bytes }, at) => {
        bytes[at] = 9
        throw new Error('refused')
      },
    }
    expect(() => builder.appendWritten(99, 'key', 1, failing, 1_000)).toThrow('refused')
    expect(builder.build()).toEqual(before)
    expect(builder.maxTimestamp).toBe(1)
  })

  test('a bad timestamp is refused', () => {
    const builder = new BatchBuilder()
    builder.append(Number.MIN_SAFE_INTEGER, null, null)
    expect(() => builder.appendWritten(1, null, new Uint8Array(1), bytesOf, 10)).toThrow(/safe integers/)
  })
})
