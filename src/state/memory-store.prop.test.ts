import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareHashed, hashOfKey } from './key-hash.ts'
import type { StoreKey } from './keyed-store.ts'
import { MemoryStore } from './memory-store.ts'
import { jsonStoreCodec } from './store-codec.ts'

interface Value {
  n: number
}

/** The naive store: what every sequence of calls must amount to, and what the changelog must rebuild. */
class Model {
  readonly rows = new Map<number, Map<StoreKey, number>>()

  get(namespace: number, key: StoreKey): number | undefined {
    return this.rows.get(namespace)?.get(key)
  }

  put(namespace: number, key: StoreKey, value: number): void {
    const row = this.rows.get(namespace) ?? new Map<StoreKey, number>()
    row.set(key, value)
    this.rows.set(namespace, row)
  }

  delete(namespace: number, key: StoreKey): void {
    const row = this.rows.get(namespace)
    row?.delete(key)
    if (row?.size === 0) this.rows.delete(namespace)
  }

  dump(): Map<string, number> {
    const all = new Map<string, number>()
    for (const [namespace, row] of this.rows) {
      for (const [key, value] of row) all.set(`${namespace} ${typeof key} ${key}`, value)
    }
    return all
  }
}

type Operation =
  | { kind: 'add' | 'delete'; namespace: number; key: StoreKey }
  | { kind: 'drop'; namespace: number }
  | { kind: 'commit' | 'restart' }

const namespaces = fc.constantFrom(0, 1_700_000_060_000, -60_000)
const keys: fc.Arbitrary<StoreKey> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<StoreKey>('a', 'b', 'c', 'ä', '\ud800', '', 0, -1, 1.5, '1', 1) },
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.integer(),
)
const operations: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('add' as const), namespace: namespaces, key: keys }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('delete' as const), namespace: namespaces, key: keys }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('drop' as const), namespace: namespaces }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('commit' as const, 'restart' as const) }) },
)

type Line = { key: Uint8Array; value: Uint8Array | undefined }

function commit(store: MemoryStore<Value>, changelog: Line[]): void {
  const seen = new Set<string>()
  store.writeChanges({
    change(bytes, keyStart, keyEnd, valueStart, valueEnd) {
      const key = bytes.slice(keyStart, keyEnd)
      const text = Buffer.from(key).toString('hex')
      expect(seen.has(text), 'each key once').toBe(false)
      seen.add(text)
      changelog.push({ key, value: valueStart < 0 ? undefined : bytes.slice(valueStart, valueEnd) })
    },
  })
  expect(store.changes).toBe(0)
}

function replayed(changelog: readonly Line[]): MemoryStore<Value> {
  const store = new MemoryStore<Value>('s', jsonStoreCodec<Value>())
  for (const { key, value } of changelog) {
    const bytes = Buffer.concat([key, value ?? new Uint8Array()])
    store.restore(bytes, 0, key.length, value === undefined ? -1 : key.length, bytes.length)
  }
  return store
}

function dump(store: MemoryStore<Value>): Map<string, number> {
  const all = new Map<string, number>()
  for (const namespace of store.namespaces()) {
    for (const [key, value] of store.scan(namespace)) all.set(`${namespace} ${typeof key} ${key}`, value.n)
  }
  return all
}

function apply(store: MemoryStore<Value>, model: Model, operation: Operation): void {
  if (operation.kind === 'add') {
    const { namespace, key } = operation
    const value = store.get(namespace, key)
    expect(value?.n).toBe(model.get(namespace, key))
    // A value that is there is changed in place: the store must not need a new object.
    const next = value ?? { n: 0 }
    next.n += 1
    store.put(namespace, key, next)
    model.put(namespace, key, next.n)
  } else if (operation.kind === 'delete') {
    store.delete(operation.namespace, operation.key)
    model.delete(operation.namespace, operation.key)
  } else if (operation.kind === 'drop') {
    store.drop(operation.namespace)
    model.rows.delete(operation.namespace)
  }
}

describe('the memory store against a Map', () => {
  test('any calls, commits and restarts from the changelog', () => {
    fc.assert(
      fc.property(fc.array(operations, { maxLength: 120 }), (steps) => {
        let store = new MemoryStore<Value>('s', jsonStoreCodec<Value>())
        const model = new Model()
        const changelog: Line[] = []
        for (const step of steps) {
          apply(store, model, step)
          if (step.kind === 'commit' || step.kind === 'restart') commit(store, changelog)
          if (step.kind === 'restart') store = replayed(changelog)
          expect([...store.namespaces()]).toEqual([...model.rows.keys()].sort((left, right) => left - right))
          expect(store.size).toBe(model.dump().size)
        }
        expect(dump(store)).toEqual(model.dump())
        commit(store, changelog)
        expect(dump(replayed(changelog))).toEqual(model.dump())
      }),
      { numRuns: 300 },
    )
  })

  test('a scan gives (hash, key) order from any key on, also while entries are deleted and changed', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(keys, { maxLength: 60, selector: (key) => `${typeof key}${key}` }),
        fc.nat(60),
        fc.func(fc.boolean()),
        (present, cut, deleted) => {
          const store = new MemoryStore<Value>('s', jsonStoreCodec<Value>())
          for (const key of present) store.put(7, key, { n: 1 })
          const order = [...present].sort((left, right) =>
            compareHashed(hashOfKey(left), left, hashOfKey(right), right),
          )
          const after = order[cut % Math.max(1, order.length)]
          const seen: StoreKey[] = []
          for (const [key] of store.scan(7, after)) {
            seen.push(key)
            if (deleted(key)) store.delete(7, key)
            else store.put(7, key, { n: 2 })
          }
          expect(seen).toEqual(order.slice(after === undefined ? 0 : order.indexOf(after) + 1))
        },
      ),
    )
  })
})
