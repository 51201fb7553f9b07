/** A row's number and the hash of its key, in turn. */
const SLOT_FIELDS = 2
const CAPACITY_MIN = 8
/** Of a row: nothing was ever there; what was there is gone. Rows are stored plus one. */
const FREE = 0
const REMOVED = -1

/**
 * A hash table from hashes to rows by linear probing, by the low bits of the hash. Keys are compared by who asks.
 *
 * Invariant: at most half of the slots are not free, so every walk ends.
 */
export class SlotTable {
  #slots = new Int32Array(CAPACITY_MIN * SLOT_FIELDS)
  #mask = CAPACITY_MIN - 1
  /** Slots that are not free. */
  #used = 0
  #place = 0

  /** Begins a walk over the rows whose keys have this hash. Returns the first, negative when there is none. */
  first(hash: number): number {
    this.#place = (hash & this.#mask) - 1
    return this.next(hash)
  }

  /** The next of the walk. */
  next(hash: number): number {
    const slots = this.#slots
    let place = this.#place
    for (;;) {
      place = (place + 1) & this.#mask
      const row = slots[place * SLOT_FIELDS] as number
      if (row === FREE || (row !== REMOVED && slots[place * SLOT_FIELDS + 1] === hash)) {
        this.#place = place
        return row - 1
      }
    }
  }

  /** The row in the slot where the walk begins, whatever its hash; 0 when there is none. */
  peek(hash: number): number {
    const row = this.#slots[(hash & this.#mask) * SLOT_FIELDS] as number
    return row > FREE ? row - 1 : 0
  }

  /** Removes the row that the walk came to last. */
  removeHere(): void {
    this.#slots[this.#place * SLOT_FIELDS] = REMOVED
  }

  /** Adds a row whose key is not there. */
  add(hash: number, row: number): void {
    this.#put(hash, row + 1)
    if (this.#used * 2 > this.#mask) this.#grow()
  }

  /** Gives all rows with the hashes of their keys. */
  forEach(give: (hash: number, row: number) => void): void {
    const slots = this.#slots
    for (let at = 0; at < slots.length; at += SLOT_FIELDS) {
      const row = slots[at] as number
      if (row > FREE) give(slots[at + 1] as number, row - 1)
    }
  }

  #put(hash: number, stored: number): void {
    const slots = this.#slots
    let place = hash & this.#mask
    while (slots[place * SLOT_FIELDS] !== FREE) place = (place + 1) & this.#mask
    slots[place * SLOT_FIELDS] = stored
    slots[place * SLOT_FIELDS + 1] = hash
    this.#used += 1
  }

  /** Twice as many slots; those of removed rows are free again. */
  #grow(): void {
    const before = this.#slots
    this.#mask = this.#mask * 2 + 1
    this.#slots = new Int32Array((this.#mask + 1) * SLOT_FIELDS)
    this.#used = 0
    for (let at = 0; at < before.length; at += SLOT_FIELDS) {
      const stored = before[at] as number
      if (stored > FREE) this.#put(before[at + 1] as number, stored)
    }
  }
}
