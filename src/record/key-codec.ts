import { MillraceError } from '../base/errors.ts'
import type { Serde, TextSource } from './serde.ts'

/*
 * The one canonical form of a key (ARCHITECTURE D8): as bytes for records, and as a string or number for stores.
 *
 * Both are injective over all keys, whatever their types, and keep the order of tuples element by element: text before
 * false before true before numbers before tuples. A tuple has no end mark, so its form is a prefix of the forms of all
 * longer tuples that begin with it: that is what makes listing by prefix a range.
 *
 * Bytes: a lone text is its UTF-8, as every other client writes it. All else begins with a byte that UTF-8 never has.
 *   F5 text in a tuple: UTF-8 with 00 written as 00 FF, then 00 | F6 false | F7 true
 *   F8 number: 8 bytes, the double's bits with the sign flipped, all bits flipped if it is negative | F9 tuple
 * Store keys: a lone text and a number are themselves. All else begins with NUL and a digit:
 *   0 a text that begins with NUL | 2 false | 3 true | 5 tuple; its elements: 1 text (NUL as NUL U+FFFF, then NUL),
 *   2, 3, and 4 number (16 hexadecimal digits of the bits above).
 * Bytes order texts by code points, store keys by code units: they differ only beyond U+FFFF.
 */
export type KeyPart = string | number | boolean
export type Key = KeyPart | readonly KeyPart[]

const TEXT_BYTE = 0xf5
const FALSE_BYTE = 0xf6
const TRUE_BYTE = 0xf7
const NUMBER_BYTE = 0xf8
const TUPLE_BYTE = 0xf9
const ESCAPE_BYTE = 0xff

const NUL = '\u0000'
const FALSE_KEY = `${NUL}2`
const TRUE_KEY = `${NUL}3`

const { utf8Slice } = Buffer.prototype
const scratch = new DataView(new ArrayBuffer(8))

/** The canonical bytes of keys. Keys of objects, NaN and text with a lone surrogate are refused. */
export const keySerde: Serde<Key> = Object.freeze({
  format: 'key',
  encode: encodeKey,
  decode: decodeKey,
})

function encodeKey(key: Key): Uint8Array {
  if (typeof key === 'string') return Buffer.from(checkedText(key), 'utf8')
  const bytes: number[] = []
  if (isTuple(key)) {
    bytes.push(TUPLE_BYTE)
    for (const part of key) appendPart(bytes, part)
  } else {
    appendPart(bytes, key)
  }
  return Uint8Array.from(bytes)
}

function appendPart(bytes: number[], part: KeyPart): void {
  if (typeof part === 'string') {
    bytes.push(TEXT_BYTE)
    for (const byte of Buffer.from(checkedText(part), 'utf8')) {
      bytes.push(byte)
      if (byte === 0) bytes.push(ESCAPE_BYTE)
    }
    bytes.push(0)
  } else if (typeof part === 'number') {
    bytes.push(NUMBER_BYTE)
    loadOrdered(checkedNumber(part))
    for (let index = 0; index < 8; index += 1) bytes.push(scratch.getUint8(index))
  } else if (typeof part === 'boolean') {
    bytes.push(part ? TRUE_BYTE : FALSE_BYTE)
  } else {
    throw refusal(part)
  }
}

function decodeKey(source: TextSource, start: number, end: number): Key {
  const { bytes } = source
  const first = start < end ? (bytes[start] as number) : 0
  if (first < TEXT_BYTE) return utf8Slice.call(bytes, start, end)
  const parts: KeyPart[] = []
  let at = first === TUPLE_BYTE ? start + 1 : start
  while (at < end) at = decodePart(bytes, at, end, parts)
  if (first === TUPLE_BYTE) return parts
  const part = parts[0]
  // A lone text never has the form of a tuple's: one key, one form.
  if (parts.length !== 1 || part === undefined || typeof part === 'string') throw damaged(bytes, start, end)
  return part
}

/** Reads the part at `at` into `parts`; returns where the next one begins. */
function decodePart(bytes: Uint8Array, at: number, end: number, parts: KeyPart[]): number {
  switch (bytes[at]) {
    case FALSE_BYTE:
    case TRUE_BYTE:
      parts.push(bytes[at] === TRUE_BYTE)
      return at + 1
    case NUMBER_BYTE: {
      if (at + 9 > end) throw damaged(bytes, at, end)
      for (let index = 0; index < 8; index += 1) scratch.setUint8(index, bytes[at + 1 + index] as number)
      const value = storeOrdered()
      if (Number.isNaN(value) || Object.is(value, -0)) throw damaged(bytes, at, end)
      parts.push(value)
      return at + 9
    }
    case TEXT_BYTE: {
      const text: number[] = []
      for (let index = at + 1; index < end; index += 1) {
        const byte = bytes[index] as number
        if (byte !== 0) {
          text.push(byte)
        } else if (index + 1 < end && bytes[index + 1] === ESCAPE_BYTE) {
          text.push(0)
          index += 1
        } else {
          parts.push(Buffer.from(text).toString('utf8'))
          return index + 1
        }
      }
      throw damaged(bytes, at, end)
    }
    default:
      throw damaged(bytes, at, end)
  }
}

/** The key as stores and Maps hold it. Text and numbers are themselves, at no cost. */
export function storeKey(key: Key): string | number {
  if (typeof key === 'string') return key.charCodeAt(0) === 0 ? `${NUL}0${key}` : key
  // Adding zero makes 0 of -0.
  if (typeof key === 'number') return checkedNumber(key)
  if (typeof key === 'boolean') return key ? TRUE_KEY : FALSE_KEY
  if (!isTuple(key)) throw refusal(key)
  let result = `${NUL}5`
  for (const part of key) result += storePart(part)
  return result
}

function storePart(part: KeyPart): string {
  if (typeof part === 'string')
    return `1${part.includes(NUL) ? part.replaceAll(NUL, '\u0000\uffff') : part}${NUL}`
  if (typeof part === 'boolean') return part ? '3' : '2'
  if (typeof part !== 'number') throw refusal(part)
  loadOrdered(checkedNumber(part))
  return `4${hexadecimal(scratch.getUint32(0))}${hexadecimal(scratch.getUint32(4))}`
}

/** The key that `storeKey` turned into this one. */
export function keyOfStoreKey(stored: string | number): Key {
  if (typeof stored === 'number' || stored.charCodeAt(0) !== 0) return stored
  switch (stored[1]) {
    case '0':
      return stored.slice(2)
    case '2':
      return false
    case '3':
      return true
    case '5':
      return tupleOfStoreKey(stored)
    default:
      throw damagedStoreKey(stored)
  }
}

function tupleOfStoreKey(stored: string): KeyPart[] {
  const parts: KeyPart[] = []
  let at = 2
  while (at < stored.length) {
    const kind = stored[at]
    at += 1
    if (kind === '1') {
      let end = stored.indexOf(NUL, at)
      while (end >= 0 && stored.charCodeAt(end + 1) === 0xffff) end = stored.indexOf(NUL, end + 2)
      if (end < 0) throw damagedStoreKey(stored)
      parts.push(stored.slice(at, end).replaceAll('\u0000\uffff', NUL))
      at = end + 1
    } else if (kind === '2' || kind === '3') {
      parts.push(kind === '3')
    } else if (kind === '4' && /^[0-9a-f]{16}$/.test(stored.slice(at, at + 16))) {
      scratch.setUint32(0, Number.parseInt(stored.slice(at, at + 8), 16))
      scratch.setUint32(4, Number.parseInt(stored.slice(at + 8, at + 16), 16))
      parts.push(storeOrdered())
      at += 16
    } else {
      throw damagedStoreKey(stored)
    }
  }
  return parts
}

/** Puts a number's bits into `scratch` so that unsigned comparison of them is the order of numbers. */
function loadOrdered(value: number): void {
  scratch.setFloat64(0, value)
  const high = scratch.getUint32(0)
  const negative = high >= 0x8000_0000
  scratch.setUint32(0, negative ? ~high : high ^ 0x8000_0000)
  if (negative) scratch.setUint32(4, ~scratch.getUint32(4))
}

/** The number whose ordered bits lie in `scratch`. */
function storeOrdered(): number {
  const high = scratch.getUint32(0)
  const negative = high < 0x8000_0000
  scratch.setUint32(0, negative ? ~high : high ^ 0x8000_0000)
  if (negative) scratch.setUint32(4, ~scratch.getUint32(4))
  return scratch.getFloat64(0)
}

function isTuple(key: Key): key is readonly KeyPart[] {
  return Array.isArray(key)
}

function checkedNumber(value: number): number {
  if (Number.isNaN(value)) throw refusal(value)
  return value + 0
}

function checkedText(value: string): string {
  // Both halves of a broken pair would become the same U+FFFD: two keys would be one.
  if (value.isWellFormed()) return value
  throw new MillraceError(
    'MILLRACE_INVALID_RECORD',
    `the key ${JSON.stringify(value)} has half a surrogate pair and cannot be written as UTF-8; use toWellFormed()`,
  )
}

function refusal(value: unknown): MillraceError {
  const kind =
    value === null || typeof value !== 'object' ? String(value) : (value.constructor?.name ?? 'an object')
  return new MillraceError(
    'MILLRACE_INVALID_RECORD',
    `a key is a text, a number, a boolean or a tuple of them, got ${kind}; choose fields of it, as in [value.a, value.b]`,
  )
}

function damaged(bytes: Uint8Array, start: number, end: number): MillraceError {
  const shown = Buffer.from(bytes.subarray(start, Math.min(end, start + 16))).toString('hex')
  return new MillraceError(
    'MILLRACE_INVALID_RECORD',
    `the ${end - start} bytes ${shown}${end - start > 16 ? '...' : ''} are no canonical key; check the topic's key serde`,
  )
}

function damagedStoreKey(stored: string): MillraceError {
  return new MillraceError('MILLRACE_CORRUPT', `${JSON.stringify(stored)} is no key of a store`)
}

function hexadecimal(value: number): string {
  return value.toString(16).padStart(8, '0')
}
