import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { madeCode } from '../base/made-code.ts'
import { differsCode, writeCode } from './literal-code.ts'

type Write = (view: DataView, at: number) => number
type Differs = (view: DataView, at: number) => boolean

function writer(text: string): Write {
  return madeCode<Write>({}, `return (view, at) => { ${writeCode(text)} return at }`) as Write
}

function differing(text: string): Differs {
  return madeCode<Differs>({}, `return (view, at) => ${differsCode(text)}`) as Differs
}

/** Behind a text lies at most the rest of a word. */
const BEHIND_MAX = 3

const texts = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  // Words with their highest bit set, which read as negative numbers.
  fc.constantFrom('', 'a', 'abc', 'abcd', 'abcde', 'ÿÿ', 'üüü', '🌊', '🌊🌊', '\u2028"\\\n', '\0\0\0\0\0'),
)
/** Where the memory of the view begins in that of its buffer, and the text in the view: words need not be aligned. */
const places = fc.record({ offset: fc.nat(5), at: fc.nat(9) })
const byteChange = fc.integer({ min: 1, max: 255 })

describe('code that writes a text', () => {
  test('writes its bytes, moves behind them, and touches three bytes more at most', () => {
    fc.assert(
      fc.property(texts, places, fc.nat(255), (text, { offset, at }, filler) => {
        const bytes = Buffer.from(text)
        const memory = new Uint8Array(offset + at + bytes.length + 16).fill(filler)
        const view = new DataView(memory.buffer, offset)
        expect(writer(text)(view, at)).toBe(at + bytes.length)
        const from = offset + at
        expect(Buffer.from(memory.subarray(from, from + bytes.length))).toEqual(bytes)
        const others = [...memory.subarray(0, from), ...memory.subarray(from + bytes.length + BEHIND_MAX)]
        expect(others.every((byte) => byte === filler)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  test('needs no more room than that', () => {
    fc.assert(
      fc.property(texts, places, (text, { at }) => {
        const { length } = Buffer.from(text)
        const view = new DataView(new ArrayBuffer(at + Math.ceil(length / 4) * 4))
        expect(writer(text)(view, at)).toBe(at + length)
      }),
    )
  })

  test('texts go one behind the other', () => {
    fc.assert(
      fc.property(fc.array(texts, { maxLength: 6 }), (list) => {
        const bytes = Buffer.from(list.join(''))
        // Halves of a pair in two texts are no character.
        fc.pre(list.every((text) => text.isWellFormed()))
        const target = Buffer.alloc(bytes.length + BEHIND_MAX)
        const view = new DataView(target.buffer, target.byteOffset, target.length)
        let at = 0
        for (const text of list) at = writer(text)(view, at)
        expect(target.subarray(0, at)).toEqual(bytes)
      }),
    )
  })
})

describe('code that compares a text', () => {
  /** A view that ends with the text: to look behind it throws. */
  function endingWith(text: string, offset: number, at: number): { bytes: Uint8Array; view: DataView } {
    const memory = Buffer.concat([Buffer.alloc(offset + at, 0x2e), Buffer.from(text)])
    // Its own memory: in Node's pool the view could see on.
    const bytes = new Uint8Array(memory)
    return { bytes: bytes.subarray(offset), view: new DataView(bytes.buffer, offset) }
  }

  test('is false for the text, and true when any of its bytes is another', () => {
    fc.assert(
      fc.property(texts, places, byteChange, (text, { offset, at }, change) => {
        const { bytes, view } = endingWith(text, offset, at)
        const differs = differing(text)
        expect(differs(view, at)).toBe(false)
        for (let index = at; index < bytes.length; index += 1) {
          const right = bytes[index] as number
          bytes[index] = right ^ change
          expect(differs(view, at)).toBe(true)
          bytes[index] = right
        }
        expect(differs(view, at)).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  test('each single bit counts', () => {
    for (const text of ['abc', 'abcd', 'abcdefg', 'grüße 🌊']) {
      const { bytes, view } = endingWith(text, 1, 2)
      const differs = differing(text)
      for (let bit = 2 * 8; bit < bytes.length * 8; bit += 1) {
        const index = bit >> 3
        const right = bytes[index] as number
        bytes[index] = right ^ (1 << (bit & 7))
        expect(differs(view, 2)).toBe(true)
        bytes[index] = right
      }
    }
  })

  test('what lies before and behind it does not', () => {
    fc.assert(
      fc.property(
        texts,
        fc.uint8Array({ maxLength: 9 }),
        fc.uint8Array({ maxLength: 9 }),
        (text, before, behind) => {
          const bytes = Uint8Array.from([...before, ...Buffer.from(text), ...behind])
          expect(differing(text)(new DataView(bytes.buffer), before.length)).toBe(false)
        },
      ),
    )
  })

  test('sees what the other code wrote', () => {
    fc.assert(
      fc.property(texts, texts, (text, other) => {
        const view = new DataView(new ArrayBuffer(200))
        writer(text)(view, 5)
        expect(differing(text)(view, 5)).toBe(false)
        const length = Buffer.byteLength(other)
        const same = Buffer.from(view.buffer, 5, length).equals(Buffer.from(other))
        expect(differing(other)(view, 5)).toBe(!same)
      }),
    )
  })
})
