import type { Offset, PartitionId, Timestamp } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import type { Key } from '../record/key-codec.ts'

/** A change of a row, with the rows as JSON text: they are parsed when somebody looks at them. */
export interface RowChange {
  readonly key: Key
  readonly storeKey: string | number
  /** Undefined: there was no row. */
  readonly before: string | undefined
  /** Undefined: the row was removed. */
  readonly after: string | undefined
  readonly timestamp: Timestamp
  readonly partition: PartitionId
  /** Behind the commit, in the view's changelog; 0: a row that was there when the subscription began. */
  readonly position: Offset
  /** Which of the changes of that commit. */
  readonly index: number
}

/** The change's share of memory, in bytes. */
export function changeBytes(change: RowChange): number {
  return CHANGE_BYTES + (change.before?.length ?? 0) + (change.after?.length ?? 0)
}

export interface SubscriptionLimits {
  /** From here on changes of a key are folded into one. Default 4 MiB. */
  readonly foldBytes: number
  /** What even folded changes must not exceed: the subscriber is given up, and hears it. Default 64 MiB. */
  readonly bytesMax: number
}

export const SUBSCRIPTION_LIMITS: SubscriptionLimits = {
  foldBytes: 4 * 1024 * 1024,
  bytesMax: 64 * 1024 * 1024,
}

/** A change's share of memory beside its texts: object, key, slot. */
const CHANGE_BYTES = 120

/**
 * What one subscriber has not taken yet.
 *
 * State: a queue of changes in commit order and its size in bytes (characters, as most rows are ASCII).
 * Rules: a subscriber that keeps up gets every change. One that does not gets, once the queue has grown to
 * `foldBytes`, one change a key: from what it saw last to what is there now, at the place of the last one; a row that
 * came and went in between is not mentioned. Nothing else is ever left out: a subscriber too slow even for that is
 * ended with an error.
 * Cost: folding is O(queue), and its threshold doubles with what is left, so it is O(1) a change.
 */
export class Subscription {
  readonly #limits: SubscriptionLimits
  readonly #onClose: () => void
  /** The rows that were there at the beginning, taken before the queue. */
  #rows: Iterator<RowChange> | undefined
  #queue: RowChange[] = []
  #head = 0
  #bytes = 0
  #foldAt: number
  #folded = 0
  #beginsWithRows = false
  #state: 'open' | 'ended' = 'open'
  #failure: Error | undefined
  #waiter: (() => void) | undefined

  /** @param onClose called once, when the subscription needs no more changes. */
  constructor(limits: SubscriptionLimits, onClose: () => void) {
    this.#limits = limits
    this.#foldAt = limits.foldBytes
    this.#onClose = onClose
  }

  /** How many changes were folded into a later one. */
  get folded(): number {
    return this.#folded
  }

  /** Whether it gives all rows first: those that it does not give are gone. */
  get beginsWithRows(): boolean {
    return this.#beginsWithRows
  }

  get ended(): boolean {
    return this.#state === 'ended' && this.#rows === undefined && this.#head === this.#queue.length
  }

  get failure(): Error | undefined {
    return this.#failure
  }

  /** The rows that are there when the subscription begins, as changes: they do not count against the limits. */
  begin(rows: Iterable<RowChange>): void {
    this.#beginsWithRows = true
    this.#rows = rows[Symbol.iterator]()
  }

  offer(change: RowChange): void {
    if (this.#state === 'ended') return
    this.#queue.push(change)
    this.#bytes += changeBytes(change)
    if (this.#bytes > this.#foldAt) this.#fold()
    this.#wakeWaiter()
  }

  /** The next change in order; undefined: none now. */
  take(): RowChange | undefined {
    const row = this.#rows?.next()
    if (row?.done === false) return row.value
    this.#rows = undefined
    const change = this.#queue[this.#head]
    if (change === undefined) return undefined
    this.#head++
    this.#bytes -= changeBytes(change)
    // Half of the queue is behind the head: let go of it, so that a reader that is always a little late costs nothing.
    if (this.#head * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
      if (this.#queue.length === 0) this.#foldAt = this.#limits.foldBytes
    }
    return change
  }

  /** Calls `wake` once, when there is a change to take or the subscription has ended. One waiter at a time. */
  whenReady(wake: () => void): void {
    this.#waiter = wake
    if (this.#rows !== undefined || this.#head < this.#queue.length || this.#state === 'ended')
      this.#wakeWaiter()
  }

  /** No more changes; what is queued can still be taken, unless there is a failure. Idempotent. */
  end(failure?: Error): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#failure = failure
    if (failure !== undefined) this.#drop()
    this.#onClose()
    this.#wakeWaiter()
  }

  /** The subscriber has gone: forgets what is queued. Idempotent. */
  cancel(): void {
    this.end()
    this.#drop()
  }

  #drop(): void {
    this.#rows = undefined
    this.#queue = []
    this.#head = 0
    this.#bytes = 0
  }

  #wakeWaiter(): void {
    const wake = this.#waiter
    this.#waiter = undefined
    wake?.()
  }

  #fold(): void {
    const byKey = new Map<string | number, RowChange>()
    let before = 0
    for (; this.#head < this.#queue.length; this.#head++, before++) {
      const change = this.#queue[this.#head] as RowChange
      const earlier = byKey.get(change.storeKey)
      if (earlier === undefined) {
        byKey.set(change.storeKey, change)
        continue
      }
      byKey.delete(change.storeKey)
      const came = earlier.before === undefined && change.after === undefined
      if (!came) byKey.set(change.storeKey, { ...change, before: earlier.before })
    }
    this.#queue = [...byKey.values()]
    this.#head = 0
    this.#folded += before - this.#queue.length
    this.#bytes = this.#queue.reduce((total, change) => total + changeBytes(change), 0)
    this.#foldAt = Math.max(this.#limits.foldBytes, this.#bytes * 2)
    if (this.#bytes <= this.#limits.bytesMax) return
    const problem = `a subscriber is ${this.#queue.length} rows (${this.#bytes} bytes) behind, the limit is ${this.#limits.bytesMax}`
    this.end(
      new MillraceError(
        'MILLRACE_CLOSED',
        `${problem}: subscribe again from the start, and take changes faster`,
      ),
    )
  }
}
