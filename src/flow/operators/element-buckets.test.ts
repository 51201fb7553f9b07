import { expect, test } from 'vitest'
import { MemoryStore } from '../../state/memory-store.ts'
import { jsonStoreCodec } from '../../state/store-codec.ts'
import { ElementBuckets } from './element-buckets.ts'

test('buckets come back from their store, whatever keys and elements look like', () => {
  const store = new MemoryStore<unknown>('elements', jsonStoreCodec())
  const buckets = new ElementBuckets(store)
  for (const key of ['', '1', 1, -1.5, 's:', '2n:1']) {
    for (const element of ['', 'n1', 1, 's', -2])
      buckets.bucket(7, key).put(element, `${typeof key}${key}${element}`)
  }
  const again = new ElementBuckets(store)
  again.restored()
  for (const key of ['', '1', 1, -1.5, 's:', '2n:1']) {
    expect([...again.bucket(7, key).entries()].length).toBe(5)
    expect(again.bucket(7, key).get('n1')).toBe(`${typeof key}${key}n1`)
  }
})

test('a removed bucket leaves nothing behind in the store', () => {
  const store = new MemoryStore<unknown>('elements', jsonStoreCodec())
  const buckets = new ElementBuckets(store)
  buckets.bucket(0, 'a').put('x', 1)
  buckets.bucket(0, 'b').put('y', 1)
  buckets.remove(0, 'a')
  expect(store.size).toBe(1)
  buckets.bucket(0, 'b').delete('y')
  expect(store.size).toBe(0)
})
