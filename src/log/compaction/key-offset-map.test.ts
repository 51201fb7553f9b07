import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HASH_WORDS, KeyHasher } from './key-hash.ts'
import { KeyOffsetMap, mapBytesFor } from './key-offset-map.ts'

const target = new Int32Array(HASH_WORDS)

function hashOf(text: string, hasher = new KeyHasher(1, 2)): Int32Array {
  const bytes = Buffer.from(`.${text}.`)
  hasher.hash(bytes, 1, bytes.length - 1, target, 0)
  return target
}

test('equal bytes have one hash wherever they lie, all others another, and another key of the hash changes all', () => {
  const seen = new Map<string, string>()
  const keyed = new KeyHasher(1, 3)
  let same = 0
  for (let index = 0; index < 20_000; index += 1) {
    const text = index.toString(36).padEnd(index % 21, String.fromCharCode(97 + (index % 26)))
    const name = hashOf(text).join()
    expect(hashOf(text).join()).toBe(name)
    if (hashOf(text, keyed).join() === name) same += 1
    expect(seen.get(name) ?? text).toBe(text)
    seen.set(name, text)
  }
  expect(same).toBe(0)
})

test('a byte that changes, moves or is added changes about half of all bits', () => {
  const count = (from: string, to: string): number => {
    const before = hashOf(from).slice()
    return hashOf(to).reduce((sum, word, index) => {
      let bits = 0
      for (let left = (word ^ (before[index] as number)) >>> 0; left !== 0; left >>>= 1) bits += left & 1
      return sum + bits
    }, 0)
  }
  for (let length = 1; length < 24; length += 1) {
    const key = 'k'.repeat(length)
    for (const other of [`${key.slice(1)}l`, `${key}k`, `${key}\0`, `j${key.slice(1)}`]) {
      expect(count(key, other), other).toBeGreaterThan(20)
      expect(count(key, other), other).toBeLessThan(76)
    }
  }
})

test('gives the last offset of each key, like a Map, while it grows', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(300), { maxLength: 2000 }), fc.nat(2 ** 40), (keys, begin) => {
      const map = new KeyOffsetMap(begin, 1 << 16)
      const model = new Map<number, number>()
      for (const [index, key] of keys.entries()) {
        map.put(hashOf(`${key}`), 0, begin + index)
        model.set(key, begin + index)
      }
      expect(map.size).toBe(model.size)
      for (let key = 0; key < 320; key += 1) expect(map.get(hashOf(`${key}`), 0)).toBe(model.get(key) ?? -1)
    }),
    { numRuns: 30 },
  )
})

test('takes as many keys as it says, within its memory, also those with the longest offsets', () => {
  const map = new KeyOffsetMap(100, 1 << 20)
  const { room } = map
  expect(room).toBe(Math.floor(65_536 * 0.85))
  for (let key = 0; key < room; key += 1) map.put(hashOf(`${key}`), 0, 100 + 0xffff_fffd)
  expect(map.room).toBe(0)
  // A key that is there needs no room.
  map.put(hashOf('7'), 0, 100 + 0xffff_fffe)
  expect(map.get(hashOf('7'), 0)).toBe(100 + 0xffff_fffe)
  expect(map.get(hashOf('8'), 0)).toBe(100 + 0xffff_fffd)
  expect(map.get(hashOf('-1'), 0)).toBe(-1)
})

test('is empty for another section, and as large as before', () => {
  const map = new KeyOffsetMap(0, 1 << 16)
  const { room } = map
  for (let key = 0; key < room; key += 1) map.put(hashOf(`${key}`), 0, key)
  map.clear(5000)
  expect([map.size, map.room]).toEqual([0, room])
  expect(map.get(hashOf('7'), 0)).toBe(-1)
  map.put(hashOf('7'), 0, 5001)
  expect(map.get(hashOf('7'), 0)).toBe(5001)
})

test.each([1, 100, 5000])('a map for %i keys has room for them', (keys) => {
  expect(new KeyOffsetMap(0, mapBytesFor(keys)).room).toBeGreaterThanOrEqual(keys)
})
