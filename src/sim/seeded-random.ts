import type { Random } from '../sys/sys.ts'

/**
 * Random numbers from a seed (sfc32: 128 bits of state, passes the usual statistical tests). `fork` gives each part of
 * a simulated world its own row, so that one more draw in one part does not change what happens in another.
 */
export class SeededRandom implements Random {
  readonly #seed: number
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number) {
    this.#seed = seed
    this.#a = seed | 0
    this.#b = Math.floor(seed / 0x1_0000_0000) | 0
    this.#c = 0x9e3779b9 | 0
    // Twelve rounds spread seeds that differ in one bit over the whole state.
    for (let round = 0; round < 12; round += 1) this.uint32()
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  next(): number {
    return this.uint32() / 0x1_0000_0000
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  uuid(): string {
    const hex = Array.from({ length: 4 }, () => this.uint32().toString(16).padStart(8, '0')).join('')
    const variant = '89ab'[this.below(4)]
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`
  }

  /** A row of its own, which depends on the seed and the name only, not on what was drawn before. */
  fork(name: string): SeededRandom {
    let hash = 0x811c9dc5 ^ this.#seed
    for (let index = 0; index < name.length; index += 1) {
      hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
    }
    return new SeededRandom((hash >>> 0) * 0x20_0000 + (Math.abs(this.#seed) % 0x20_0000))
  }
}
