/**
 * Holds back a few records of a replay, so that the state can look at all their keys before they are applied: with a
 * million keys each look-up would wait for memory three times, one after the other.
 *
 * State: up to `LOOK_AHEAD` records, in order. Whoever applies another record flushes first.
 */
import { hashOfAscii } from '../../state/key-hash.ts'
import { LOOK_AHEAD } from '../../state/restored-entries.ts'

const FIELDS = 4

/** A record whose key lies in ASCII in the bytes, with the number that came with it. */
export type ApplyText = (
  detail: number,
  bytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
) => void

export class RecordsAhead {
  readonly #look: (hashes: Int32Array, count: number, detail: number) => void
  readonly #apply: ApplyText
  readonly #hashes = new Int32Array(LOOK_AHEAD)
  readonly #details = new Float64Array(LOOK_AHEAD)
  readonly #ranges = new Int32Array(LOOK_AHEAD * FIELDS)
  /** All of them lie in the same bytes. */
  #bytes: Uint8Array = new Uint8Array()
  #count = 0

  /** @param look gets the hashes of the keys and the last record's number, before the records are applied. */
  constructor(look: (hashes: Int32Array, count: number, detail: number) => void, apply: ApplyText) {
    this.#look = look
    this.#apply = apply
  }

  add(
    detail: number,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    if (bytes !== this.#bytes || this.#count === LOOK_AHEAD) this.flush()
    this.#bytes = bytes
    const index = this.#count
    this.#count = index + 1
    this.#hashes[index] = hashOfAscii(bytes, keyStart, keyEnd)
    this.#details[index] = detail
    const at = index * FIELDS
    this.#ranges[at] = keyStart
    this.#ranges[at + 1] = keyEnd
    this.#ranges[at + 2] = valueStart
    this.#ranges[at + 3] = valueEnd
  }

  flush(): void {
    const count = this.#count
    if (count === 0) return
    this.#count = 0
    this.#look(this.#hashes, count, this.#details[count - 1] as number)
    const ranges = this.#ranges
    for (let index = 0; index < count; index += 1) {
      const at = index * FIELDS
      this.#apply(
        this.#details[index] as number,
        this.#bytes,
        ranges[at] as number,
        ranges[at + 1] as number,
        ranges[at + 2] as number,
        ranges[at + 3] as number,
      )
    }
  }
}
