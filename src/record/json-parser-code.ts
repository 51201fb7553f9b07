/**
 * Makes a parser for texts of one shape, as code.
 *
 * The code compares the literals byte by byte, reads each value between them, and ends in one object literal, so that
 * all objects get the hidden class at once that JSON.parse would give them member by member. The same over tables of
 * literals and a generic put-together of the object takes twice as long and is no faster than JSON.parse.
 *
 * What gets into the code are keys that `shapeOf` found harmless, and byte values; nothing else of the data.
 */
import { JsonScalars, PLAIN_STRING_BYTES } from './json-scalars.ts'
import type { JsonShape } from './json-shape.ts'

/**
 * Parses bytes [start, end). `text` has the same bytes as Latin-1, from byte `textFrom` on. Undefined: they are not of
 * the shape, or no JSON.
 */
export type ShapeParser = (
  bytes: Uint8Array,
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

/** Undefined: this process does not allow code to be made (`--disallow-code-generation-from-strings`). */
export function shapeParser(shape: JsonShape): ShapeParser | undefined {
  const { literals, expression } = shape
  const last = literals.length - 1
  const steps = literals.map(
    (literal, index) => matchLiteral(literal) + (index === last ? '' : readValue(`v${index}`)),
  )
  const shortest = literals.reduce((sum, literal) => sum + literal.length, last)
  // The name is for profiles.
  const code = `return function parseShape(bytes, text, textFrom, start, end) {
    if (end - start < ${shortest}) return undefined
    let at = start, from = 0, byte = 0
    ${steps.join('\n')}
    return at === end ? ${expression} : undefined
  }`
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- the one place where code is made; the head says from what
    const make = new Function('plain', 'scalars', 'latin1Slice', 'spelled', code)
    return make(PLAIN_STRING_BYTES, new JsonScalars(), latin1Slice, spelledString()) as ShapeParser
  } catch (error) {
    if (error instanceof EvalError) return undefined
    throw error
  }
}

type Spelled = (bytes: Uint8Array, from: number, length: number) => string

let spelled: Spelled | undefined

/** Makes ASCII strings that are too long to be copied as substrings and up to SPELLED_STRING_MAX long; of no data. */
function spelledString(): Spelled {
  if (spelled !== undefined) return spelled
  const cases: string[] = []
  for (let length = COPIED_SUBSTRING_MAX + 1; length <= SPELLED_STRING_MAX; length += 1) {
    const codes = Array.from({ length }, (_, index) => `bytes[from + ${index}]`)
    cases.push(`case ${length}: return fromCharCode(${codes.join(', ')})`)
  }
  const code = `return function spelledString(bytes, from, length) { switch (length) { ${cases.join('\n')} } }`
  // oxlint-disable-next-line typescript/no-implied-eval -- its code is the same in every process
  const made = new Function('fromCharCode', code)(String.fromCharCode) as Spelled
  spelled = made
  return made
}

function matchLiteral(literal: string): string {
  const differs = Array.from(
    literal,
    (character, index) => `bytes[at + ${index}] !== ${character.charCodeAt(0)}`,
  )
  return `if (${differs.join(' || ')}) return undefined\n at += ${literal.length}\n`
}

/**
 * Plain strings and whole numbers of up to 15 digits at once, which are exact; the rest is left to JsonScalars. Reading
 * may run over the end of a broken text, into its neighbours: `at === end` finds that.
 */
function readValue(value: string): string {
  return `let ${value}
    byte = bytes[at]
    if (byte === 0x22) {
      from = at += 1
      while ((plain[bytes[at]] & plain[bytes[at + 1]] & plain[bytes[at + 2]] & plain[bytes[at + 3]]) === 1) at += 4
      while (plain[byte = bytes[at]] === 1) at += 1
      if (at - from > ${PLAIN_STRING_MAX}) return undefined
      if (byte !== 0x22) {
        ${value} = scalars.string(bytes, from, at, end)
        if (${value} === undefined) return undefined
        at = scalars.at
      } else if (at - from > ${SPELLED_STRING_MAX}) ${value} = latin1Slice.call(bytes, from, at)
      else if (at - from > ${COPIED_SUBSTRING_MAX}) ${value} = spelled(bytes, from, at - from)
      else ${value} = text.substring(from - textFrom, at - textFrom)
      at += 1
    } else {
      from = at
      ${value} = 0
      while (byte >= 0x30 && byte <= 0x39) {
        ${value} = ${value} * 10 + (byte - 0x30)
        byte = bytes[at += 1]
      }
      if (at === from || at - from > 15 || byte === 0x2e || (byte | 0x20) === 0x65 || (bytes[from] === 0x30 && at - from > 1)) {
        ${value} = scalars.other(bytes, from, text, textFrom)
        if (${value} === undefined) return undefined
        at = scalars.at
      }
    }
`
}
