import { expect, test } from 'vitest'
import { partitionOf, StickyPartitioner } from './partitioner.ts'

/** The hashes of Apache Kafka's own test of its murmur2 (`UtilsTest`), without their sign. */
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('%s lies where Kafka puts it', (key, hash) => {
  for (const partitions of [1, 2, 4, 7, 100]) {
    expect(partitionOf(Buffer.from(key), partitions)).toBe((hash & 0x7fffffff) % partitions)
  }
  const inside = Buffer.from(`<${key}>`)
  expect(partitionOf(inside, 7, 1, inside.length - 1)).toBe((hash & 0x7fffffff) % 7)
})

test('no partitions is a fault', () => {
  expect(() => partitionOf(Buffer.from('a'), 0)).toThrow(/at least one partition/)
  expect(() => new StickyPartitioner(0)).toThrow(/partitions > 0/)
})

test('keyless records stay together until their batch ends', () => {
  const partitioner = new StickyPartitioner(3, 5)
  expect([partitioner.current, partitioner.current]).toEqual([2, 2])
  expect([partitioner.nextBatch(), partitioner.nextBatch(), partitioner.nextBatch()]).toEqual([0, 1, 2])
})
