const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
/** Whole numbers of so many digits, and powers of ten up to here, are exact: so is one division of both. */
const DIGITS_MAX = 15
const POWERS_OF_TEN = Float64Array.from({ length: DIGITS_MAX + 1 }, (_, power) => 10 ** power)
const { latin1Slice, utf8Slice } = Buffer.prototype

/**
 * Bytes that stand in a JSON string for themselves: ASCII but control characters, the quote and the backslash. A table
 * because it is asked for every byte of every string.
 */
export const PLAIN_STRING_BYTES: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
)

/**
 * Reads the scalars of JSON that generated code leaves to it: all but plain ASCII strings and short whole numbers. Each
 * method answers the value and sets `at`, or undefined: no such value is there, or it is one for JSON.parse to judge.
 */
export class JsonScalars {
  /** Of a string its closing quote, else the first byte behind the value. */
  at = 0

  /** A string that begins at `start`, behind its opening quote, and is plain up to `from`. */
  string(bytes: Uint8Array, start: number, from: number, end: number): string | undefined {
    let escaped = false
    let at = from
    for (; at < end; at += 1) {
      const byte = bytes[at] as number
      if (byte === QUOTE) break
      if (byte < 0x20) return undefined
      if (byte !== BACKSLASH) continue
      escaped = true
      at += 1
    }
    if (at >= end) return undefined
    this.at = at
    if (!escaped) return utf8Slice.call(bytes, start, at)
    return parsed(utf8Slice.call(bytes, start - 1, at + 1)) as string | undefined
  }

  /** A number, true, false or null. */
  other(bytes: Uint8Array, start: number, end: number): number | boolean | null | undefined {
    const first = bytes[start] as number
    if (first === MINUS || isDigit(first)) return this.#number(bytes, start, end)
    if (this.#word(bytes, start, TRUE)) return true
    if (this.#word(bytes, start, FALSE)) return false
    return this.#word(bytes, start, NULL) ? null : undefined
  }

  #number(bytes: Uint8Array, start: number, end: number): number | undefined {
    const negative = bytes[start] === MINUS
    const wholeStart = negative ? start + 1 : start
    let digits = 0
    let fraction = 0
    let at = wholeStart
    for (; isDigit(bytes[at]); at += 1) digits = digits * 10 + (bytes[at] as number) - ZERO
    let read = at - wholeStart
    const zeroLeads = bytes[wholeStart] === ZERO && read > 1
    if (bytes[at] === POINT) {
      const fractionStart = at + 1
      for (at = fractionStart; isDigit(bytes[at]); at += 1)
        digits = digits * 10 + (bytes[at] as number) - ZERO
      fraction = at - fractionStart
      read = fraction === 0 ? 0 : read + fraction
    }
    const more = isNumberByte(bytes[at])
    if (zeroLeads || more || read === 0 || read > DIGITS_MAX) return this.#judged(bytes, start, end)
    this.at = at
    const value = digits / (POWERS_OF_TEN[fraction] as number)
    return negative ? -value : value
  }

  /** Exponents, long numbers, and what is none: JSON.parse says what it is. */
  #judged(bytes: Uint8Array, start: number, end: number): number | undefined {
    let at = start
    while (at < end && isNumberByte(bytes[at])) at += 1
    this.at = at
    return parsed(latin1Slice.call(bytes, start, at)) as number | undefined
  }

  #word(bytes: Uint8Array, start: number, word: Uint8Array): boolean {
    for (let index = 0; index < word.length; index += 1) {
      if (bytes[start + index] !== word[index]) return false
    }
    this.at = start + word.length
    return true
  }
}

const TRUE = Uint8Array.from(Buffer.from('true'))
const FALSE = Uint8Array.from(Buffer.from('false'))
const NULL = Uint8Array.from(Buffer.from('null'))

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= ZERO + 9
}

/** What may stand in a number: digits, signs, the point, e and E. */
function isNumberByte(byte: number | undefined): boolean {
  return isDigit(byte) || byte === 0x2b || byte === MINUS || byte === POINT || byte === 0x65 || byte === 0x45
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
