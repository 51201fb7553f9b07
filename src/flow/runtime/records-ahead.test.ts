import { expect, test } from 'vitest'
import { hashOfKey } from '../../state/key-hash.ts'
import { LOOK_AHEAD } from '../../state/restored-entries.ts'
import { RecordsAhead } from './records-ahead.ts'

function recorder(): { ahead: RecordsAhead; seen: string[]; looked: number[][] } {
  const seen: string[] = []
  const looked: number[][] = []
  const ahead = new RecordsAhead(
    (hashes, count, detail) => looked.push([detail, ...hashes.subarray(0, count)]),
    (detail, bytes, keyStart, keyEnd, valueStart, valueEnd) => {
      const text = Buffer.from(bytes).toString('latin1')
      seen.push(`${detail} ${text.slice(keyStart, keyEnd)}=${text.slice(valueStart, valueEnd)}`)
    },
  )
  return { ahead, seen, looked }
}

test('records are applied in their order, after all their keys were looked for', () => {
  const { ahead, seen, looked } = recorder()
  const bytes = Buffer.from('a1b2a3')
  for (let at = 0; at < 6; at += 2) ahead.add(10 + at, bytes, at, at + 1, at + 1, at + 2)
  expect(seen).toEqual([])
  ahead.flush()
  expect(seen).toEqual(['10 a=1', '12 b=2', '14 a=3'])
  expect(looked).toEqual([[14, hashOfKey('a'), hashOfKey('b'), hashOfKey('a')]])
  ahead.flush()
  expect(seen).toHaveLength(3)
})

test('other bytes, or as many records as are looked for together, go before the next one', () => {
  const { ahead, seen } = recorder()
  const first = Buffer.from('a1')
  ahead.add(1, first, 0, 1, 1, 2)
  ahead.add(2, Buffer.from('b2'), 0, 1, 1, 2)
  expect(seen).toEqual(['1 a=1'])
  ahead.flush()
  for (let index = 0; index <= LOOK_AHEAD; index += 1) ahead.add(index, first, 0, 1, 1, 2)
  expect(seen).toHaveLength(2 + LOOK_AHEAD)
  ahead.flush()
  expect(seen).toHaveLength(3 + LOOK_AHEAD)
})
