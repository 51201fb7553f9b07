import type { Timestamp } from '../../base/brands.ts'
import { Heap } from '../../base/heap.ts'
import { compareHashed, hashOfKey } from '../../state/key-hash.ts'
import type { StoreKey } from '../../state/keyed-store.ts'

/** When a session may end. */
export interface SessionTimer {
  readonly end: Timestamp
  readonly key: StoreKey
  readonly hash: number
}

/** Ends of sessions, the earliest first, and those of one moment in the order of a store's scan (SEMANTICS 2.5). */
export class SessionTimers {
  readonly #heap = new Heap<SessionTimer>(compareTimers)

  add(end: Timestamp, key: StoreKey): void {
    this.#heap.push({ end, key, hash: hashOfKey(key) })
  }

  first(): SessionTimer | undefined {
    return this.#heap.peek()
  }

  removeFirst(): void {
    this.#heap.pop()
  }
}

function compareTimers(left: SessionTimer, right: SessionTimer): number {
  return left.end === right.end
    ? compareHashed(left.hash, left.key, right.hash, right.key)
    : left.end - right.end
}
