const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
/** Whole numbers of so many digits, and powers of ten up to here, are exact: so is one division of both. */
const EXACT_DIGITS_MAX = 15
const POWERS_OF_TEN = Float64Array.from({ length: EXACT_DIGITS_MAX + 1 }, (_, power) => 10 ** power)
const UNESCAPED_BYTES_MAX = 512
const { utf8Slice } = Buffer.prototype

/**
 * Bytes that stand in a JSON string for themselves: ASCII but control characters, the quote and the backslash. A table
 * because it is asked for every byte of every string.
 */
export const PLAIN_STRING_BYTES: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
)
/** What a byte behind a backslash stands for; 0: nothing, or it takes more than one byte to say. */
const ESCAPED = new Uint8Array(256)
for (let index = 0; index < 8; index += 1) {
  ESCAPED['"\\/bfnrt'.charCodeAt(index)] = '"\\/\b\f\n\r\t'.charCodeAt(index)
}

/**
 * Reads the scalars of JSON that generated code leaves to it: all but plain ASCII strings and short whole numbers. Each
 * method answers the value and sets `at`, or undefined: it is none, or one that JSON.parse reads faster.
 */
export class JsonScalars {
  /** Of a string its closing quote, else the first byte behind the value. */
  at = 0
  readonly #unescaped = new Uint8Array(UNESCAPED_BYTES_MAX)

  /** A string that begins at `start`, behind its opening quote, and is plain up to `from`. */
  string(bytes: Uint8Array, start: number, from: number, end: number): string | undefined {
    for (let at = from; at < end; at += 1) {
      const byte = bytes[at] as number
      if (byte === BACKSLASH) return this.#escaped(bytes, start, at, end)
      if (byte < 0x20) return undefined
      if (byte !== QUOTE) continue
      this.at = at
      return utf8Slice.call(bytes, start, at)
    }
    return undefined
  }

  /** A string with a backslash at `from`, the first one. */
  #escaped(bytes: Uint8Array, start: number, from: number, end: number): string | undefined {
    if (end - start > UNESCAPED_BYTES_MAX) return undefined
    const target = this.#unescaped
    let length = 0
    for (let at = start; at < from; at += 1) target[length++] = bytes[at] as number
    for (let at = from; at < end; at += 1) {
      let byte = bytes[at] as number
      if (byte === QUOTE) {
        this.at = at
        return utf8Slice.call(target, 0, length)
      }
      if (byte < 0x20) return undefined
      if (byte === BACKSLASH) {
        at += 1
        byte = ESCAPED[bytes[at] as number] as number
        if (byte === 0) return undefined
      }
      target[length++] = byte
    }
    return undefined
  }

  /** A number, true, false or null. `text` has the same bytes as Latin-1, from byte `textFrom` on. */
  other(
    bytes: Uint8Array,
    start: number,
    text: string,
    textFrom: number,
  ): number | boolean | null | undefined {
    const first = bytes[start] as number
    if (first === MINUS || isDigit(first)) return this.#number(bytes, start, text, textFrom)
    if (this.#word(bytes, start, TRUE)) return true
    if (this.#word(bytes, start, FALSE)) return false
    return this.#word(bytes, start, NULL) ? null : undefined
  }

  /** Without an exponent. */
  #number(bytes: Uint8Array, start: number, text: string, textFrom: number): number | undefined {
    const negative = bytes[start] === MINUS
    const wholeStart = negative ? start + 1 : start
    let digits = 0
    let fraction = 0
    let at = wholeStart
    for (; isDigit(bytes[at]); at += 1) digits = digits * 10 + (bytes[at] as number) - ZERO
    let read = at - wholeStart
    if (read === 0 || (bytes[wholeStart] === ZERO && read > 1)) return undefined
    if (bytes[at] === POINT) {
      const fractionStart = at + 1
      for (at = fractionStart; isDigit(bytes[at]); at += 1)
        digits = digits * 10 + (bytes[at] as number) - ZERO
      fraction = at - fractionStart
      if (fraction === 0) return undefined
      read += fraction
    }
    this.at = at
    // What follows is a literal of the shape, or all of this was for nothing: an `e` is seen there.
    if (read > EXACT_DIGITS_MAX) return Number(text.substring(start - textFrom, at - textFrom))
    const value = digits / (POWERS_OF_TEN[fraction] as number)
    return negative ? -value : value
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
