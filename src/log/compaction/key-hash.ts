/** Words of a hash. */
export const HASH_WORDS = 3

/**
 * 96 bits of hash of a key, as HalfSipHash makes them: one round for each word, four in the end, of which three quarters
 * of the state are taken.
 *
 * Compaction takes keys with the same hash for the same key, so nobody may be able to make two of them: the hash is
 * keyed with 64 bits that are drawn anew for each cleaning, and neither they nor any hash is told to anybody. By chance,
 * two of ten million keys share one with a probability of 10^-15.
 *
 * 32-bit words only, because a 64-bit multiplication in JavaScript costs more than this whole hash: about 60 ns for a
 * key of 16 bytes.
 */
export class KeyHasher {
  readonly #key0: number
  readonly #key1: number

  constructor(key0: number, key1: number) {
    this.#key0 = key0 | 0
    this.#key1 = key1 | 0
  }

  /** Of the key in `bytes[start, end)`, to `target[into]` and behind. */
  hash(bytes: Uint8Array, start: number, end: number, target: Int32Array, into: number): void {
    let v0 = this.#key0
    let v1 = this.#key1 ^ 0xee
    let v2 = this.#key0 ^ 0x6c796765
    let v3 = this.#key1 ^ 0x74656462
    const whole = start + ((end - start) & ~3)
    // Each word gets one round; the last one has the rest of the bytes, and the length.
    for (let at = start; ; at += 4) {
      const word = at < whole ? wordAt(bytes, at) : lastWord(bytes, at, end, end - start)
      v3 ^= word
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
      v0 ^= word
      if (at >= whole) break
    }
    v2 ^= 0xff
    for (let round = 0; round < 4; round += 1) {
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
    }
    target[into] = v0
    target[into + 1] = v1 ^ v3
    target[into + 2] = v2
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}

function lastWord(bytes: Uint8Array, from: number, end: number, length: number): number {
  let word = length << 24
  for (let at = from, shift = 0; at < end; at += 1, shift += 8) word |= (bytes[at] as number) << shift
  return word
}
