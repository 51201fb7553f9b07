/**
 * Which records of a partition were handed out and are not finished.
 *
 * Work may end in any order, but only the lowest unfinished offset may be committed: whoever starts again there gets
 * every record that was not finished, and some that were. Offsets are handed out in ascending order, with holes where
 * markers, aborted or compacted records lie; once everything before a hole is finished, the position is behind it.
 *
 * State: a queue of offsets, of which each knows whether it is finished; records that were taken together have one place
 * in it. Cost: O(1) a place, amortised.
 */
import { assert } from '../base/assert.ts'
import type { Offset } from '../base/brands.ts'

/** Names what was taken, a record or several; given back when it is finished. */
export type Ticket = number

const FINISHED = -1
/** The head of the queue is cut off when so many of its places are empty. */
const EMPTY_MAX = 1024

export class UnfinishedOffsets {
  /** From `#head` on: offsets, or FINISHED. */
  #queue: Offset[] = []
  #head = 0
  /** Ticket of `#queue[0]`. */
  #firstTicket = 0
  /** Behind everything that was read, holes included. */
  #next: Offset
  #unfinished = 0

  /** @param next where reading begins. */
  constructor(next: Offset) {
    this.#next = next
  }

  /** What may be committed: the next record to process after a restart. */
  get position(): Offset {
    return this.#queue[this.#head] ?? this.#next
  }

  /** What is taken and not finished. */
  get count(): number {
    return this.#unfinished
  }

  take(offset: Offset): Ticket {
    return this.takeAll(offset, offset)
  }

  /** Takes records together: they have one ticket, and are finished in their order (`moveTo`) or all at once. */
  takeAll(first: Offset, last: Offset): Ticket {
    assert(first >= this.#next, () => `offset ${first} is taken after ${this.#next}`)
    assert(last >= first, () => `offsets ${first} to ${last} are no records`)
    this.#next = last + 1
    this.#unfinished += 1
    return this.#firstTicket + this.#queue.push(first) - 1
  }

  /** Of the records of this ticket, those before `offset` are finished, and that one is not. */
  moveTo(ticket: Ticket, offset: Offset): void {
    const at = ticket - this.#firstTicket
    const current = this.#queue[at]
    if (at < this.#head || current === undefined || current === FINISHED) return
    const end = this.#queue[at + 1] ?? this.#next
    // A later ticket that is finished says nothing of its place.
    assert(
      offset >= current && (end === FINISHED || offset < end),
      () => `ticket ${ticket} moves from ${current} to ${offset}`,
    )
    this.#queue[at] = offset
  }

  /** Idempotent: a record may be finished by its handler and by a revocation. */
  finish(ticket: Ticket): void {
    const at = ticket - this.#firstTicket
    if (at < this.#head || this.#queue[at] === FINISHED) return
    assert(at < this.#queue.length, () => `ticket ${ticket} was never given out`)
    this.#queue[at] = FINISHED
    this.#unfinished -= 1
    while (this.#queue[this.#head] === FINISHED) this.#head += 1
    if (this.#head === this.#queue.length || this.#head >= EMPTY_MAX) this.#cut()
  }

  /** Finishes the record and all that were taken before it. */
  finishTo(ticket: Ticket): void {
    for (let each = this.#firstTicket + this.#head; each <= ticket; each += 1) this.finish(each)
  }

  /** There is nothing below `next` that was not taken. */
  readTo(next: Offset): void {
    this.#next = Math.max(this.#next, next)
  }

  #cut(): void {
    this.#queue.splice(0, this.#head)
    this.#firstTicket += this.#head
    this.#head = 0
  }
}
