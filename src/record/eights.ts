import type { WriteTarget } from './write-target.ts'

/**
 * A short text that is written again and again: kept as doubles, so that eight bytes go with one store. Up to seven
 * bytes behind it are overwritten; the target has room for them.
 */
export class Eights {
  /** Bytes of the text. */
  readonly length: number
  readonly #doubles: Float64Array

  constructor(text: string) {
    const bytes = new TextEncoder().encode(text)
    this.length = bytes.length
    const padded = new DataView(new ArrayBuffer(Math.ceil(bytes.length / 8) * 8))
    for (const [index, byte] of bytes.entries()) padded.setUint8(index, byte)
    // A double that is no number might lose bits on its way, but none can come of UTF-8: the last two bytes of one are
    // F0 or more, then 7F or FF, and behind a byte from F0 on UTF-8 has one from 80 to BF.
    this.#doubles = new Float64Array(padded.byteLength / 8)
    for (let index = 0; index < this.#doubles.length; index += 1) {
      this.#doubles[index] = padded.getFloat64(index * 8, true)
    }
  }

  write({ view }: WriteTarget, at: number): number {
    const doubles = this.#doubles
    for (let index = 0; index < doubles.length; index += 1) {
      view.setFloat64(at + index * 8, doubles[index] as number, true)
    }
    return at + this.length
  }
}
