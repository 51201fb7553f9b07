import { NO_ROOM, SLACK_BYTES, WriteTarget } from '../record/write-target.ts'
import { DIRTY, type Entry, LIVE, RAW, type RawValue } from './entry.ts'
import type { EntryCursor, EntrySink } from './snapshot-source.ts'
import type { Space } from './space.ts'
import type { StoreCodec } from './store-codec.ts'

const SCRATCH_BYTES = 1_024

/** Reads the committed entries of a memory store for a snapshot, over changes and commits. */
export class StoreCursor<V> implements EntryCursor {
  readonly #codec: StoreCodec<V>
  readonly #sink: EntrySink
  /** Those still to be read, the next one last. Namespaces that come later are in the changelog. */
  readonly #spaces: Space[]
  #scratch = new WriteTarget(SCRATCH_BYTES)
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
    if (this.#codec.write !== undefined) {
      this.#sink.bytes(namespace, key, this.#scratch.bytes, 0, this.#written(value as V))
      return
    }
    const encoded = this.#codec.encode(value as V)
    if (typeof encoded === 'string') this.#sink.text(namespace, key, encoded)
    else this.#sink.bytes(namespace, key, encoded, 0, encoded.length)
  }

  /** Writes a value into the scratch; returns where it ends. */
  #written(value: V): number {
    for (;;) {
      const target = this.#scratch
      const end = this.#codec.write?.(target, 0, target.bytes.length - SLACK_BYTES, value) ?? NO_ROOM
      if (end >= 0) return end
      this.#scratch = new WriteTarget(target.bytes.length * 2)
    }
  }
}
