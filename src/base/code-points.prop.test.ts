import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareCodePoints } from './code-points.ts'

function definition(a: string, b: string): number {
  const left = Array.from(a)
  const right = Array.from(b)
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const difference = (left[index]?.codePointAt(0) ?? 0) - (right[index]?.codePointAt(0) ?? 0)
    if (difference !== 0) return Math.sign(difference)
  }
  return Math.sign(left.length - right.length)
}

/** Units at which the two orders differ, and the edges of the ranges. */
const unit = fc.constantFrom('a', '\ud7ff', '\ud800', '\udbff', '\udc00', '\udfff', '\ue000', '\uffff')
const strange = fc.array(unit, { maxLength: 5 }).map((units) => units.join(''))

describe('compareCodePoints', () => {
  test('a pair comes after every single unit', () => {
    const [pair, single] = ['\u{1f600}', '\uff5e'] as [string, string]
    // By units it would come before.
    expect(pair < single).toBe(true)
    expect(compareCodePoints(pair, single)).toBeGreaterThan(0)
    expect(compareCodePoints(single, pair)).toBeLessThan(0)
  })

  test('a prefix comes first, and equal is 0', () => {
    expect(compareCodePoints('ab', 'abc')).toBeLessThan(0)
    expect(compareCodePoints('', 'a')).toBeLessThan(0)
    expect(compareCodePoints('abc', 'abc')).toBe(0)
  })

  test('equals the definition, also for halves of pairs that stand alone', () => {
    fc.assert(
      fc.property(strange, strange, (a, b) => {
        expect(Math.sign(compareCodePoints(a, b))).toBe(definition(a, b))
      }),
      { numRuns: 5000 },
    )
  })

  test('is the order of the UTF-8 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
        expect(Math.sign(compareCodePoints(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
      }),
    )
  })
})
