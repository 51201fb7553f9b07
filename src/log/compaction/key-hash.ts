/**
 * 96 bits of hash of a key: HalfSipHash-1-3 with a third word of output, drawn from its state as the second one is.
 *
 * Compaction takes keys with the same hash for the same key, so nobody may be able to make two of them: the hash is
 * keyed with 64 bits that are drawn anew for each cleaning and told to nobody. By chance, two of ten million keys share
 * one with a probability of 10^-15.
 *
 * 32-bit words only, because a 64-bit multiplication in JavaScript costs more than this whole hash: about 50 ns for a
 * key of 16 bytes.
 */
export class KeyHasher {
  /** Of the last key; signed. */
  first = 0
  second = 0
  third = 0
  readonly #key0: number
  readonly #key1: number

  constructor(key0: number, key1: number) {
    this.#key0 = key0 | 0
    this.#key1 = key1 | 0
  }

  hash(bytes: Uint8Array, start: number, end: number): void {
    let v0 = this.#key0
    let v1 = this.#key1 ^ 0xee
    let v2 = this.#key0 ^ 0x6c796765
    let v3 = this.#key1 ^ 0x74656462
    const whole = start + ((end - start) & ~3)
    let word = 0
    // One round for each word, the length as the last one; then three rounds before each word of output.
    let rounds = 1
    let at = start
    let stage = 0
    for (;;) {
      if (stage === 0) {
        if (at < whole) {
          word =
            (bytes[at] as number) |
            ((bytes[at + 1] as number) << 8) |
            ((bytes[at + 2] as number) << 16) |
            ((bytes[at + 3] as number) << 24)
          at += 4
        } else {
          word = (end - start) << 24
          for (let shift = 0; at < end; at += 1, shift += 8) word |= (bytes[at] as number) << shift
          stage = 1
        }
        v3 ^= word
      }
      for (let round = 0; round < rounds; round += 1) {
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
      if (stage === 0) {
        v0 ^= word
      } else if (stage === 1) {
        v0 ^= word
        v2 ^= 0xee
        rounds = 3
        stage = 2
      } else if (stage === 2) {
        this.first = v1 ^ v3
        v1 ^= 0xdd
        stage = 3
      } else if (stage === 3) {
        this.second = v1 ^ v3
        v1 ^= 0xbb
        stage = 4
      } else {
        this.third = v1 ^ v3
        return
      }
    }
  }
}
