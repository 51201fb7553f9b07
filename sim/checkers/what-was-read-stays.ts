import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

interface Remembered {
  readonly id: number
  readonly key: string | null
  readonly tombstone: boolean
}

/**
 * A committed record that was read once is read again, at the same offset, by every later reader, crash or not; with
 * durability `os` for as long as the power stays.
 */
export class WhatWasReadStays implements Checker {
  readonly name = 'what-was-read-stays'
  readonly #places = new Map<string, Map<number, Remembered>>()

  check(seen: Seen): string | undefined {
    for (const [place, from] of seen.lost.from) {
      const known = this.#places.get(place)
      for (const offset of known?.keys() ?? []) if (offset >= from) known?.delete(offset)
    }
    for (const view of seen.changed) {
      const known = this.#places.get(view.place) ?? new Map<number, Remembered>()
      this.#places.set(view.place, known)
      for (const [offset, { id, key, tombstone }] of known) {
        if (offset < view.start) {
          known.delete(offset)
          continue
        }
        const found = view.committedAt.get(offset)?.id
        if (found === id) continue
        if (found === undefined && seen.keys.mayBeGone(view, key, offset, tombstone)) continue
        return `${view.name}@${offset} was record ${id}, and is ${found === undefined ? 'gone' : `record ${found}`}`
      }
      for (const { id, stored } of view.committed) {
        const key = stored.key === null ? null : Buffer.from(stored.key).toString()
        known.set(stored.offset, { id, key, tombstone: stored.value === null })
      }
    }
    return undefined
  }
}
