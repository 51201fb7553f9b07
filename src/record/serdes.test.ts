import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { BatchBuilder } from './batch-builder.ts'
import { BatchReader } from './batch-reader.ts'
import type { Serde } from './serde.ts'
import { bytes, json, text } from './serdes.ts'

/** What a reader of a topic gets for these bytes. */
function decode<T>(serde: Serde<T, never>, value: Uint8Array | string): T {
  const reader = readerOf(typeof value === 'string' ? Buffer.from(value) : value)
  return serde.decode(reader, reader.valueStart, reader.valueEnd)
}

function readerOf(value: Uint8Array): BatchReader {
  const builder = new BatchBuilder()
  builder.append(0, null, value)
  const reader = new BatchReader()
  reader.open(Buffer.from(builder.build()), 0)
  reader.next()
  return reader
}

const Order = z.object({ id: z.string(), items: z.array(z.object({ price: z.number() })) })

describe('json with a schema', () => {
  const serde = json(Order)

  test('round trip, as bytes and as text', () => {
    const order = { id: 'o1', items: [{ price: 2.5 }] }
    expect(decode(serde, serde.encode(order))).toEqual(order)
    expect(serde.encodeText?.(order)).toBe('{"id":"o1","items":[{"price":2.5}]}')
  })

  test('what is read is checked, and the message names the field and the rule', () => {
    const read = () => decode(serde, '{"id":"o1","items":[{"price":1},{"price":"2"}]}')
    expect(read).toThrow(expect.objectContaining({ code: 'MILLRACE_INVALID_RECORD' }))
    expect(read).toThrow(/items\[1\]\.price: Invalid input: expected number/)
  })

  test('what is written is checked', () => {
    const wrong = { id: 1, items: [] } as unknown as z.input<typeof Order>
    expect(() => serde.encode(wrong)).toThrow(/id: Invalid input: expected string/)
    expect(() => serde.encodeText?.(wrong)).toThrow(/id: Invalid input/)
  })

  test('many issues are counted, not listed', () => {
    const items = Array.from({ length: 10 }, () => ({ price: 'x' }))
    expect(() => decode(serde, JSON.stringify({ id: 'o', items }))).toThrow(/; and 7 more$/)
  })

  test('an issue of the whole value has no path', () => {
    expect(() => decode(json(z.string()), '1')).toThrow(/^the schema refuses the value: Invalid input/)
  })

  test('a schema that transforms: the input is written, the output is read', () => {
    const Click = z.object({
      at: z.string().transform((value) => Number(value)),
      kind: z.string().default('view'),
    })
    const clicks = json(Click)
    expect(Buffer.from(clicks.encode({ at: '5' })).toString()).toBe('{"at":"5"}')
    expect(decode(clicks, clicks.encode({ at: '5' }))).toEqual({ at: 5, kind: 'view' })
  })

  test('a schema that answers later is refused, and its rejection ends nothing', async () => {
    const later = json({
      '~standard': { version: 1, vendor: 'later', validate: () => Promise.reject(new Error('too late')) },
    })
    expect(() => decode(later, '1')).toThrow(expect.objectContaining({ code: 'MILLRACE_INVALID_ARGUMENT' }))
    expect(() => later.encode(1)).toThrow(/later schema validates asynchronously.*mapAsync/)
    await new Promise((resolve) => setImmediate(resolve))
  })
})

describe('json without a schema', () => {
  test.each([[{ a: [1, null, 'ü'] }], [null], [0], ['']])('round trip of %j', (value) => {
    expect(decode(json(), json().encode(value))).toEqual(value)
  })

  test.each([
    ['{"a":', /is no JSON/],
    ['', /is empty/],
    [Uint8Array.of(0xff, 0xfe, 1), /3 bytes are no UTF-8 text/],
  ])('%s is refused', (value, message) => {
    expect(() => decode(json(), value)).toThrow(message)
    expect(() => decode(json(Order), value)).toThrow(
      expect.objectContaining({ code: 'MILLRACE_INVALID_RECORD' }),
    )
  })

  test('what JSON has no form for is refused', () => {
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    expect(() => json().encode(circle)).toThrow(/circular/)
    expect(() => json().encode(1n)).toThrow(/BigInt/)
    expect(() => json().encode(undefined)).toThrow(/undefined cannot be written/)
    expect(() => json().encode(() => 1)).toThrow(/function cannot be written/)
  })
})

describe('text and bytes', () => {
  test.each(['', 'short', 'a longer text that is no copied substring', 'größer', '\ufeffmark'])(
    'text %j',
    (value) => {
      expect(decode(text(), text().encode(value))).toBe(value)
    },
  )

  test('bytes are a copy: the batch may be changed or dropped', () => {
    const reader = readerOf(Uint8Array.of(1, 2, 3))
    const value = bytes().decode(reader, reader.valueStart, reader.valueEnd)
    reader.bytes.fill(9)
    expect([...value]).toEqual([1, 2, 3])
  })

  test('a wrong type is refused', () => {
    expect(() => text().encode(5 as unknown as string)).toThrow(/expected a text, got number/)
    expect(() => bytes().encode('x' as unknown as Uint8Array)).toThrow(
      /expected bytes \(Uint8Array\), got string/,
    )
  })
})
