import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashOfAscii, hashOfKey } from './key-hash.ts'
import type { StoreKey } from './keyed-store.ts'
import { RestoredEntries } from './restored-entries.ts'

const keys: fc.Arbitrary<StoreKey> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom<StoreKey>('', 'a', 'b', 'user-1', 'ä', '\ud800', '\u0000a', 0, 1, '1'),
  },
  fc.string({ maxLength: 6 }),
  fc.integer(),
)
const steps = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('set' as const, 'text' as const),
      key: keys,
      newBlock: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('remove' as const), key: keys, newBlock: fc.constant(false) }),
  },
)

function valueOf(entries: RestoredEntries, row: number): string {
  const bytes = Buffer.from(entries.bytes(row))
  return bytes.toString('utf8', entries.valueStart(row), entries.valueEnd(row))
}

function isAsciiText(key: StoreKey): key is string {
  return typeof key === 'string' && Buffer.byteLength(key) === key.length
}

test('any sets and removals amount to those of a Map, by bytes and by key alike', () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 150 }), (history) => {
      const entries = new RestoredEntries()
      const model = new Map<StoreKey, string>()
      let block = Buffer.alloc(4_096)
      let used = 0
      for (const [index, { kind, key, newBlock }] of history.entries()) {
        if (kind === 'remove') {
          expect(entries.remove(key, hashOfKey(key))).toBe(model.delete(key))
          continue
        }
        if (newBlock || used > 4_000) {
          block = Buffer.alloc(4_096)
          used = 0
        }
        // Whatever is looked for, there or not, changes nothing.
        entries.lookAhead(Int32Array.of(hashOfKey(key), index), 2)
        const value = `v${index}`
        const keyEnd = used + block.write(String(key), used)
        const end = keyEnd + block.write(value, keyEnd)
        if (kind === 'text' && isAsciiText(key)) entries.setText(block, used, keyEnd, keyEnd, end)
        else entries.set(key, block, keyEnd, end)
        used = end
        model.set(key, value)
      }
      expect(entries.size).toBe(model.size)
      const all = [...entries.all()].map((row) => [entries.key(row), valueOf(entries, row)] as const)
      expect(new Map(all)).toEqual(model)
      expect(all).toHaveLength(model.size)
      for (const [key, value] of model)
        expect(valueOf(entries, entries.find(key, hashOfKey(key)))).toBe(value)
    }),
    { numRuns: 300 },
  )
})

test('a text in ASCII has the hash of the text, whatever its bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii' }), (text) => {
      const bytes = Buffer.from(`#${text}#`, 'latin1')
      expect(hashOfAscii(bytes, 1, bytes.length - 1)).toBe(hashOfKey(text))
    }),
  )
})

test('many entries: pieces hold exactly the keys whose hash begins so, also after removals', () => {
  const entries = new RestoredEntries()
  const count = 20_000
  const block = Buffer.from(
    Array.from({ length: count }, (_, index) => `k${String(index).padStart(6, '0')}`).join(''),
  )
  for (let index = 0; index < count; index += 1) entries.setText(block, index * 7, index * 7 + 7, 0, index)
  expect(entries.inPieces).toBe(true)
  for (let index = 0; index < count; index += 3) {
    const key = `k${String(index).padStart(6, '0')}`
    expect(entries.remove(key, hashOfKey(key))).toBe(true)
    expect(entries.remove(key, hashOfKey(key))).toBe(false)
    expect(entries.find(key, hashOfKey(key))).toBeLessThan(0)
  }
  let seen = 0
  for (let piece = 0; piece < 256; piece += 1) {
    for (const row of entries.piece(piece)) {
      const key = entries.key(row)
      expect(hashOfKey(key) >>> 24).toBe(piece)
      expect(Number(String(key).slice(1)) % 3).not.toBe(0)
      expect(entries.valueEnd(row)).toBe(Number(String(key).slice(1)))
      seen += 1
    }
  }
  expect(seen).toBe(entries.size)
  expect(entries.size).toBe(count - Math.ceil(count / 3))
})

test('keys with one hash are told apart, and removing one leaves the other', () => {
  const byHash = new Map<number, string>()
  let pair: readonly [string, string] | undefined
  for (let index = 0; pair === undefined; index += 1) {
    const key = `c${index}`
    const other = byHash.get(hashOfKey(key))
    if (other !== undefined) pair = [other, key]
    byHash.set(hashOfKey(key), key)
  }
  const [first, second] = pair
  const entries = new RestoredEntries()
  const bytes = Buffer.from(first + second)
  entries.setText(bytes, 0, first.length, 0, 1)
  entries.set(second, bytes, 0, 2)
  entries.setText(bytes, first.length, bytes.length, 0, 3)
  expect(entries.size).toBe(2)
  expect(entries.remove(first, hashOfKey(first))).toBe(true)
  expect(entries.valueEnd(entries.find(second, hashOfKey(second)))).toBe(3)
})

test('a row keeps its number over new values, and what nobody needs of a block is let go', () => {
  const entries = new RestoredEntries()
  const row = entries.setText(Buffer.from('a1'), 0, 1, 1, 2)
  expect(entries.setText(Buffer.from('a2'), 0, 1, 1, 2)).toBe(row)
  expect(entries.set('a', Buffer.from('3'), 0, 1)).toBe(row)
  expect(entries.key(row)).toBe('a')
  expect(valueOf(entries, row)).toBe('3')
  expect(entries.size).toBe(1)
})
