import type { StoreKey } from './keyed-store.ts'

/** The store holds a value for the key. Without it the entry is a ghost: deleted since the last commit. */
export const LIVE = 1
/** Changed since the last commit, and in its space's dirty list. */
export const DIRTY = 2
/** The changelog has a value for the key, so that a delete must be written. */
export const DURABLE = 4
/** The value is a {@link RawValue} that nobody asked for yet. */
export const RAW = 8
/** The whole of a new value's flags, where values are entries themselves: no store holds it yet. */
export const UNOWNED = 16

/** A value as it was restored: a range of a block of the snapshot or of a batch of the changelog. */
export class RawValue {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes
    this.start = start
    this.end = end
  }
}

/**
 * One key of a namespace. A value may be an entry itself, so that a store of many small values needs one object for
 * each, not two: then it is its own `value`, for as long as it is the first one of its key.
 */
export class Entry {
  key: StoreKey
  hash: number
  /** The user's value, or a RawValue while `RAW` is set. */
  value: unknown
  flags: number

  constructor(key: StoreKey, hash: number, value: unknown, flags: number) {
    this.key = key
    this.hash = hash
    this.value = value
    this.flags = flags
  }

  /** Touches what will be read of it, see `bringNear`. Values that are entries add theirs. */
  near(): number {
    return this.flags
  }

  /** The entry of a value that no store holds: the value itself, if it is one. */
  static of(key: StoreKey, hash: number, value: unknown, flags: number): Entry {
    if (!(value instanceof Entry) || value.flags !== UNOWNED) return new Entry(key, hash, value, flags)
    value.key = key
    value.hash = hash
    value.value = value
    value.flags = flags
    return value
  }
}

/** So many entries are brought near at once. */
export const NEAR_ENTRIES = 64

/**
 * Looks at the entries whose turn comes next. Each may lie in a cold place of the memory: asked for all at once, the
 * processor waits for all of them together. Negative: none of them is there any more; else a number that says nothing,
 * which only is what makes it look.
 */
export function bringNear(entries: readonly (Entry | undefined)[], start: number): number {
  const end = Math.min(start + NEAR_ENTRIES, entries.length)
  let flagsOfAll = 0
  let units = 0
  for (let index = start; index < end; index += 1) {
    const entry = entries[index]
    if (entry === undefined) continue
    flagsOfAll |= entry.flags
    units |= entry.near()
    units |= typeof entry.key === 'string' ? entry.key.length : 1
  }
  return (flagsOfAll & LIVE) === 0 ? -1 : units
}
