import fc from 'fast-check'
import { expect, test } from 'vitest'
import { choppedBytes } from './files-test-world.ts'
import { FrameReader } from './frame-reader.ts'
import { csvFraming, type Framing, lineFraming } from './framing.ts'

/** All records with the line they begin at, however the source cuts its reads. */
function records(
  content: string,
  framing: Framing,
  sizes: readonly number[],
  bufferBytes: number,
  max: number,
) {
  const source = choppedBytes(Buffer.from(content), sizes)
  const options = { source, framing, path: 'a', byte: 0, linesBefore: 0, follow: false, bufferBytes }
  const reader = new FrameReader(options)
  const found: [text: string, line: number, next: number][] = []
  while (!reader.ended) {
    const batch = reader.read(max)
    if (batch === undefined) continue
    expect(batch.frames.length).toBeLessThanOrEqual(max)
    for (const { start, end, next, line } of batch.frames) {
      found.push([batch.bytes.toString('utf8', start, end), line, batch.base + next])
    }
  }
  return { found, byte: reader.byte }
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 })
const bufferBytes = fc.integer({ min: 4, max: 64 })
const max = fc.integer({ min: 1, max: 5 })
const content = fc
  .array(fc.constantFrom('a', 'ü', '🎉', '\n', '\r\n', '\r', '"', '""', ',', 'longer text'), {
    maxLength: 40,
  })
  .map((parts) => parts.join(''))

test('lines are those of the whole text, wherever it is cut', () => {
  fc.assert(
    fc.property(content, sizes, bufferBytes, max, (text, cuts, buffer, most) => {
      const { found, byte } = records(text, lineFraming, cuts, buffer, most)
      const expected = text.split('\n').map((line) => line.replace(/\r$/, ''))
      // What follows the last line feed is a line only if there is something.
      if (text === '' || text.endsWith('\n')) expected.pop()
      expect(found.map(([line]) => line)).toEqual(
        expected.filter((line, at) => at < expected.length - 1 || line !== '' || text.endsWith('\n')),
      )
      expect(found.map(([, line]) => line)).toEqual(found.map((_, index) => index + 1))
      expect(byte).toBe(Buffer.byteLength(text))
    }),
  )
})

test('CSV records are those of the uncut text, wherever it is cut', () => {
  const framing = csvFraming(44)
  fc.assert(
    fc.property(content, sizes, bufferBytes, max, (text, cuts, buffer, most) => {
      expect(records(text, framing, cuts, buffer, most)).toEqual(records(text, framing, [1000], 1000, 1000))
    }),
  )
})

test('fields that are written with quotes where they need them are cut where they end', () => {
  const field = fc
    .array(fc.constantFrom('a', '"', ',', '\n', '\r\n', 'ü'), { maxLength: 5 })
    .map((parts) => parts.join(''))
  const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(field, field), { maxLength: 8 }),
      sizes,
      bufferBytes,
      (rows, cuts, buffer) => {
        const written = rows.map((row) => row.map(quoted).join(','))
        const { found } = records(written.map((row) => `${row}\n`).join(''), csvFraming(44), cuts, buffer, 3)
        expect(found.map(([text]) => text)).toEqual(written)
      },
    ),
  )
})

test('a record above the limit is an error that says where', () => {
  const source = choppedBytes(Buffer.from(`short\n${'x'.repeat(500)}`), [7])
  const base = { source, framing: lineFraming, path: 'big.log', byte: 0, linesBefore: 0, follow: false }
  const reader = new FrameReader({ ...base, bufferBytes: 16, recordBytesMax: 100 })
  expect(reader.read(10)?.frames).toHaveLength(1)
  expect(() => reader.read(10)).toThrow(/big\.log:2 \(byte 6\): a record does not end within 100 bytes/)
})

test('after a long record the buffer is small again', () => {
  const source = choppedBytes(Buffer.from(`${'x'.repeat(500)}\n${'ab\n'.repeat(50)}`), [64])
  const base = { source, framing: lineFraming, path: 'a', byte: 0, linesBefore: 0, follow: false }
  const reader = new FrameReader({ ...base, bufferBytes: 16 })
  expect(reader.read(1)?.bytes.length).toBeGreaterThan(500)
  let last = 0
  while (!reader.ended) last = reader.read(1000)?.bytes.length ?? last
  expect(last).toBe(16)
})
