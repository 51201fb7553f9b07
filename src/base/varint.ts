/**
 * Zigzag varints as Kafka's record format uses them: seven bits a byte, the lowest first, the top bit says "more
 * follows", the sign in the lowest bit. `varint` is 32 bits (at most 5 bytes), `varlong` 64 bits (at most 10 bytes).
 *
 * A varlong is a safe integer here: it is put together from two 32-bit halves, because BigInt costs twenty times as
 * much and a shift of a number sees 32 bits only. One that is no safe integer is refused, never rounded.
 *
 * The cursor is a field of the reader: a module-level one is miscompiled by Node 26 (Maglev).
 */
import { assert } from './assert.ts'
import { MillraceError } from './errors.ts'

const TWO_32 = 0x1_0000_0000
/** Of a safe integer's zigzag form (54 bits) the upper half has 22. */
const HIGH_MAX = 0x3f_ffff

/** Reads varints one after the other from `bytes[position, end)`. Reusable: `reset` it to other bytes. */
export class VarintReader {
  bytes: Uint8Array
  /** Where the next read begins; the caller may move it. */
  position: number
  end: number

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes
    this.position = position
    this.end = end
  }

  reset(bytes: Uint8Array, position: number, end: number): void {
    this.bytes = bytes
    this.position = position
    this.end = end
  }

  /** A signed 32-bit number. */
  varint(): number {
    const position = this.position
    const first = position < this.end ? (this.bytes[position] as number) : 0x80
    if (first < 0x80) {
      this.position = position + 1
      return (first >>> 1) ^ -(first & 1)
    }
    const raw = this.#unsigned()
    return (raw >>> 1) ^ -(raw & 1)
  }

  /** A signed 64-bit number that is a safe integer. */
  varlong(): number {
    const start = this.position
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#next(start)
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1)
    }
    // The fifth byte lies across the halves: four bits below, three above.
    const middle = this.#next(start)
    low = (low | ((middle & 0x0f) << 28)) >>> 0
    let high = (middle & 0x7f) >>> 4
    if (middle >= 0x80) high = this.#high(start, high)
    if (high > HIGH_MAX) throw this.#refuse(start, 'is no safe integer')
    const magnitude = high * (TWO_32 / 2) + (low >>> 1)
    if ((low & 1) === 0) return magnitude
    // Zigzag maps -2^53 into the same 54 bits as the safe integers; it is the one value there that is none.
    if (magnitude === Number.MAX_SAFE_INTEGER) throw this.#refuse(start, 'is no safe integer')
    return -magnitude - 1
  }

  #unsigned(): number {
    const start = this.position
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#next(start)
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    const last = this.#next(start)
    if (last > 0x0f) throw this.#refuse(start, 'does not fit into 32 bits')
    return value | (last << 28)
  }

  /** Bytes six to ten of a varlong, above the three bits that are there. */
  #high(start: number, below: number): number {
    let high = below
    let scale = 8
    for (let index = 5; index < 10; index += 1) {
      const byte = this.#next(start)
      // Multiplication, not a shift: padding bytes of zero may reach beyond 32 bits, which is still a valid number.
      high += (byte & 0x7f) * scale
      if (byte < 0x80) return high
      scale *= 128
    }
    throw this.#refuse(start, 'is longer than 10 bytes')
  }

  #next(start: number): number {
    if (this.position >= this.end) throw this.#refuse(start, `is cut off at ${this.end}`)
    const byte = this.bytes[this.position] as number
    this.position += 1
    return byte
  }

  /** Puts the position back to the number's begin, so that a caller can say where it was. */
  #refuse(start: number, what: string): MillraceError {
    this.position = start
    return new MillraceError('MILLRACE_CORRUPT', `the variable-length number at byte ${start} ${what}`)
  }
}

/** How many bytes {@link writeVarint} takes for `value`. */
export function varintSize(value: number): number {
  const raw = ((value << 1) ^ (value >> 31)) >>> 0
  if (raw < 0x80) return 1
  if (raw < 0x4000) return 2
  if (raw < 0x20_0000) return 3
  return raw < 0x1000_0000 ? 4 : 5
}

/** Writes a signed 32-bit number; returns the position after it. The caller has made room. */
export function writeVarint(target: Uint8Array, position: number, value: number): number {
  let raw = ((value << 1) ^ (value >> 31)) >>> 0
  let at = position
  while (raw >= 0x80) {
    target[at] = (raw & 0x7f) | 0x80
    raw >>>= 7
    at += 1
  }
  target[at] = raw
  return at + 1
}

/** How many bytes {@link writeVarlong} takes for `value`. */
export function varlongSize(value: number): number {
  if (value >= -0x4000_0000 && value < 0x4000_0000) return varintSize(value)
  let size = 4
  // Below 2^53 a division by a power of two only moves the exponent: it is exact.
  let left = Math.floor((value < 0 ? -(value + 1) : value) / 0x800_0000)
  while (left > 0) {
    left = Math.floor(left / 0x80)
    size += 1
  }
  return size
}

/** Writes a safe integer as a 64-bit number; returns the position after it. The caller has made room. */
export function writeVarlong(target: Uint8Array, position: number, value: number): number {
  if (value >= -0x4000_0000 && value < 0x4000_0000) return writeVarint(target, position, value)
  assert(Number.isSafeInteger(value), () => `a varlong is a safe integer, got ${value}`)
  const sign = value < 0 ? 1 : 0
  const magnitude = sign === 1 ? -(value + 1) : value
  let high = Math.floor(magnitude / (TWO_32 / 2))
  let low = (((magnitude % (TWO_32 / 2)) << 1) | sign) >>> 0
  let at = position
  while (high > 0 || low >= 0x80) {
    target[at] = (low & 0x7f) | 0x80
    low = ((low >>> 7) | (high << 25)) >>> 0
    high >>>= 7
    at += 1
  }
  target[at] = low
  return at + 1
}
