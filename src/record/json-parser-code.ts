/**
 * Makes a parser for texts of one shape, as code.
 *
 * The code compares the literals word by word, reads each value between them, and ends in one object literal, so that
 * all objects get the hidden class at once that JSON.parse would give them member by member. The same over tables of
 * literals and a generic put-together of the object takes twice as long and is no faster than JSON.parse.
 *
 * What gets into the code are keys that `shapeOf` found harmless, and byte values; nothing else of the data.
 */
import { madeCode } from '../base/made-code.ts'
import { JsonScalars, PLAIN_STRING_BYTES } from './json-scalars.ts'
import type { JsonShape } from './json-shape.ts'
import { differsCode } from './literal-code.ts'
import { RECENT_BYTES_MAX, RECENT_BYTES_MIN, RecentStrings } from './recent-strings.ts'

/**
 * Parses bytes [start, end); `view` is of the same ones. `text` has the same bytes as Latin-1, from byte `textFrom` on. Undefined: they are not of
 * the shape, or no JSON.
 */
export type ShapeParser = (
  bytes: Uint8Array,
  view: DataView,
  text: string,
  textFrom: number,
  start: number,
  end: number,
) => object | undefined

/** Longer strings are cut from the bytes: V8 would let a substring keep the memory of the whole text. */
const COPIED_SUBSTRING_MAX = 12
/** Up to here a string is faster put together from its bytes in JavaScript than cut by native code. */
const SPELLED_STRING_MAX = 24
/** Of longer strings JSON.parse finds the end faster. */
const PLAIN_STRING_MAX = 512
const { latin1Slice } = Buffer.prototype

/** The string of bytes [from, at), an expression of the generated code. */
const STRING_OF_RANGE = `at - from > ${SPELLED_STRING_MAX}
          ? latin1Slice.call(bytes, from, at)
          : at - from > ${COPIED_SUBSTRING_MAX}
            ? spelled(bytes, from, at - from)
            : text.substring(from - textFrom, at - textFrom)`

/** Undefined: this process does not allow code to be made (`--disallow-code-generation-from-strings`). */
export function shapeParser(shape: JsonShape): ShapeParser | undefined {
  const { literals, expression } = shape
  const last = literals.length - 1
  const steps = literals.map(
    (literal, index) => matchLiteral(literal) + (index === last ? '' : readValue(index)),
  )
  const shortest = literals.reduce((sum, literal) => sum + literal.length, last)
  // The name is for profiles.
  const recent = literals.slice(1).map((_, index) => `const recent${index} = new RecentStrings()`)
  const code = `${recent.join('\n')}
  return function parseShape(bytes, view, text, textFrom, start, end) {
    if (end - start < ${shortest}) return undefined
    let at = start, from = 0, byte = 0, word = 0, quotes = 0, slashes = 0, odd = 0, high = 0, low = 0
    ${steps.join('\n')}
    return at === end ? ${expression} : undefined
  }`
  const names = {
    plain: PLAIN_STRING_BYTES,
    scalars: new JsonScalars(),
    latin1Slice,
    tens: Float64Array.from({ length: 8 }, (_, power) => 10 ** power),
    spelled: spelledString(),
    RecentStrings,
  }
  return madeCode<ShapeParser>(names, code)
}

type Spelled = (bytes: Uint8Array, from: number, length: number) => string

let spelled: Spelled | undefined

/** Makes ASCII strings that are too long to be copied as substrings and up to SPELLED_STRING_MAX long; of no data. */
function spelledString(): Spelled | undefined {
  if (spelled !== undefined) return spelled
  const cases: string[] = []
  for (let length = COPIED_SUBSTRING_MAX + 1; length <= SPELLED_STRING_MAX; length += 1) {
    const codes = Array.from({ length }, (_, index) => `bytes[from + ${index}]`)
    cases.push(`case ${length}: return fromCharCode(${codes.join(', ')})`)
  }
  const code = `return function spelledString(bytes, from, length) { switch (length) { ${cases.join('\n')} } }`
  spelled = madeCode<Spelled>({ fromCharCode: String.fromCharCode }, code)
  return spelled
}

function matchLiteral(literal: string): string {
  return `if (at + ${literal.length} > end || ${differsCode(literal)}) return undefined\n at += ${literal.length}\n`
}

/**
 * Plain strings and whole numbers of up to 15 digits at once, which are exact; the rest is left to JsonScalars. Reading
 * may run over the end of a broken text, into its neighbours: `at === end` finds that.
 */
function readValue(index: number): string {
  const value = `v${index}`
  const recent = `recent${index}`
  return `let ${value}
    byte = bytes[at]
    if (byte === 0x22) {
      from = at += 1
      while (at + 4 <= end) {
        word = view.getInt32(at, true)
        quotes = word ^ 0x22222222
        slashes = word ^ 0x5c5c5c5c
        odd = (((quotes - 0x01010101) & ~quotes) | ((slashes - 0x01010101) & ~slashes) | ((word - 0x20202020) & ~word) | word) & 0x80808080
        if (odd !== 0) {
          at += (31 - Math.clz32(odd & -odd)) >> 3
          break
        }
        at += 4
      }
      while (plain[byte = bytes[at]] === 1) at += 1
      if (at - from > ${PLAIN_STRING_MAX}) return undefined
      if (byte !== 0x22) {
        ${value} = scalars.string(bytes, from, at, end)
        if (${value} === undefined) return undefined
        at = scalars.at
      } else if (at - from < ${RECENT_BYTES_MIN} || at - from > ${RECENT_BYTES_MAX}) {
        ${value} = ${STRING_OF_RANGE}
      } else {
        ${value} = ${recent}.find(view, from, at - from)
        if (${value} === undefined) ${value} = ${recent}.keep(bytes, from, at - from, ${STRING_OF_RANGE})
      }
      at += 1
    } else {
      from = at
      high = 0
      while (byte >= 0x30 && byte <= 0x39 && at - from < 9) {
        high = (Math.imul(high, 10) + (byte - 0x30)) | 0
        byte = bytes[at += 1]
      }
      ${value} = high
      if (byte >= 0x30 && byte <= 0x39) {
        low = 0
        while (byte >= 0x30 && byte <= 0x39 && at - from <= 15) {
          low = (Math.imul(low, 10) + (byte - 0x30)) | 0
          byte = bytes[at += 1]
        }
        ${value} = high * tens[at - from - 9] + low
      }
      if (at === from || at - from > 15 || byte === 0x2e || (byte | 0x20) === 0x65 || (bytes[from] === 0x30 && at - from > 1)) {
        ${value} = scalars.other(bytes, from, text, textFrom)
        if (${value} === undefined) return undefined
        at = scalars.at
      }
    }
`
}
