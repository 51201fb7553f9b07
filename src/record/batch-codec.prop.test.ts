import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BatchBuilder } from './batch-builder.ts'
import { COMPRESSION_NAMES, verifyBatch } from './batch-header.ts'
import { BatchReader, decodeRecords } from './batch-reader.ts'
import type { RecordData } from './record.ts'

const bytes = fc.option(fc.uint8Array({ maxLength: 300 }))
const header = fc.record({ key: fc.string({ unit: 'binary', maxLength: 20 }), value: bytes })
const record = fc.record({
  timestamp: fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 52), max: 2 ** 52 })),
  key: bytes,
  value: fc.oneof(bytes, fc.option(fc.uint8Array({ minLength: 8000, maxLength: 9000 }))),
  headers: fc.array(header, { maxLength: 5 }),
})
const compression = fc.constantFrom(...COMPRESSION_NAMES)

test('what is appended is what is read', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 30 }), compression, (records, codec) => {
      const builder = new BatchBuilder(64)
      for (const one of records) builder.append(one.timestamp, one.key, one.value, one.headers)
      const built = builder.build({ compression: codec })
      expect(verifyBatch(built, 0, built.length)).toBeUndefined()
      const plain = (value: Uint8Array | null) => value && [...value]
      const comparable = (one: RecordData) => ({
        timestamp: one.timestamp,
        key: plain(one.key),
        value: plain(one.value),
        headers: one.headers.map((each) => [each.key, plain(each.value)]),
      })
      const read = decodeRecords(built)
      expect(read.map(comparable)).toEqual(records.map(comparable))
      expect(read.map((one) => one.offset)).toEqual(records.map((_, index) => index))
      expect(builder.maxTimestamp).toBe(Math.max(...records.map((one) => one.timestamp)))
    }),
    { numRuns: 150 },
  )
})

const text = fc.oneof(
  fc.string({ maxLength: 200 }),
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.string({ unit: 'binary-ascii', minLength: 60, maxLength: 70 }),
)

test('text is written as its UTF-8 and read as itself, through either way of writing', () => {
  const pairs = fc.array(fc.tuple(fc.option(text), fc.option(text)), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(pairs, compression, (records, codec) => {
      const direct = new BatchBuilder(64)
      const encoded = new BatchBuilder(64)
      records.forEach(([key, value], index) => {
        direct.appendText(index, key, value)
        encoded.append(
          index,
          key === null ? null : Buffer.from(key),
          value === null ? null : Buffer.from(value),
        )
      })
      const built = direct.build({ compression: codec })
      expect(Buffer.compare(built, encoded.build({ compression: codec }))).toBe(0)
      const reader = new BatchReader()
      reader.open(built, 0)
      const read: (string | null)[][] = []
      while (reader.next()) {
        const key = reader.keyStart < 0 ? null : reader.text(reader.keyStart, reader.keyEnd)
        read.push([key, reader.valueStart < 0 ? null : reader.text(reader.valueStart, reader.valueEnd)])
      }
      expect(read).toEqual(records)
    }),
    { numRuns: 200 },
  )
})

test('any bytes at all are refused, not crashed on', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      expect(verifyBatch(noise, 0, noise.length)).toEqual(expect.any(String))
    }),
    { numRuns: 300 },
  )
})
