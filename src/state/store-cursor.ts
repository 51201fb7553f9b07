import { DIRTY, type Entry, LIVE, RAW, type RawValue } from './entry.ts'
import type { EntryCursor, EntrySink } from './snapshot-source.ts'
import type { Space } from './space.ts'
import type { StoreCodec } from './store-codec.ts'

/** Reads the committed entries of a memory store for a snapshot, over changes and commits. */
export class StoreCursor<V> implements EntryCursor {
  readonly #codec: StoreCodec<V>
  readonly #sink: EntrySink
  /** Those still to be read, the next one last. Namespaces that come later are in the changelog. */
  readonly #spaces: Space[]
  #space: Space | undefined
  #entries: Iterator<Entry> | undefined

  constructor(spaces: readonly Space[], codec: StoreCodec<V>, sink: EntrySink) {
    this.#spaces = [...spaces].reverse()
    this.#codec = codec
    this.#sink = sink
  }

  next(): boolean {
    if (this.#entries === undefined) {
      this.#space = this.#spaces.pop()
      if (this.#space === undefined) return false
      this.#entries = this.#space.entries()
    }
    const next = this.#entries.next()
    if (next.done === true || (this.#space as Space).dropped) this.#entries = undefined
    else this.#give((this.#space as Space).namespace, next.value)
    return true
  }

  #give(namespace: number, { key, flags, value }: Entry): void {
    if ((flags & DIRTY) !== 0) {
      this.#sink.leftOut()
      return
    }
    if ((flags & LIVE) === 0) return
    if ((flags & RAW) !== 0) {
      const raw = value as RawValue
      this.#sink.bytes(namespace, key, raw.bytes, raw.start, raw.end)
      return
    }
    const encoded = this.#codec.encode(value as V)
    if (typeof encoded === 'string') this.#sink.text(namespace, key, encoded)
    else this.#sink.bytes(namespace, key, encoded, 0, encoded.length)
  }
}
