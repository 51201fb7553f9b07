import { describe, expect, test } from 'vitest'
import { BatchBuilder } from './batch-builder.ts'
import { BatchReader } from './batch-reader.ts'

/** Text is made for a window of the records, of 32 KiB. */
describe('text of batches longer than a window', () => {
  function readerOf(values: readonly string[]): BatchReader {
    const builder = new BatchBuilder()
    for (const [index, value] of values.entries()) builder.appendText(index, `key ${index}`, value)
    const reader = new BatchReader()
    reader.open(builder.build(), 0)
    return reader
  }
  const sizes = [1, 300, 32_767, 32_768, 5, 70_000, 60, 64, 16_000, 16_000, 16_000]

  test.each([
    ['ASCII', () => 'a'],
    ['umlauts here and there', (index: number) => (index % 3 === 0 ? 'ü' : 'a')],
    ['one at the end', (index: number) => (index === 10 ? 'ü' : 'a')],
  ])('%s: every key and value', (_, letter) => {
    const values = sizes.map((size, index) => `${index}${letter(index).repeat(size)}`)
    const reader = readerOf(values)
    for (const [index, value] of values.entries()) {
      expect(reader.next()).toBe(true)
      expect(reader.text(reader.keyStart, reader.keyEnd)).toBe(`key ${index}`)
      expect(reader.text(reader.valueStart, reader.valueEnd)).toBe(value)
    }
    expect(reader.next()).toBe(false)
  })

  test('a range that is not of the record under the cursor', () => {
    const reader = readerOf(['ä first', 'second'])
    reader.next()
    const { valueStart, valueEnd } = reader
    reader.next()
    expect(reader.text(reader.valueStart, reader.valueEnd)).toBe('second')
    expect(reader.text(valueStart, valueEnd)).toBe('ä first')
    expect(reader.text(valueStart, reader.valueEnd)).toContain('first')
  })

  test('latin1 has the record under the cursor, whatever was asked before', () => {
    const values = sizes.map((size, index) => `${index}`.repeat(size))
    const reader = readerOf(values)
    for (const [index, value] of values.entries()) {
      reader.next()
      // Some records are passed over.
      if (index % 4 === 1) continue
      const text = reader.latin1(reader.valueEnd)
      expect(text.slice(reader.valueStart - reader.latin1From, reader.valueEnd - reader.latin1From)).toBe(
        value,
      )
    }
  })
})
