import { describe, expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { assignBatch, batchPositions, readBatchHeader } from '../record/batch-header.ts'
import { mendBatches } from './mend-batches.ts'

/** One record for each offset, in a batch of its own. */
function batchesAt(epochAt: (offset: number) => number, ...offsets: number[]): Uint8Array {
  const builder = new BatchBuilder(256)
  const parts = offsets.map((offset) => {
    builder.reset()
    builder.appendText(5, null, `value of ${offset}`)
    const bytes = builder.build()
    assignBatch(bytes, 0, offset, epochAt(offset))
    return bytes
  })
  return new Uint8Array(Buffer.concat(parts))
}

function placesOf(bytes: Uint8Array): (readonly [first: number, last: number, count: number])[] {
  return [...batchPositions(bytes)].map((at) => {
    const { baseOffset, lastOffset, recordCount } = readBatchHeader(bytes, at)
    return [baseOffset, lastOffset, recordCount] as const
  })
}

const none = () => 0
const positions = (bytes: Uint8Array) => [...batchPositions(bytes)]

describe('an offset that is wrong', () => {
  test.each([0, 1, 2, 3])('of batch %i is known by its neighbours', (index) => {
    const bytes = batchesAt(none, 10, 11, 12, 13)
    for (const wrong of [2, 200]) {
      bytes[(positions(bytes)[index] as number) + 7] = wrong
      expect(mendBatches(bytes, { first: 10, next: 14, epochAt: none })).toMatchObject([{ restored: true }])
      expect(placesOf(bytes).map(([first]) => first)).toEqual([10, 11, 12, 13])
    }
  })
})

describe('a filler', () => {
  test('has the epoch of its offsets, no time and no producer', () => {
    const epochAt = (offset: number) => (offset < 12 ? 3 : 4)
    const bytes = batchesAt(epochAt, 10, 11, 12, 13)
    bytes[(positions(bytes)[2] as number) + 70] = 0xff
    mendBatches(bytes, { first: 10, next: 14, epochAt })
    const head = readBatchHeader(bytes, positions(bytes)[2] as number)
    expect(head).toMatchObject({
      leaderEpoch: 4,
      maxTimestamp: -1,
      producerId: -1,
      producerEpoch: -1,
      recordCount: 0,
    })
    expect(head).toMatchObject({ baseSequence: -1, control: false, transactional: false })
  })

  test('that would be long is several, as far as there are offsets', () => {
    const bytes = new Uint8Array(3 * 1024 * 1024)
    expect(mendBatches(bytes, { first: 0, next: 100, epochAt: none })).toHaveLength(1)
    expect(placesOf(bytes)).toEqual([
      [0, 0, 0],
      [1, 1, 0],
      [2, 99, 0],
    ])
    const narrow = new Uint8Array(3 * 1024 * 1024)
    mendBatches(narrow, { first: 5, next: 6, epochAt: none })
    expect(placesOf(narrow)).toEqual([[5, 5, 0]])
  })
})
