import { expect, test } from 'vitest'
import { ABORTED_ENTRY_BYTES, AbortedIndex, decodeAborted, encodeAborted } from './aborted-index.ts'

const entries = [
  { producerId: 4097, firstOffset: 10, lastOffset: 19, lastStable: 12 },
  { producerId: 7, firstOffset: 12, lastOffset: 30, lastStable: 31 },
]

test('an entry is written as Kafka writes it', () => {
  expect(Buffer.from(encodeAborted(entries.slice(0, 1))).toString('hex')).toBe(
    '00000000000000001001000000000000000a0000000000000013000000000000000c',
  )
})

test('what a file holds beyond the summary does not count and is written over', () => {
  const index = new AbortedIndex([...entries])
  const bytes = encodeAborted([
    ...entries,
    { producerId: 1, firstOffset: 40, lastOffset: 41, lastStable: 42 },
  ])
  const read = decodeAborted(bytes, index.summary())
  expect(read?.entries).toEqual(entries)
  expect(read?.unsaved).toBe(true)
  expect(read?.unsavedBytes()).toMatchObject({
    bytes: encodeAborted(entries),
    position: -ABORTED_ENTRY_BYTES,
  })
  expect(decodeAborted(encodeAborted(entries), index.summary())?.unsaved).toBe(false)
})

test('a file that does not hold is not believed', () => {
  const bytes = encodeAborted(entries)
  const whole = new AbortedIndex([...entries]).summary()
  expect(decodeAborted(bytes.subarray(0, -1), whole)).toBeUndefined()
  bytes[20] = 1
  expect(decodeAborted(bytes, whole)).toBeUndefined()
})

test('only what was added since is written', () => {
  const index = new AbortedIndex()
  expect(index.unsaved).toBe(true)
  index.add(entries[0] as (typeof entries)[0])
  index.markSaved()
  expect(index.unsaved).toBe(false)
  const before = index.summary()
  index.add(entries[1] as (typeof entries)[0])
  expect(index.unsaved).toBe(true)
  expect(index.unsavedBytes()).toEqual({
    bytes: encodeAborted(entries.slice(1)),
    position: ABORTED_ENTRY_BYTES,
  })
  expect(index.summary()).not.toEqual(before)
  expect(index.summary().count).toBe(2)
})
