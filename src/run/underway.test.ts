import { expect, test } from 'vitest'
import { Underway } from './underway.ts'

test('all that is under way is waited for, well ended or not, and nothing after', async () => {
  const underway = new Underway()
  const ended: string[] = []
  const later = Promise.withResolvers<string>()
  const failing = Promise.withResolvers<string>()
  const good = underway.watch(later.promise)
  const bad = underway.watch(failing.promise).catch(() => 'failed')
  const all = underway.ended().then(() => ended.push('all'))
  void underway.watch(new Promise(() => undefined))
  failing.reject(new Error('no'))
  expect(await bad).toBe('failed')
  expect(ended).toEqual([])
  later.resolve('done')
  expect(await good).toBe('done')
  await all
  expect(ended).toEqual(['all'])
})
