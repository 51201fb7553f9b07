/** Big-endian 64-bit integers as safe integers, in two 32-bit halves: no BigInt, no DataView to be made. */
import { assert } from './assert.ts'
import { MillraceError } from './errors.ts'

const TWO_32 = 0x1_0000_0000
/** The upper half of a safe integer lies in [-2^21, 2^21). */
const HIGH_LIMIT = 0x20_0000

/** Reads a signed 64-bit integer. One that is no safe integer is damage: nothing of ours writes such a number. */
export function readInt64(bytes: Uint8Array, position: number): number {
  const high = readInt32(bytes, position)
  const low = readInt32(bytes, position + 4) >>> 0
  const value = high * TWO_32 + low
  if (high >= HIGH_LIMIT || high < -HIGH_LIMIT || value < Number.MIN_SAFE_INTEGER) {
    throw new MillraceError(
      'MILLRACE_CORRUPT',
      `the 64-bit number at byte ${position} is no safe integer (upper half ${high}, lower half ${low})`,
    )
  }
  return value
}

/** Writes a safe integer as a signed 64-bit integer. */
export function writeInt64(target: Uint8Array, position: number, value: number): void {
  assert(Number.isSafeInteger(value), () => `a 64-bit number is a safe integer here, got ${value}`)
  writeInt32(target, position, Math.floor(value / TWO_32))
  writeInt32(target, position + 4, value | 0)
}

/** Reads a signed 32-bit integer. */
export function readInt32(bytes: Uint8Array, position: number): number {
  assert(
    position >= 0 && position + 4 <= bytes.length,
    () => `byte ${position} of ${bytes.length} is outside`,
  )
  return (
    ((bytes[position] as number) << 24) |
    ((bytes[position + 1] as number) << 16) |
    ((bytes[position + 2] as number) << 8) |
    (bytes[position + 3] as number)
  )
}

/** Writes the lower 32 bits of an integer. */
export function writeInt32(target: Uint8Array, position: number, value: number): void {
  assert(
    position >= 0 && position + 4 <= target.length,
    () => `byte ${position} of ${target.length} is outside`,
  )
  target[position] = value >>> 24
  target[position + 1] = value >>> 16
  target[position + 2] = value >>> 8
  target[position + 3] = value
}
