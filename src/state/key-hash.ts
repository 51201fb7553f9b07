import { assert } from '../base/assert.ts'
import type { StoreKey } from './keyed-store.ts'

const doubles = new Float64Array(1)
const halves = new Uint32Array(doubles.buffer)

/**
 * The 32-bit hash by which a store is split and scanned (SEMANTICS 2.5), as a signed integer so that it stays a small
 * integer of the engine. Part of what makes two runs equal: changing it changes the order of results.
 *
 * Strings: FNV-1a over UTF-16 units; numbers: their two 32-bit halves. Both end in murmur3's finalizer, because the
 * store is split by the top bits and FNV alone leaves those of short keys alike.
 */
export function hashOfKey(key: StoreKey): number {
  return typeof key === 'string' ? hashOfText(key) : hashOfNumber(key)
}

function hashOfText(text: string): number {
  let hash = 0x811c9dc5 | 0
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return mixed(hash)
}

/** The same of a text that lies in ASCII: there bytes are UTF-16 units. */
export function hashOfAscii(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0
  for (let index = start; index < end; index += 1) {
    hash = Math.imul(hash ^ (bytes[index] as number), 0x01000193)
  }
  return mixed(hash)
}

function hashOfNumber(value: number): number {
  assert(value === value, 'a key is a number, not NaN')
  // 0 and -0 are one key to a Map, so they must be one to the hash.
  doubles[0] = value === 0 ? 0 : value
  return mixed((halves[0] as number) ^ Math.imul(halves[1] as number, 0x85ebca6b))
}

function mixed(seed: number): number {
  let hash = seed
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) | 0
}

/** The order of keys with equal hashes: numbers by value, then strings by UTF-16 units. */
export function compareKeys(left: StoreKey, right: StoreKey): number {
  if (left === right) return 0
  if (typeof left === 'number') return typeof right === 'number' && right < left ? 1 : -1
  if (typeof right === 'number') return 1
  return left < right ? -1 : 1
}

/** The order of a scan: by hash, taken as unsigned, then by key. */
export function compareHashed(leftHash: number, left: StoreKey, rightHash: number, right: StoreKey): number {
  return leftHash === rightHash ? compareKeys(left, right) : (leftHash >>> 0) - (rightHash >>> 0)
}
