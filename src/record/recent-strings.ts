/**
 * Strings that one field of many records had of late. Most fields have few values (a country, a page, a state): finding
 * the bytes again costs less than making a string of them, and nothing has to be collected.
 *
 * State: a place for each of some hashes of (last bytes, length) with the bytes and the string that came there last; a
 * credit that strings found again pay into and new ones draw from.
 * Invariant: what is answered has exactly the bytes that were asked for.
 * Cost: a hash and a comparison four bytes at a time; where most values are new, a counter, for pauses that double.
 */
const PLACE_BITS = 8
const PLACES = 1 << PLACE_BITS
const WORD_BYTES = 4
const SPREAD = 0x9e3779b1
const CREDIT_MAX = 512
const PAUSE_MIN = 1024
const PAUSE_MAX = 1024 * 1024

/** Shorter strings are no whole word; longer ones are rather texts, which do not come again. */
export const RECENT_BYTES_MIN = WORD_BYTES
export const RECENT_BYTES_MAX = 32

export class RecentStrings {
  /** Of the last `find`: where `keep` puts what was not found; negative while it pauses. */
  #place = -1
  readonly #strings: string[] = []
  readonly #lengths = new Uint8Array(PLACES)
  /** Made for the first string: many fields have none. */
  #bytes = new Uint8Array(0)
  #words = new DataView(this.#bytes.buffer)
  #credit = CREDIT_MAX
  /** Strings left that are not looked for. */
  #pause = 0
  #nextPause = PAUSE_MIN

  /** The string of `length` bytes of ASCII from `from` on, RECENT_BYTES_MIN to _MAX of them; undefined: make it. */
  find(words: DataView, from: number, length: number): string | undefined {
    if (this.#pause > 0) {
      this.#pause -= 1
      this.#place = -1
      return undefined
    }
    let at = length - WORD_BYTES
    const last = words.getInt32(from + at, true)
    const place = Math.imul(last ^ length, SPREAD) >>> (32 - PLACE_BITS)
    this.#place = place
    if (this.#lengths[place] !== length) return undefined
    const own = this.#words
    const start = place * RECENT_BYTES_MAX
    if (own.getInt32(start + at, true) !== last) return undefined
    while (at > 0) {
      at = at > WORD_BYTES ? at - WORD_BYTES : 0
      if (own.getInt32(start + at, true) !== words.getInt32(from + at, true)) return undefined
    }
    if (this.#credit < CREDIT_MAX) this.#credit += 1
    return this.#strings[place]
  }

  /** Keeps a string that the last `find` did not find, for the next time, and answers it. */
  keep(bytes: Uint8Array, from: number, length: number, text: string): string {
    const place = this.#place
    if (place < 0) return text
    if (this.#bytes.length === 0) {
      this.#bytes = new Uint8Array(PLACES * RECENT_BYTES_MAX)
      this.#words = new DataView(this.#bytes.buffer)
      for (let index = 0; index < PLACES; index += 1) this.#strings.push('')
    }
    const start = place * RECENT_BYTES_MAX
    for (let index = 0; index < length; index += 1) this.#bytes[start + index] = bytes[from + index] as number
    this.#lengths[place] = length
    this.#strings[place] = text
    this.#credit -= 1
    if (this.#credit < 0) this.#rest()
    return text
  }

  #rest(): void {
    this.#pause = this.#nextPause
    this.#nextPause = Math.min(2 * this.#nextPause, PAUSE_MAX)
    this.#credit = CREDIT_MAX
  }
}
