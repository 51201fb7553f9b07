import type { Key } from '../record/key-codec.ts'

/**
 * The order of keys in a view: booleans, then numbers by value, then texts by UTF-16 code unit, then tuples element by
 * element, where a tuple stands before the longer ones that begin with it. It is a total order: two keys compare as 0
 * only if they are the same key.
 */
export function compareKeys(left: Key, right: Key): number {
  if (typeof left === 'string' && typeof right === 'string') return left < right ? -1 : left > right ? 1 : 0
  if (typeof left === 'number' && typeof right === 'number') return left - right
  const ranks = rank(left) - rank(right)
  if (ranks !== 0) return ranks
  if (Array.isArray(left)) return compareTuples(left, right as readonly Key[])
  return left < right ? -1 : left > right ? 1 : 0
}

/**
 * Where a key stands against the keys that begin with `prefix`: below them (negative), among them (0), above them.
 * A text begins with a shorter text; a tuple begins with the elements of a shorter tuple.
 */
export function compareWithPrefix(key: Key, prefix: Key): number {
  if (typeof key === 'string' && typeof prefix === 'string') {
    if (key.startsWith(prefix)) return 0
    return key < prefix ? -1 : 1
  }
  if (Array.isArray(key) && Array.isArray(prefix) && key.length > prefix.length) {
    return compareTuples(key.slice(0, prefix.length), prefix)
  }
  return compareKeys(key, prefix)
}

function compareTuples(left: readonly Key[], right: readonly Key[]): number {
  const common = Math.min(left.length, right.length)
  for (let index = 0; index < common; index++) {
    const order = compareKeys(left[index] as Key, right[index] as Key)
    if (order !== 0) return order
  }
  return left.length - right.length
}

function rank(key: Key): number {
  if (typeof key === 'boolean') return 0
  if (typeof key === 'number') return 1
  return typeof key === 'string' ? 2 : 3
}
