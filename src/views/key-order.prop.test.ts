import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Key, type KeyPart, storeKey } from '../record/key-codec.ts'
import { compareKeys, compareWithPrefix } from './key-order.ts'

const part: fc.Arbitrary<KeyPart> = fc.oneof(
  fc.string({ maxLength: 3 }),
  fc.integer({ min: -5, max: 5 }),
  fc.boolean(),
)
const key: fc.Arbitrary<Key> = fc.oneof(part, fc.array(part, { minLength: 1, maxLength: 3 }))

test('numbers stand before texts, by value; tuples by element', () => {
  const keys: Key[] = [['b'], 'a', 10, 9, ['a', 2], -1, ['a'], '10', true, ['a', 10], '9', 'B', false]
  expect(keys.sort(compareKeys)).toEqual([
    false,
    true,
    -1,
    9,
    10,
    '10',
    '9',
    'B',
    'a',
    ['a'],
    ['a', 2],
    ['a', 10],
    ['b'],
  ])
})

test('it is a total order, and equal keys are the same key', () => {
  fc.assert(
    fc.property(key, key, key, (a, b, c) => {
      expect(Math.sign(compareKeys(a, b))).toBe(-Math.sign(compareKeys(b, a)) + 0)
      if (compareKeys(a, b) <= 0 && compareKeys(b, c) <= 0) expect(compareKeys(a, c)).toBeLessThanOrEqual(0)
      expect(compareKeys(a, b) === 0).toBe(storeKey(a) === storeKey(b))
    }),
  )
})

test('the keys with a prefix lie together, where the comparison says', () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 20 }), key, (keys, prefix) => {
      const sides = keys.sort(compareKeys).map((candidate) => Math.sign(compareWithPrefix(candidate, prefix)))
      expect(sides).toEqual(sides.toSorted((a, b) => a - b))
      for (const candidate of keys) {
        const begins =
          Array.isArray(candidate) && Array.isArray(prefix)
            ? prefix.every((element, index) => candidate[index] === element)
            : typeof candidate === 'string' && typeof prefix === 'string'
              ? candidate.startsWith(prefix)
              : compareKeys(candidate, prefix) === 0
        expect(compareWithPrefix(candidate, prefix) === 0).toBe(begins)
      }
    }),
  )
})
