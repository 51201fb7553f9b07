import { describe, expect, test } from 'vitest'
import { encodeChangeKey } from './changelog-codec.ts'
import { compareHashed, hashOfKey } from './key-hash.ts'
import type { StoreKey } from './keyed-store.ts'
import { MemoryStore } from './memory-store.ts'
import { WHOLE_ENTRIES_MAX } from './space.ts'
import { jsonStoreCodec, type StoreCodec } from './store-codec.ts'

interface Count {
  n: number
}

function counts(): MemoryStore<Count> {
  return new MemoryStore<Count>('counts', jsonStoreCodec<Count>())
}

describe('changes', () => {
  test('an entry that was put and deleted between commits writes nothing', () => {
    const store = counts()
    store.put(0, 'a', { n: 1 })
    store.delete(0, 'a')
    expect(store.takeChanges()).toEqual([])
    expect(store.namespaces()).toEqual([])
  })

  test('an entry that the changelog knows writes its delete, once', () => {
    const store = counts()
    store.put(0, 'a', { n: 1 })
    store.takeChanges()
    store.put(0, 'a', { n: 2 })
    store.delete(0, 'a')
    expect(store.takeChanges()).toEqual([{ namespace: 0, key: 'a', value: undefined }])
    expect(store.takeChanges()).toEqual([])
  })

  test('deleted and put again is one put', () => {
    const store = counts()
    store.put(0, 'a', { n: 1 })
    store.takeChanges()
    store.delete(0, 'a')
    expect(store.get(0, 'a')).toBeUndefined()
    store.put(0, 'a', { n: 3 })
    expect(store.takeChanges()).toEqual([{ namespace: 0, key: 'a', value: { n: 3 } }])
  })

  test('a drop is one change however many entries it removes, and comes before later puts', () => {
    const store = counts()
    for (let key = 0; key < 100; key += 1) store.put(60_000, key, { n: key })
    store.takeChanges()
    store.put(60_000, 1, { n: 5 })
    store.drop(60_000)
    expect(store.size).toBe(0)
    expect(store.changes).toBe(1)
    store.put(60_000, 2, { n: 7 })
    expect(store.takeChanges()).toEqual([
      { namespace: 60_000, key: undefined, value: undefined },
      { namespace: 60_000, key: 2, value: { n: 7 } },
    ])
  })

  test('a namespace that never was committed is dropped without a trace', () => {
    const store = counts()
    store.put(1, 'a', { n: 1 })
    store.drop(1)
    store.put(1, 'a', { n: 1 })
    store.drop(1)
    expect(store.changes).toBe(0)
    expect(store.takeChanges()).toEqual([])
  })

  test('a drop ends a scan of the namespace, even if it is filled again', () => {
    const store = counts()
    for (const key of ['a', 'b', 'c']) store.put(1, key, { n: 1 })
    let seen = 0
    for (const _ of store.scan(1)) {
      seen += 1
      store.drop(1)
      store.put(1, 'd', { n: 1 })
    }
    expect(seen).toBe(1)
  })

  test('namespaces follow the entries', () => {
    const store = counts()
    store.put(5, 'a', { n: 1 })
    store.put(-3, 'a', { n: 1 })
    expect(store.namespaces()).toEqual([-3, 5])
    store.delete(5, 'a')
    expect(store.namespaces()).toEqual([-3])
    store.put(5, 'b', { n: 1 })
    expect(store.namespaces()).toEqual([-3, 5])
    store.drop(-3)
    expect(store.namespaces()).toEqual([5])
  })

  test('undefined is no value and NaN is no key', () => {
    const store = counts()
    expect(() => store.put(0, 'a', undefined as unknown as Count)).toThrow(/not undefined/)
    expect(() => store.put(0, Number.NaN, { n: 1 })).toThrow(/NaN/)
    expect(() => store.put(Number.NaN, 'a', { n: 1 })).toThrow(/finite/)
  })
})

describe('many entries', () => {
  test('the row of Maps behaves as one Map did, across the fan-out', () => {
    const store = counts()
    const total = WHOLE_ENTRIES_MAX * 2
    for (let key = 0; key < total; key += 1) store.put(0, `key-${key}`, { n: key })
    for (let key = 0; key < total; key += 3) store.delete(0, `key-${key}`)
    expect(store.size).toBe(total - Math.ceil(total / 3))
    for (let key = 0; key < total; key += 1) {
      expect(store.get(0, `key-${key}`)?.n).toBe(key % 3 === 0 ? undefined : key)
    }
    const order: StoreKey[] = []
    for (const [key] of store.scan(0)) order.push(key)
    expect(order).toHaveLength(store.size)
    const sorted = [...order].sort((left, right) =>
      compareHashed(hashOfKey(left), left, hashOfKey(right), right),
    )
    expect(order).toEqual(sorted)
    const middle = order[10_000] as string
    expect([...store.scan(0, middle)].map(([key]) => key)).toEqual(order.slice(10_001))
  })

  test('a scan goes on over a fan-out and a commit', () => {
    const store = counts()
    for (let key = 0; key < 2_000; key += 1) store.put(0, key, { n: 0 })
    const seen = new Set<StoreKey>()
    for (const [key] of store.scan(0)) {
      seen.add(key)
      if (seen.size !== 1_000) continue
      for (let more = 0; more < WHOLE_ENTRIES_MAX; more += 1) store.put(0, `new-${more}`, { n: 1 })
      store.takeChanges()
    }
    for (let key = 0; key < 2_000; key += 1) expect(seen.has(key)).toBe(true)
  })
})

test('restored values are decoded on first use, once', () => {
  let decoded = 0
  const plain = jsonStoreCodec<Count>()
  const codec: StoreCodec<Count> = {
    encode: plain.encode,
    decode: (bytes, start, end) => {
      decoded += 1
      return plain.decode(bytes, start, end)
    },
  }
  const store = new MemoryStore<Count>('s', codec)
  const value = Buffer.from('xx{"n":4}')
  store.restoreEntry(0, 'a', value, 2, value.length)
  store.restoreEntry(0, 'b', value, 2, value.length)
  expect(decoded).toBe(0)
  expect(store.get(0, 'a')).toEqual({ n: 4 })
  expect(store.get(0, 'a')).toEqual({ n: 4 })
  expect(decoded).toBe(1)
  store.put(0, 'b', { n: 9 })
  expect(store.get(0, 'b')).toEqual({ n: 9 })
  expect(decoded).toBe(1)
  store.delete(0, 'a')
  expect(store.takeChanges()).toHaveLength(2)
})

describe('a restored store', () => {
  const many = WHOLE_ENTRIES_MAX + 5_000
  const restored = (count: number): MemoryStore<Count> => {
    const store = new MemoryStore<Count>('s', jsonStoreCodec<Count>())
    for (let index = 0; index < count; index += 1) {
      const key = encodeChangeKey(0, index % 4 === 0 ? index : `key-${index}`)
      const record = Buffer.concat([key, Buffer.from(JSON.stringify({ n: index }))])
      store.restore(record, 0, key.length, key.length, record.length)
    }
    return store
  }
  const keyOf = (index: number): StoreKey => (index % 4 === 0 ? index : `key-${index}`)

  test.each([100, many])('of %i entries is scanned in the order of one that was filled', (count) => {
    const filled = new MemoryStore<Count>('s', jsonStoreCodec<Count>())
    for (let index = 0; index < count; index += 1) filled.put(0, keyOf(index), { n: index })
    const store = restored(count)
    expect(store.size).toBe(count)
    const expected = [...filled.scan(0)]
    const middle = (expected[count >>> 1] as [StoreKey, Count])[0]
    expect([...store.scan(0, middle)]).toEqual([...filled.scan(0, middle)])
    expect([...store.scan(0)]).toEqual(expected)
    expect(store.size).toBe(count)
  })

  test('gives a snapshot every entry, also those asked for, changed and deleted while it is read', () => {
    const store = restored(many)
    const seen = new Map<StoreKey, string>()
    let leftOut = 0
    const cursor = store.readEntries({
      text: (_namespace, key, value) => seen.set(key, value),
      bytes: (_namespace, key, value, start, end) =>
        seen.set(key, Buffer.from(value.subarray(start, end)).toString()),
      leftOut: () => {
        leftOut += 1
      },
    })
    for (let step = 0; cursor.next(); step += 1) {
      // Behind and before the cursor alike.
      expect(store.get(0, keyOf((step * 7) % many))?.n).toBe((step * 7) % many)
    }
    expect(leftOut).toBe(0)
    expect(seen.size).toBe(many)
    for (let index = 0; index < many; index += 1) expect(seen.get(keyOf(index))).toBe(`{"n":${index}}`)
    store.delete(0, 'key-1')
    expect(store.get(0, 'key-1')).toBeUndefined()
    expect(store.size).toBe(many - 1)
    expect(store.takeChanges()).toEqual([{ namespace: 0, key: 'key-1', value: undefined }])
  })

  test('takes further records of the changelog after somebody asked for a value', () => {
    const store = restored(10)
    expect(store.get(0, 'key-1')).toEqual({ n: 1 })
    expect(store.get(0, 4)).toEqual({ n: 4 })
    for (const key of ['key-1', 'key-2', 4] as const) {
      const bytes = encodeChangeKey(0, key)
      const record = Buffer.concat([bytes, Buffer.from('{"n":50}')])
      store.restore(record, 0, bytes.length, bytes.length, record.length)
    }
    const gone = encodeChangeKey(0, 'key-3')
    store.restore(gone, 0, gone.length, -1, -1)
    expect(store.size).toBe(9)
    expect([...store.scan(0)].filter(([, { n }]) => n === 50)).toHaveLength(3)
    expect(store.get(0, 'key-3')).toBeUndefined()
  })
})
