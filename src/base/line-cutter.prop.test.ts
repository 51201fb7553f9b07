import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LineCutter } from './line-cutter.ts'

const pieces = fc.array(
  fc.constantFrom('a', 'é', '\u2028', '\u0085', '\r', '\n', '\r\n', '\uFEFF', '{"b":"c"}', ''),
  { maxLength: 30 },
)

function cut(bytes: Buffer, sizes: readonly number[]): string[] {
  const cutter = new LineCutter()
  const lines: string[] = []
  let [at, turn] = [0, 0]
  while (at < bytes.length) {
    const size = sizes[turn % sizes.length] ?? 1
    lines.push(...cutter.push(bytes.subarray(at, at + size)).map(String))
    at += size
    turn += 1
  }
  lines.push(...cutter.end().map(String))
  expect(cutter.count).toBe(lines.length)
  return lines
}

test('lines are what is between line feeds, however the bytes come', () => {
  fc.assert(
    fc.property(pieces, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (parts, sizes) => {
      const text = parts.join('')
      const expected = text.split('\n')
      // What follows the last line feed is a line only if there is something.
      if (expected.at(-1) === '') expected.pop()
      const plain = expected.map((line) => line.replace(/\r$/, ''))
      if (plain[0] !== undefined) plain[0] = plain[0].replace(/^\uFEFF/, '')
      expect(cut(Buffer.from(text), sizes)).toEqual(plain)
    }),
  )
})

test('bytes that are no UTF-8 stay as they are', () => {
  const cutter = new LineCutter()
  expect(cutter.push(Buffer.from([0xff, 0x0a, 0xfe]))).toEqual([Buffer.from([0xff])])
  expect(cutter.end()).toEqual([Buffer.from([0xfe])])
})

test('a line that does not end is an error, not all of the memory', () => {
  const cutter = new LineCutter()
  cutter.push(Buffer.from('1\n'))
  const piece = Buffer.alloc(50 * 1024 * 1024)
  cutter.push(piece)
  cutter.push(piece)
  expect(() => cutter.push(piece)).toThrow(/line 2 does not end within/)
})
