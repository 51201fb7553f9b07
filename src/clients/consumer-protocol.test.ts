import { describe, expect, test } from 'vitest'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './consumer-protocol.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const fromHex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))

describe('the consumer protocol', () => {
  test('a subscription has the bytes of version 3', () => {
    const bytes = encodeSubscription({
      topics: ['a', 'bc'],
      owned: [
        { topic: 'a', partition: 1 },
        { topic: 'bc', partition: 0 },
        { topic: 'a', partition: 2 },
      ],
      generation: 5,
    })
    const owned = '00000002 0001 61 00000002 00000001 00000002 0002 6263 00000001 00000000'
    expect(hex(bytes)).toBe(
      `0003 00000002 0001 61 0002 6263 ffffffff ${owned} 00000005 ffff`.replaceAll(' ', ''),
    )
  })

  test('an assignment has the bytes of version 1, and is read back', () => {
    const partitions = [
      { topic: 'ä', partition: 0 },
      { topic: 'ä', partition: 7 },
    ]
    const bytes = encodeAssignment(partitions)
    expect(hex(bytes)).toBe('0001 00000001 0002 c3a4 00000002 00000000 00000007 ffffffff'.replaceAll(' ', ''))
    expect(decodeAssignment(bytes)).toEqual(partitions)
  })

  test('a subscription of version 0, which has no owned partitions, is read', () => {
    expect(decodeSubscription(fromHex('0000 00000001 0001 61 00000002 beef'))).toEqual({
      topics: ['a'],
      owned: [],
      generation: -1,
    })
  })

  test('a subscription of version 1 has no generation', () => {
    const bytes = fromHex('0001 00000001 0001 61 ffffffff 00000001 0001 61 00000001 00000003')
    expect(decodeSubscription(bytes)).toEqual({
      topics: ['a'],
      owned: [{ topic: 'a', partition: 3 }],
      generation: -1,
    })
  })

  test('what a later version appends is left unread', () => {
    const bytes = fromHex('0009 00000001 0001 61 ffffffff 00000000 00000002 ffff 00000001 cafe')
    expect(decodeSubscription(bytes)).toEqual({ topics: ['a'], owned: [], generation: 2 })
  })

  test('no bytes are an empty assignment', () => {
    expect(decodeAssignment(new Uint8Array())).toEqual([])
  })

  test.each([
    ['an array of 2147483647 elements', '0001 7fffffff'],
    ['a string that is cut off', '0001 00000001 0005 61'],
    ['nothing behind the version', '0001'],
  ])('%s is MILLRACE_CORRUPT', (_, text) => {
    expect(() => decodeAssignment(fromHex(text))).toThrow(/does not speak the consumer protocol/)
    expect(() => decodeSubscription(fromHex(text))).toThrow(/does not speak the consumer protocol/)
  })
})
