import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MillraceError } from '../../base/errors.ts'
import { decodeMessage, encodeMessage, errorOf } from './message.ts'

const bytes = fc.uint8Array({ maxLength: 40 })
const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), bytes)
const tree = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('node'), { maxLength: 4 }),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), tie('node'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).node

describe('a message', () => {
  test('comes back as it was, byte arrays and all', () => {
    fc.assert(
      fc.property(tree, (value) => {
        expect(decodeMessage(encodeMessage(value))).toEqual(value)
      }),
    )
  })

  test('keeps bytes of buffers, and of views into larger ones', () => {
    const large = new Uint8Array([1, 2, 3, 4, 5])
    const value = { buffer: Buffer.from('abc'), view: large.subarray(1, 3), none: new Uint8Array(0) }
    expect(decodeMessage(encodeMessage(value))).toEqual({
      buffer: new Uint8Array([97, 98, 99]),
      view: new Uint8Array([2, 3]),
      none: new Uint8Array(0),
    })
  })

  test('keeps errors with their codes; others are faults of the program', () => {
    const value = { error: new MillraceError('MILLRACE_FENCED', 'x is over'), other: new TypeError('oops') }
    const back = decodeMessage(encodeMessage(value)) as { error: MillraceError; other: MillraceError }
    expect(back.error).toMatchObject({ code: 'MILLRACE_FENCED', message: 'x is over', remedy: 'rejoin' })
    expect(back.other).toMatchObject({ code: 'MILLRACE_ASSERTION', message: 'oops' })
    expect(errorOf({ code: 'MILLRACE_FUTURE', message: 'm' })).toMatchObject({ code: 'MILLRACE_UNSUPPORTED' })
  })

  test('that is cut, longer announced or no message is an error, never a crash', () => {
    const whole = encodeMessage({ a: new Uint8Array(20), b: [1, 2, 3] })
    const refused = expect.objectContaining({ code: 'MILLRACE_INVALID_ARGUMENT' })
    for (let length = 0; length < whole.length; length += 1) {
      expect(() => decodeMessage(whole.subarray(0, length))).toThrow(refused)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
        try {
          decodeMessage(noise)
        } catch (error) {
          expect(error).toEqual(refused)
        }
      }),
    )
  })
})
