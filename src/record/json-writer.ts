/**
 * Writes values as JSON straight into a buffer: a text between costs more than the bytes of a small row.
 *
 * The bytes are those of `JSON.stringify`, always: plain objects, arrays, numbers and short ASCII texts are written here,
 * and whatever else comes (dates, `toJSON`, escapes, cycles) is left to `JSON.stringify` itself.
 * State: the names of properties met so far as bytes with their quotes, at most `NAMES_MAX`; the last large numbers.
 * Cost: bytes that are known go eight at a time, which is why a target has room behind its end.
 */
import { Eights } from './eights.ts'
import { NO_ROOM, type WriteTarget } from './write-target.ts'

/** Something for `JSON.stringify`. */
const IRREGULAR = -2

const NAMES_MAX = 1_024
/** Deeper values may be cycles: `JSON.stringify` finds out. */
const DEPTH_MAX = 8
/** Longer texts are faster written by native code. */
const SHORT_TEXT_UNITS = 96
/** A number or a word takes no more, rounded up to eights. */
export const SCALAR_BYTES_MAX = 32
const BILLION = 1_000_000_000

const plain = Object.prototype
const TRUE = new Eights('true')
const FALSE = new Eights('false')
const NULL = new Eights('null')

/**
 * Writes `value` into bytes [at, end) of `target`; returns the position behind it, or NO_ROOM.
 * @returns undefined when JSON has nothing for the value, as `JSON.stringify` does.
 * @throws what `JSON.stringify` throws.
 */
export function writeJson(target: WriteTarget, at: number, end: number, value: unknown): number | undefined {
  const written = writeValue(target, at, end, value, DEPTH_MAX, BEGIN)
  if (written !== IRREGULAR) return written
  const text: string | undefined = JSON.stringify(value)
  return text === undefined ? undefined : writeLong(target, at, end, text)
}

function writeValue(
  target: WriteTarget,
  at: number,
  end: number,
  value: unknown,
  depth: number,
  owner: Name,
): number {
  if (typeof value === 'string') return writeJsonText(target, at, end, value)
  if (end - at < SCALAR_BYTES_MAX) return NO_ROOM
  if (typeof value === 'number') return writeJsonNumber(target, at, value)
  if (typeof value === 'object') {
    if (value === null) return NULL.write(target, at)
    if (depth === 0) return IRREGULAR
    return Array.isArray(value)
      ? writeArray(target, at, end, value, depth, owner)
      : writeObject(target, at, end, value as Members, depth, owner)
  }
  if (typeof value === 'boolean') return value ? TRUE.write(target, at) : FALSE.write(target, at)
  return IRREGULAR
}

interface Members {
  readonly toJSON?: unknown
  readonly [name: string]: unknown
}

function writeObject(
  target: WriteTarget,
  start: number,
  end: number,
  value: Members,
  depth: number,
  owner: Name,
): number {
  if (Object.getPrototypeOf(value) !== plain || value.toJSON !== undefined) return IRREGULAR
  const { bytes } = target
  let at = start
  bytes[at] = 0x7b
  at += 1
  const first = at
  let last = owner
  let known = owner.first
  for (const name in value) {
    const member = value[name]
    // JSON leaves such members out.
    if (member === undefined) continue
    if (!Object.hasOwn(value, name)) return IRREGULAR
    // Rows of one kind come one after the other: the name that followed last time nearly always follows again.
    if (known.name !== name) {
      const found = nameOf(name)
      if (found === undefined) return IRREGULAR
      known = found
      if (last === owner) owner.first = known
      else last.next = known
    }
    last = known
    if (end - at < known.text.length + SCALAR_BYTES_MAX) return NO_ROOM
    if (at > first) {
      bytes[at] = 0x2c
      at += 1
    }
    at = writeValue(target, known.text.write(target, at), end, member, depth - 1, last)
    if (at < 0) return at
    known = last.next
  }
  if (at >= end) return NO_ROOM
  bytes[at] = 0x7d
  return at + 1
}

function writeArray(
  target: WriteTarget,
  start: number,
  end: number,
  value: readonly unknown[],
  depth: number,
  owner: Name,
): number {
  if ((value as { readonly toJSON?: unknown }).toJSON !== undefined) return IRREGULAR
  const { bytes } = target
  let at = start
  bytes[at] = 0x5b
  at += 1
  for (let index = 0; index < value.length; index += 1) {
    if (index > 0) {
      if (at >= end) return NO_ROOM
      bytes[at] = 0x2c
      at += 1
    }
    at = writeValue(target, at, end, value[index], depth - 1, owner)
    if (at < 0) return at
  }
  if (at >= end) return NO_ROOM
  bytes[at] = 0x5d
  return at + 1
}

/** A text in quotes. */
export function writeJsonText(target: WriteTarget, start: number, end: number, text: string): number {
  const length = text.length
  if (length > SHORT_TEXT_UNITS) return writeLong(target, start, end, JSON.stringify(text))
  if (end - start < length + 2) return NO_ROOM
  const { bytes } = target
  let at = start
  bytes[at] = 0x22
  at += 1
  for (let index = 0; index < length; index += 1) {
    const unit = text.charCodeAt(index)
    // Control characters, quotes and backslashes are escaped; what is not ASCII is longer than its units.
    if (unit < 0x20 || unit > 0x7f || unit === 0x22 || unit === 0x5c) {
      return writeLong(target, start, end, JSON.stringify(text))
    }
    bytes[at] = unit
    at += 1
  }
  bytes[at] = 0x22
  return at + 1
}

/** Text that is JSON already. */
function writeLong({ bytes }: WriteTarget, at: number, end: number, text: string): number {
  // Three bytes a unit is the most: only where that is too much are the bytes counted.
  if (end - at < text.length * 3 && end - at < Buffer.byteLength(text, 'utf8')) return NO_ROOM
  return at + bytes.utf8Write(text, at, end - at)
}

/** At most SCALAR_BYTES_MAX bytes, for which the caller has made room. */
export function writeJsonNumber(target: WriteTarget, start: number, value: number): number {
  if (!Number.isSafeInteger(value))
    return writeAscii(target, start, Number.isFinite(value) ? String(value) : 'null')
  let at = start
  let magnitude = value
  if (value < 0) {
    target.bytes[at] = 0x2d
    at += 1
    magnitude = -value
  }
  return magnitude < BILLION
    ? writeDigits(target.bytes, at, magnitude | 0)
    : writeLarge(target, at, magnitude)
}

/** A whole number from 0 below 2^31. */
function writeDigits(bytes: Uint8Array, at: number, value: number): number {
  let digits = 1
  for (let limit = 10; value >= limit && digits < 10; limit *= 10) digits += 1
  return writePadded(bytes, at, value, digits)
}

function writePadded(bytes: Uint8Array, at: number, value: number, digits: number): number {
  let left = value
  for (let index = at + digits - 1; index >= at; index -= 1) {
    const rest = (left / 10) | 0
    bytes[index] = 0x30 + left - rest * 10
    left = rest
  }
  return at + digits
}

function writeAscii({ bytes }: WriteTarget, at: number, word: string): number {
  for (let index = 0; index < word.length; index += 1) bytes[at + index] = word.charCodeAt(index)
  return at + word.length
}

/** Numbers from a billion on are mostly times, and one after the other the same ones. */
class LargeNumber {
  value = -1
  /** Made when the number comes the second time. */
  digits: Eights | undefined
}

const LARGE_SHIFT = 24
const large = Array.from({ length: 1 << (32 - LARGE_SHIFT) }, () => new LargeNumber())

function writeLarge(target: WriteTarget, at: number, value: number): number {
  const high = Math.floor(value / BILLION)
  const low = (value - high * BILLION) | 0
  const known = large[Math.imul(low, 0x9e3779b1) >>> LARGE_SHIFT] as LargeNumber
  if (known.value === value) {
    known.digits ??= new Eights(String(value))
    return known.digits.write(target, at)
  }
  known.value = value
  known.digits = undefined
  return writePadded(target.bytes, writeDigits(target.bytes, at, high | 0), low, 9)
}

/** The name of a property: what was written behind it last comes again nearly always. */
class Name {
  readonly name: string
  /** With its quotes and colon. */
  readonly text: Eights
  next: Name = this
  /** The first name of the object that is its value. */
  first: Name = this

  constructor(name: string) {
    this.name = name
    this.text = new Eights(`${JSON.stringify(name)}:`)
  }
}

const names = new Map<string, Name>()
/** Before the first name of all. */
const BEGIN = new Name('')

/** Undefined: there are so many names that they are rather keys of a dictionary. */
function nameOf(name: string): Name | undefined {
  const known = names.get(name)
  if (known !== undefined || names.size >= NAMES_MAX) return known
  const made = new Name(name)
  names.set(name, made)
  return made
}
