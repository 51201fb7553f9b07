import { expect, test } from 'vitest'
import { BatchBuilder } from './batch-builder.ts'
import { assignBatch, batchPositions } from './batch-header.ts'
import { BatchReader } from './batch-reader.ts'
import { type AbortedTransaction, CommittedFilter, decodeCommitted } from './committed-filter.ts'

/** One batch each: producer and what it wrote; `commit` and `abort` are markers, others are texts of records. */
function history(...steps: readonly (readonly [producerId: number, what: string])[]): Uint8Array {
  let offset = 0
  const batches = steps.map(([producerId, what]) => {
    const builder = new BatchBuilder()
    const control = what === 'commit' || what === 'abort'
    if (control) builder.append(0, Uint8Array.of(0, 0, 0, what === 'commit' ? 1 : 0), new Uint8Array(6))
    else for (const text of what.split(' ')) builder.appendText(0, null, text)
    const transactional = producerId >= 0
    const batch = builder.build({ producerId, producerEpoch: 0, transactional, control })
    assignBatch(batch, 0, offset, 0)
    offset += builder.count
    return batch
  })
  return Buffer.concat(batches)
}

function visible(bytes: Uint8Array, aborted: readonly AbortedTransaction[]): string[] {
  const filter = new CommittedFilter()
  filter.open(aborted)
  const reader = new BatchReader()
  const texts: string[] = []
  for (const at of batchPositions(bytes)) {
    if (!filter.visible(bytes, at)) continue
    reader.open(bytes, at)
    while (reader.next()) texts.push(reader.text(reader.valueStart, reader.valueEnd))
  }
  return texts
}

test('markers are never seen, committed records are', () => {
  expect(visible(history([-1, 'a b'], [1, 'c'], [1, 'commit']), [])).toEqual(['a', 'b', 'c'])
})

test('an aborted transaction ends at its marker; the same producer goes on behind it', () => {
  const bytes = history([1, 'a b'], [2, 'c'], [1, 'd'], [1, 'abort'], [1, 'e'], [2, 'commit'], [1, 'commit'])
  expect(visible(bytes, [{ producerId: 1, firstOffset: 0 }])).toEqual(['c', 'e'])
})

test('records of a producer before its aborted transaction stay', () => {
  const bytes = history([1, 'a'], [1, 'commit'], [1, 'b'], [1, 'abort'])
  expect(visible(bytes, [{ producerId: 1, firstOffset: 2 }])).toEqual(['a'])
})

test('two aborted transactions, in any order of the answer, and one that began before these batches', () => {
  const bytes = history(
    [1, 'a'],
    [2, 'b'],
    [1, 'abort'],
    [1, 'c'],
    [2, 'abort'],
    [1, 'abort'],
    [3, 'd'],
    [3, 'commit'],
  )
  const aborted = [
    { producerId: 1, firstOffset: 3 },
    { producerId: 2, firstOffset: 1 },
    { producerId: 1, firstOffset: 0 },
  ]
  expect(visible(bytes, aborted)).toEqual(['d'])
})

test('records outside any transaction are seen even if their producer aborted one', () => {
  const builder = new BatchBuilder()
  builder.appendText(0, null, 'idempotent')
  const plain = builder.build({ producerId: 1, producerEpoch: 0, baseSequence: 0 })
  expect(visible(plain, [{ producerId: 1, firstOffset: 0 }])).toEqual(['idempotent'])
})

test('decodeCommitted gives the records that count, with their offsets', () => {
  const bytes = history([1, 'a'], [2, 'b c'], [-1, 'd'], [1, 'abort'], [1, 'e'], [2, 'commit'], [1, 'commit'])
  const decoded = (aborted: readonly AbortedTransaction[]) =>
    decodeCommitted(bytes, aborted).map(
      ({ offset, value }) => `${offset}${Buffer.from(value ?? []).toString()}`,
    )
  expect(decoded([{ producerId: 1, firstOffset: 0 }])).toEqual(['1b', '2c', '3d', '5e'])
  expect(decoded([])).toEqual(['0a', '1b', '2c', '3d', '5e'])
})
