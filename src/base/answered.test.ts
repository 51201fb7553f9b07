import { expect, test } from 'vitest'
import { answered } from './answered.ts'

test('an answer becomes what is resolved, also when it comes before the call returns', async () => {
  expect(await answered<number>((answer) => answer(undefined, 7))).toBe(7)
  expect(await answered<number>((answer) => queueMicrotask(() => answer(undefined, 8)))).toBe(8)
  expect(await answered<void>((answer) => answer(undefined, undefined))).toBeUndefined()
})

test('an error rejects', async () => {
  const error = new Error('the disk is full')
  await expect(answered<number>((answer) => answer(error, undefined))).rejects.toBe(error)
})
