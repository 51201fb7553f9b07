import { expect, test } from 'vitest'
import { CleanedTransactions } from './cleaned-transactions.ts'

test('a batch is aborted from the first offset to the marker of an aborted transaction of its producer', () => {
  const transactions = new CleanedTransactions(
    [
      { producerId: 1, firstOffset: 10, lastOffset: 14 },
      { producerId: 2, firstOffset: 11, lastOffset: 12 },
      { producerId: 1, firstOffset: 30, lastOffset: 33 },
    ],
    [],
  )
  const found = [9, 10, 13, 15, 29, 30, 32, 34].map((offset) => transactions.data(1, offset))
  expect(found).toEqual([false, true, true, false, false, true, true, false])
  expect([10, 11, 13].map((offset) => transactions.data(2, offset))).toEqual([false, true, false])
  expect(transactions.data(3, 11)).toBe(false)
})

test('a marker may go when no batch of its transaction lies before it', () => {
  const transactions = new CleanedTransactions([], [])
  transactions.data(1, 5)
  expect(transactions.marker(2)).toBe(true)
  expect(transactions.marker(1)).toBe(false)
  expect(transactions.marker(1)).toBe(true)
})

test('the last batch of a producer is that of its last sequence, or the marker if it has written nothing since', () => {
  const transactions = new CleanedTransactions(
    [],
    [
      [
        1,
        3,
        0,
        0,
        null,
        [
          [0, 1, 4, 5],
          [2, 4, 8, 10],
        ],
      ],
      [2, 6, 0, 0, null, []],
    ],
  )
  expect(transactions.isLast(1, 10, 3, false)).toBe(true)
  expect(transactions.isLast(1, 5, 3, false)).toBe(false)
  expect(transactions.isLast(2, 20, 6, true)).toBe(true)
  expect(transactions.isLast(2, 20, 5, true)).toBe(false)
  expect(transactions.isLast(2, 20, 6, false)).toBe(false)
  expect(transactions.isLast(9, 20, 6, true)).toBe(false)
})
