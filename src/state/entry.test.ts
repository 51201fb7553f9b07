import { expect, test } from 'vitest'
import { NO_ROOM } from '../record/write-target.ts'
import { Entry, UNOWNED } from './entry.ts'
import { MemoryStore } from './memory-store.ts'
import { type StoreCodec, writtenStoreCodec } from './store-codec.ts'

/** A value that is an entry itself. */
class Counter extends Entry {
  count: number

  constructor(count: number) {
    super('', 0, undefined, UNOWNED)
    this.count = count
  }
}

const codec: StoreCodec<Counter> = writtenStoreCodec<Counter>(
  ({ bytes }, at, end, { count }) => {
    if (end - at < count) return NO_ROOM
    bytes.fill(1, at, at + count)
    return at + count
  },
  (_bytes, start, end) => new Counter(end - start),
)

function changesOf(store: MemoryStore<Counter>): (number | undefined)[] {
  const sizes: (number | undefined)[] = []
  store.writeChanges({
    change: (_bytes, _keyStart, _keyEnd, start, end) => sizes.push(start < 0 ? undefined : end - start),
  })
  return sizes
}

test('a value that is an entry is the entry of its key, and of no other', () => {
  const store = new MemoryStore('counters', codec)
  const counter = new Counter(3)
  store.put(0, 'a', counter)
  store.put(0, 'b', counter)
  counter.count = 4
  expect(store.get(0, 'a')).toBe(counter)
  expect(store.get(0, 'b')).toBe(counter)
  expect([...store.scan(0)].map(([key]) => key).sort()).toEqual(['a', 'b'])
  expect(counter.key).toBe('a')
  expect(changesOf(store)).toEqual([4, 4])
})

test('its place outlives it: deleted, replaced, and put again', () => {
  const store = new MemoryStore('counters', codec)
  const first = new Counter(1)
  const second = new Counter(2)
  store.put(0, 'a', first)
  expect(changesOf(store)).toEqual([1])
  store.delete(0, 'a')
  expect(store.get(0, 'a')).toBeUndefined()
  store.put(0, 'a', second)
  expect(store.get(0, 'a')).toBe(second)
  expect(changesOf(store)).toEqual([2])
  store.delete(0, 'a')
  expect(changesOf(store)).toEqual([undefined])
  store.put(0, 'a', first)
  expect(store.get(0, 'a')).toBe(first)
  expect(changesOf(store)).toEqual([1])
})

test('a change that is larger than any before is written whole', () => {
  const store = new MemoryStore('counters', codec)
  store.put(0, 'large', new Counter(20_000))
  store.put(0, 'small', new Counter(5))
  expect(changesOf(store)).toEqual([20_000, 5])
  expect((codec.encode(new Counter(9_000)) as Uint8Array).length).toBe(9_000)
})

test('a visit ends where it is told to, and goes on behind a key', () => {
  const store = new MemoryStore('counters', codec)
  for (let index = 0; index < 300; index += 1) store.put(0, `key-${index}`, new Counter(index))
  const order = [...store.scan(0)].map(([key]) => key)
  const visited: (string | number)[] = []
  const whole = store.visit(0, undefined, (key) => {
    visited.push(key)
    return visited.length < 100
  })
  expect(whole).toBe(false)
  expect(visited).toEqual(order.slice(0, 100))
  const rest: (string | number)[] = []
  const take = (key: string | number): boolean => rest.push(key) > 0
  expect(store.visit(0, visited.at(-1), take)).toBe(true)
  expect(rest).toEqual(order.slice(100))
  expect(store.visit(1, undefined, take)).toBe(true)
})

test('values of a dropped namespace come back for the next one, if nobody holds them', () => {
  const store = new MemoryStore('counters', codec)
  const counters = Array.from({ length: 100 }, (_, index) => new Counter(index))
  for (const [index, counter] of counters.entries()) store.put(1, `key-${index}`, counter)
  store.put(1, 'shared', counters[0] as Counter)
  expect(store.spare(1)).toBeUndefined()
  store.drop(1, true)
  // The namespace is not there yet.
  expect(store.spare(2)).toBeUndefined()
  store.put(2, 'first', new Counter(7))
  for (const [index, counter] of counters.entries()) {
    if (index === 0) continue
    expect(store.get(2, `new-${index}`)).toBeUndefined()
    expect(store.spare(2)).toBe(counter)
    counter.flags = UNOWNED
    counter.count = 1
    store.put(2, `new-${index}`, counter)
    expect(store.get(2, `new-${index}`)).toBe(counter)
  }
  // Behind them stands an entry that is no value.
  expect(store.spare(2)).toBeUndefined()
  expect([...store.scan(2)]).toHaveLength(100)
  expect(changesOf(store)).toEqual([7, ...Array.from({ length: 99 }, () => 1)])
  expect(store.size).toBe(100)
})

test('values of a dropped namespace stay with who may hold them', () => {
  const store = new MemoryStore('counters', codec)
  for (let index = 0; index < 20; index += 1) store.put(1, index, new Counter(index))
  store.drop(1)
  store.put(2, 'first', new Counter(7))
  expect(store.spare(2)).toBeUndefined()
})

test('a snapshot that reads a namespace while it is dropped takes nothing of the next one for its own', () => {
  const store = new MemoryStore('counters', codec)
  for (let index = 0; index < 20; index += 1) store.put(1, `key-${index}`, new Counter(1))
  changesOf(store)
  const read: [number, unknown][] = []
  const cursor = store.readEntries({
    bytes: (namespace, key) => read.push([namespace, key]),
    text: (namespace, key) => read.push([namespace, key]),
    leftOut: () => undefined,
  })
  for (let turn = 0; turn < 5; turn += 1) cursor.next()
  expect(read).toHaveLength(5)
  store.drop(1, true)
  for (let index = 0; index < 20; index += 1) {
    const counter = store.spare(2) ?? new Counter(1)
    counter.flags = UNOWNED
    store.put(2, `new-${index}`, counter)
  }
  changesOf(store)
  while (cursor.next());
  expect(read).toHaveLength(5)
})
