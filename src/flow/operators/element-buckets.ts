/**
 * Elements of aggregates (distinct values, collected ones) as entries of their own.
 *
 * State: in memory a Map per bucket, which is what aggregates read; beside it a keyed store that is never read while it
 * runs: it remembers what a commit has to write. Both hold the same objects. After a restart the Maps are filled from
 * the store once.
 * Cost: an element costs one entry in a Map, one in the store, and one record in the commit in which it changed.
 */
import { MillraceError } from '../../base/errors.ts'
import type { Namespace, StoreKey } from '../../state/keyed-store.ts'
import type { MemoryStore } from '../../state/memory-store.ts'
import type { ElementBucket } from '../graph/aggregate.ts'

type Elements = Map<string | number, unknown>

/** A bucket that nothing keeps: for merging panes. */
export class MemoryBucket implements ElementBucket {
  readonly #elements: Elements = new Map()

  get size(): number {
    return this.#elements.size
  }
  get(element: string | number): unknown {
    return this.#elements.get(element)
  }
  put(element: string | number, stored: unknown): void {
    this.#elements.set(element, stored)
  }
  delete(element: string | number): void {
    this.#elements.delete(element)
  }
  entries(): Iterable<readonly [string | number, unknown]> {
    return this.#elements
  }
}

export class StoredBucket implements ElementBucket {
  readonly #store: MemoryStore<unknown>
  readonly #namespace: Namespace
  readonly #key: StoreKey
  readonly #elements: Elements

  constructor(store: MemoryStore<unknown>, namespace: Namespace, key: StoreKey, elements: Elements) {
    this.#store = store
    this.#namespace = namespace
    this.#key = key
    this.#elements = elements
  }

  get size(): number {
    return this.#elements.size
  }
  get(element: string | number): unknown {
    return this.#elements.get(element)
  }
  put(element: string | number, stored: unknown): void {
    this.#elements.set(element, stored)
    this.#store.put(this.#namespace, elementKey(this.#key, element), stored)
  }
  delete(element: string | number): void {
    if (this.#elements.delete(element)) this.#store.delete(this.#namespace, elementKey(this.#key, element))
  }
  entries(): Iterable<readonly [string | number, unknown]> {
    return this.#elements
  }
}

/** The buckets of one aggregate of one task. */
export class ElementBuckets {
  readonly #store: MemoryStore<unknown>
  readonly #index = new Map<Namespace, Map<StoreKey, Elements>>()

  constructor(store: MemoryStore<unknown>) {
    this.#store = store
  }

  /** Fills the index from the restored store. */
  restored(): void {
    for (const namespace of this.#store.namespaces()) {
      for (const [composite, stored] of this.#store.scan(namespace)) {
        const [key, element] = parseElementKey(composite as string)
        this.#elements(namespace, key).set(element, stored)
      }
    }
  }

  bucket(namespace: Namespace, key: StoreKey): StoredBucket {
    return new StoredBucket(this.#store, namespace, key, this.#elements(namespace, key))
  }

  /** Removes one bucket with its elements. */
  remove(namespace: Namespace, key: StoreKey): void {
    const buckets = this.#index.get(namespace)
    const elements = buckets?.get(key)
    if (buckets === undefined || elements === undefined) return
    for (const element of elements.keys()) this.#store.delete(namespace, elementKey(key, element))
    buckets.delete(key)
    if (buckets.size === 0) this.#index.delete(namespace)
  }

  drop(namespace: Namespace): void {
    this.#index.delete(namespace)
    this.#store.drop(namespace)
  }

  #elements(namespace: Namespace, key: StoreKey): Elements {
    let buckets = this.#index.get(namespace)
    if (buckets === undefined) {
      buckets = new Map()
      this.#index.set(namespace, buckets)
    }
    let elements = buckets.get(key)
    if (elements === undefined) {
      elements = new Map()
      buckets.set(key, elements)
    }
    return elements
  }
}

/** Length and kind of the key, the key, kind of the element, the element: `3s:abcn7`. */
function elementKey(key: StoreKey, element: string | number): string {
  const text = String(key)
  const kind = typeof key === 'number' ? 'n' : 's'
  return `${text.length}${kind}:${text}${typeof element === 'number' ? 'n' : 's'}${element}`
}

function parseElementKey(composite: string): [StoreKey, string | number] {
  const colon = composite.indexOf(':')
  const length = Number.parseInt(composite.slice(0, colon - 1), 10)
  if (colon < 2 || !Number.isSafeInteger(length)) {
    throw new MillraceError('MILLRACE_CORRUPT', `${JSON.stringify(composite)} is no key of an element`)
  }
  const text = composite.slice(colon + 1, colon + 1 + length)
  const element = composite.slice(colon + 2 + length)
  return [
    composite[colon - 1] === 'n' ? Number(text) : text,
    composite[colon + 1 + length] === 'n' ? Number(element) : element,
  ]
}
