import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Entry, LIVE } from './entry.ts'
import { EntryTable } from './entry-table.ts'
import { compareHashed, hashOfKey } from './key-hash.ts'
import type { StoreKey } from './keyed-store.ts'

const arbitraryKey = fc.oneof(
  fc.integer({ min: 0, max: 60 }),
  fc.integer({ min: 0, max: 60 }).map((number) => `key-${number}`),
)
const arbitrarySteps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('add' as const), key: arbitraryKey }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), key: arbitraryKey }) },
    { arbitrary: fc.record({ kind: fc.constant('recycle' as const), key: arbitraryKey }), weight: 1 },
  ),
  { maxLength: 300 },
)
/** All hashes: those of the keys, a few at the end of the table, where walks wrap around, and equal ones. */
const arbitraryHashOf = fc.constantFrom<(key: StoreKey) => number>(
  hashOfKey,
  (key) => (hashOfKey(key) & 7) - 4,
  () => -1,
)

test('it is a Map in the order of its hashes', () => {
  fc.assert(
    fc.property(arbitrarySteps, arbitraryHashOf, (steps, hashOf) => {
      const table = new EntryTable()
      const model = new Map<StoreKey, Entry>()
      for (const { kind, key } of steps) {
        const present = model.get(key)
        expect(table.find(key, hashOf(key))).toBe(present)
        if (kind === 'recycle') {
          if (table.recycle()) model.clear()
        } else if (kind === 'remove' && present !== undefined) {
          table.remove(present)
          model.delete(key)
        } else if (kind === 'add' && present === undefined) {
          const spare = table.spare()
          // What it gives away is nobody's.
          expect([...model.values()]).not.toContain(spare)
          const entry = spare ?? new Entry(key, hashOf(key), key, LIVE)
          Object.assign(entry, { key, hash: hashOf(key), flags: LIVE })
          table.add(entry)
          model.set(key, entry)
        }
      }
      expect(table.size).toBe(model.size)
      expect(new Set(table.values())).toEqual(new Set(model.values()))
      const sorted = [...model.values()].sort((left, right) =>
        compareHashed(left.hash, left.key, right.hash, right.key),
      )
      expect(table.sorted()).toEqual(sorted)
      for (const { hash } of sorted.slice(0, 20)) {
        const rest = sorted.filter((entry) => entry.hash >>> 0 >= hash >>> 0)
        const given = table.sorted(hash)
        // Perhaps with some before them, but in order.
        expect(given.slice(given.length - rest.length)).toEqual(rest)
        expect(given).toEqual(sorted.filter((entry) => given.includes(entry)))
      }
    }),
    { numRuns: 300 },
  )
})

test('upper bits that are the same in all hashes tell nothing, and are left out', () => {
  const table = new EntryTable(8)
  const entries = Array.from({ length: 5_000 }, (_, index) => {
    return new Entry(index, 0x7f000000 | (hashOfKey(index) >>> 8), index, LIVE)
  })
  for (const entry of entries) table.add(entry)
  for (const entry of entries) expect(table.find(entry.key, entry.hash)).toBe(entry)
  expect(table.sorted()).toEqual([...entries].sort((left, right) => left.hash - right.hash))
})

test('a walk over the entries misses none, whatever is added and removed meanwhile', () => {
  const table = new EntryTable()
  const kept = Array.from({ length: 40 }, (_, index) => new Entry(index, hashOfKey(index), index, LIVE))
  const removed = Array.from(
    { length: 40 },
    (_, index) => new Entry(`r${index}`, hashOfKey(`r${index}`), 0, LIVE),
  )
  for (const [index, entry] of kept.entries()) {
    table.add(removed[index] as Entry)
    table.add(entry)
  }
  const seen = new Set<Entry>()
  const walk = table.values()
  for (let turn = 0; turn < 10; turn += 1) seen.add(walk.next().value as Entry)
  for (const entry of removed) table.remove(entry)
  // It grows, and leaves the holes behind.
  for (let more = 0; more < 500; more += 1)
    table.add(new Entry(`m${more}`, hashOfKey(`m${more}`), more, LIVE))
  for (const entry of walk) seen.add(entry)
  for (const entry of kept) expect(seen).toContain(entry)
})

test('a table that begins anew gives its entries again, one after the other, and others may come between', () => {
  const table = new EntryTable()
  const entries = Array.from({ length: 100 }, (_, index) => new Entry(index, hashOfKey(index), index, LIVE))
  for (const entry of entries) table.add(entry)
  expect(table.spare()).toBeUndefined()
  table.remove(entries[1] as Entry)
  expect(table.recycle()).toBe(true)
  expect(table.size).toBe(0)
  expect(table.find(0, hashOfKey(0))).toBeUndefined()
  expect(table.spare()).toBe(entries[0])
  expect(table.spare()).toBe(entries[0])
  const strange = new Entry('strange', hashOfKey('strange'), 0, LIVE)
  table.add(strange)
  // One that was removed is nobody's to give.
  expect(table.spare()).toBeUndefined()
  table.add(new Entry('other', hashOfKey('other'), 0, LIVE))
  expect(table.spare()).toBe(entries[2])
  expect(table.find('strange', strange.hash)).toBe(strange)
  expect([...table.values()].map(({ key }) => key)).toEqual(['strange', 'other'])
})

test('a table that became much too large is not used again, nor are entries that were not used', () => {
  const table = new EntryTable()
  for (let key = 0; key < 1_000; key += 1) table.add(new Entry(key, hashOfKey(key), key, LIVE))
  expect(table.recycle()).toBe(true)
  for (let key = 0; key < 300; key += 1) table.add(new Entry(key, hashOfKey(key), key, LIVE))
  expect(table.recycle()).toBe(true)
  for (let key = 0; key < 300; key += 1) {
    expect(table.spare()).toBeDefined()
    table.add(new Entry(key, hashOfKey(key), key, LIVE))
  }
  expect(table.spare()).toBeUndefined()
  expect(table.recycle()).toBe(true)
  for (let key = 0; key < 50; key += 1) table.add(new Entry(key, hashOfKey(key), key, LIVE))
  expect(table.recycle()).toBe(false)
  expect(table.size).toBe(50)
})
