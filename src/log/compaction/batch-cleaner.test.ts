import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BatchBuilder, type BatchSettings } from '../../record/batch-builder.ts'
import { COMPRESSION_NAMES, readBatchHeader, verifyBatch } from '../../record/batch-header.ts'
import { decodeRecords } from '../../record/batch-reader.ts'
import type { StoredRecord } from '../../record/record.ts'
import type { BatchPlace } from '../segment.ts'
import { BatchCleaner, type CleanedBatch } from './batch-cleaner.ts'
import { CleanedTransactions } from './cleaned-transactions.ts'
import { KeyHasher } from './key-hash.ts'
import { KeyOffsetMap } from './key-offset-map.ts'

const NOW = 5_000_000
const DAY = 86_400_000

interface Row {
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[]
}

function batchOf(rows: readonly Row[], settings: BatchSettings): Uint8Array {
  const builder = new BatchBuilder(512)
  for (const { key, value, timestamp, headers } of rows) {
    const bytes = (text: string | null) => (text === null ? null : Buffer.from(text))
    builder.append(timestamp, bytes(key), bytes(value), headers)
  }
  return builder.build(settings)
}

function placeOf(bytes: Uint8Array): BatchPlace {
  const { baseOffset, lastOffset, sizeBytes, maxTimestamp, leaderEpoch, attributes } = readBatchHeader(
    bytes,
    0,
  )
  return {
    position: 0,
    sizeBytes,
    first: baseOffset,
    last: lastOffset,
    maxTimestamp,
    leaderEpoch,
    attributes,
  }
}

/** @param later keys that have a record behind the batch. */
function clean(
  bytes: Uint8Array,
  later: Iterable<string>,
  now = NOW,
): { result: CleanedBatch; removed: number } {
  const hash = new KeyHasher(3, 4)
  const map = new KeyOffsetMap(0, 1 << 16)
  const hashes = new Int32Array(3)
  const put = (key: Uint8Array | null, offset: number) => {
    if (key === null) return
    hash.hash(key, 0, key.length, hashes, 0)
    map.put(hashes, 0, offset)
  }
  for (const { key, offset } of decodeRecords(bytes)) put(key, offset)
  for (const key of later) put(Buffer.from(key), 1000)
  const transactions = new CleanedTransactions([], [])
  const cleaner = new BatchCleaner({ hash, map, upTo: 2000, transactions, now, deleteRetentionMs: DAY })
  const result = cleaner.clean(bytes, 0, placeOf(bytes))
  return { result: typeof result === 'string' ? result : result.slice(), removed: cleaner.removedTombstone }
}

const plain = ({ offset, timestamp, key, value, headers }: StoredRecord) => ({
  offset,
  timestamp,
  key: key && Buffer.from(key).toString(),
  value: value && Buffer.from(value).toString(),
  headers: headers.map((each) => ({ key: each.key, value: each.value && [...each.value] })),
})

const row: fc.Arbitrary<Row> = fc.record({
  key: fc.option(fc.constantFrom('a', 'b', 'c', 'd'), { freq: 12 }),
  value: fc.option(fc.string({ maxLength: 30 }), { freq: 3 }),
  timestamp: fc.oneof(fc.integer({ min: NOW - 1000, max: NOW + 1000 }), fc.integer({ min: 0, max: 2 ** 45 })),
  headers: fc.array(
    fc.record({ key: fc.string({ maxLength: 4 }), value: fc.option(fc.uint8Array({ maxLength: 4 })) }),
    { maxLength: 2 },
  ),
})

test('what stays is as it was, byte for byte or in all its fields; tombstones get a time, once', () => {
  fc.assert(
    fc.property(
      fc.array(row, { minLength: 1, maxLength: 12 }),
      fc.constantFrom(...COMPRESSION_NAMES),
      fc.subarray(['a', 'b', 'c', 'd']),
      fc.boolean(),
      (rows, compression, later, byLog) => {
        const bytes = batchOf(rows, { compression, timestampType: byLog ? 'logAppendTime' : 'createTime' })
        const records = decodeRecords(bytes).map(plain)
        const stay = records.filter(
          ({ key }, index) =>
            key === null ||
            !(later.includes(key) || records.slice(index + 1).some((each) => each.key === key)),
        )
        const { result } = clean(bytes, later)
        if (stay.length === 0) {
          expect(result).toBe('gone')
          return
        }
        const dated = stay.some(({ key, value }) => key !== null && value === null)
        if (stay.length === records.length && !dated) {
          expect(result).toBe('unchanged')
          return
        }
        const cleaned = result as Uint8Array
        expect(verifyBatch(cleaned, 0, cleaned.length)).toBeUndefined()
        expect(decodeRecords(cleaned).map(plain)).toEqual(stay)
        const before = readBatchHeader(bytes, 0)
        const header = readBatchHeader(cleaned, 0)
        expect(header).toMatchObject({
          baseOffset: before.baseOffset,
          lastOffset: before.lastOffset,
          compression,
          timestampType: before.timestampType,
          recordCount: stay.length,
          maxTimestamp: byLog ? before.maxTimestamp : Math.max(...stay.map(({ timestamp }) => timestamp)),
        })
        if (!dated) return
        expect(header.baseTimestamp).toBe(NOW + DAY)
        // It is dated now: until its time it stays as it is, then the tombstones go.
        expect(clean(cleaned, [], NOW + DAY - 1).result).toBe('unchanged')
        const { result: last, removed } = clean(cleaned, [], NOW + DAY)
        const values = stay.filter(({ key, value }) => key === null || value !== null)
        expect(last === 'gone' ? [] : decodeRecords(last as Uint8Array).map(plain)).toEqual(values)
        expect(removed).toBe(stay.findLast(({ key, value }) => key !== null && value === null)?.offset)
      },
    ),
    { numRuns: 400 },
  )
})
