/**
 * The last offset of each key of a section of a partition, in a bounded piece of memory.
 *
 * State: slots of four 32-bit words, three of the key's hash and the offset less the section's begin, plus one; 0: the
 * slot is free. A key's slot is the first free one from the place on that its hash says. Keys themselves are not kept.
 * The table begins small and grows up to the budget; nothing is removed.
 * Cost: 16 bytes a slot, so that four neighbours share a cache line; full at 85 %, where a look-up sees about four of
 * them. While it grows, the table that it leaves is there too: a quarter as much again.
 */
import { assert } from '../../base/assert.ts'
import type { Offset } from '../../base/brands.ts'
import { HASH_WORDS } from './key-hash.ts'

const SLOT_WORDS = 4
const SLOT_BYTES = 16
const SLOTS_MIN = 16
/** The first table has at most so many; growth to it would cost more than it saves. */
const SLOTS_BEGIN_MAX = 1 << 16
const GROWTH = 4
const LOAD_MAX = 0.85
/** The largest section: offsets are kept in 32 bits. */
export const SECTION_OFFSETS_MAX = 0xffff_fffe

/** What a map of so many keys takes. */
export function mapBytesFor(keys: number): number {
  return 2 * SLOT_BYTES * Math.ceil(keys / LOAD_MAX)
}

export class KeyOffsetMap {
  #begin: Offset
  readonly #slotsMax: number
  #words: Int32Array
  #mask: number
  #growAbove: number
  #count = 0

  /** @param begin the first offset that may be put. */
  constructor(begin: Offset, bytesMax: number) {
    this.#begin = begin
    let slots = SLOTS_MIN
    while (slots * 2 * SLOT_BYTES <= bytesMax) slots *= 2
    this.#slotsMax = slots
    let first = slots
    while (first > SLOTS_BEGIN_MAX) first /= GROWTH
    this.#words = new Int32Array(first * SLOT_WORDS)
    this.#mask = first - 1
    this.#growAbove = Math.floor(first * LOAD_MAX)
  }

  /** For another section; the memory is used again, so that two passes do not take twice as much. */
  clear(begin: Offset): void {
    this.#begin = begin
    this.#words.fill(0)
    this.#count = 0
  }

  get size(): number {
    return this.#count
  }

  /** How many new keys it surely takes. */
  get room(): number {
    return Math.floor(this.#slotsMax * LOAD_MAX) - this.#count
  }

  /**
   * The hash at `hashes[at]` and behind has this offset; offsets come in ascending order. Neither this nor `get` does
   * anything else, so that the processor waits for the memory of several keys at once.
   */
  put(hashes: Int32Array, at: number, offset: Offset): void {
    let slot = this.#find(hashes[at] as number, hashes[at + 1] as number, hashes[at + 2] as number)
    if (this.#words[slot + 3] === 0) {
      if (this.#count >= this.#growAbove) {
        this.#grow()
        slot = this.#find(hashes[at] as number, hashes[at + 1] as number, hashes[at + 2] as number)
      }
      for (let word = 0; word < HASH_WORDS; word += 1) this.#words[slot + word] = hashes[at + word] as number
      this.#count += 1
    }
    this.#words[slot + 3] = offset - this.#begin + 1
  }

  /** -1: the key is not there. */
  get(hashes: Int32Array, at: number): Offset {
    const slot = this.#find(hashes[at] as number, hashes[at + 1] as number, hashes[at + 2] as number)
    const relative = (this.#words[slot + 3] as number) >>> 0
    return relative === 0 ? -1 : this.#begin + relative - 1
  }

  /** Where the key's slot is, or the free one that it would get. */
  #find(first: number, second: number, third: number): number {
    const words = this.#words
    const mask = this.#mask
    for (let slot = first & mask; ; slot = (slot + 1) & mask) {
      const at = slot * SLOT_WORDS
      if (words[at + 3] === 0) return at
      if (words[at] === first && words[at + 1] === second && words[at + 2] === third) return at
    }
  }

  #grow(): void {
    const old = this.#words
    const slots = (this.#mask + 1) * GROWTH
    assert(slots <= this.#slotsMax, () => `the map has room for ${this.room} keys, and not for one more`)
    this.#words = new Int32Array(slots * SLOT_WORDS)
    this.#mask = slots - 1
    this.#growAbove = Math.floor(slots * LOAD_MAX)
    for (let at = 0; at < old.length; at += SLOT_WORDS) {
      if (old[at + 3] === 0) continue
      const to = this.#find(old[at] as number, old[at + 1] as number, old[at + 2] as number)
      for (let word = 0; word < SLOT_WORDS; word += 1) this.#words[to + word] = old[at + word] as number
    }
  }
}
