import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RECENT_BYTES_MAX, RECENT_BYTES_MIN, RecentStrings } from './recent-strings.ts'

/** Says how often it was looked into. */
class CountingView extends DataView<ArrayBuffer> {
  looks = 0

  override getInt32(at: number, littleEndian?: boolean): number {
    this.looks += 1
    return super.getInt32(at, littleEndian)
  }
}

/** Strings as a parser reads them: from a buffer of its own that the next ones are written over. */
class Field {
  readonly recent = new RecentStrings()
  readonly bytes: Buffer
  readonly view: CountingView
  /** How many of the finds looked at bytes. */
  looked = 0

  constructor(offset = 0) {
    const memory = new ArrayBuffer(128)
    this.bytes = Buffer.from(memory, offset)
    this.view = new CountingView(memory, offset)
  }

  find(text: string, from = 0): string | undefined {
    this.bytes.fill(0xee)
    this.bytes.write(text, from, 'latin1')
    const before = this.view.looks
    const found = this.recent.find(this.view, from, text.length)
    if (this.view.looks > before) this.looked += 1
    return found
  }

  /** Finds or keeps it; true when it was found. What is answered must be the text. */
  read(text: string, from = 0): boolean {
    const found = this.find(text, from)
    const answered = found ?? this.recent.keep(this.bytes, from, text.length, text)
    // What is kept are not these bytes.
    this.bytes.fill(0xdd)
    if (answered !== text) throw new Error(`${JSON.stringify(text)} was read as ${JSON.stringify(answered)}`)
    return found !== undefined
  }
}

const CREDIT = 512
const FIRST_PAUSE = 1024
const fresh = (index: number): string => `value-${index}`

describe('strings that come again', () => {
  const byte = fc.integer({ min: 0x20, max: 0x7f }).map((code) => String.fromCharCode(code))
  const anyText = fc.string({ unit: byte, minLength: RECENT_BYTES_MIN, maxLength: RECENT_BYTES_MAX })
  // Equal last bytes and length are one place: only the head tells them apart.
  const colliding = fc
    .tuple(
      fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 28 }),
      fc.constantFrom('tail', 'liat', 'aaaa'),
    )
    .map(([head, tail]) => head + tail)
  const few = fc.constantFrom('DE', 'AT', 'CH').map((country) => `country-${country}`)
  const uses = fc.array(fc.record({ text: fc.oneof(anyText, colliding, few), from: fc.nat(90) }), {
    maxLength: 200,
  })

  test('are answered exactly, wherever they lie, and found at once when they come twice', () => {
    fc.assert(
      fc.property(uses, fc.nat(5), (list, offset) => {
        const field = new Field(offset)
        for (const { text, from } of list) {
          field.read(text, from)
          // Fewer than those that would make it pause: the last one is always there.
          expect(field.read(text, 90 - from)).toBe(true)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('are answered exactly also over pauses', () => {
    const many = fc.array(fc.oneof(colliding, few), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(many, fc.nat(30), fc.nat(1_000_000), (list, repeats, seed) => {
        const field = new Field()
        for (let index = 0; index < 3_000; index += 1) {
          field.read(fresh(seed + index))
          if (index % 31 < repeats) field.read(list[index % list.length] as string)
        }
      }),
      { numRuns: 20 },
    )
  })

  test('one that differs in any one byte is another', () => {
    for (let length = RECENT_BYTES_MIN; length <= RECENT_BYTES_MAX; length += 1) {
      const text = 'abcdefghijklmnopqrstuvwxyz012345'.slice(0, length)
      for (let index = 0; index < length; index += 1) {
        const field = new Field()
        const other = `${text.slice(0, index)}#${text.slice(index + 1)}`
        expect(field.read(text)).toBe(false)
        expect(field.read(other)).toBe(false)
        expect(field.read(other)).toBe(true)
      }
    }
  })

  test('of two that share a place the last one is there', () => {
    const field = new Field()
    expect(field.read('left-same')).toBe(false)
    expect(field.read('more-same')).toBe(false)
    expect(field.read('more-same')).toBe(true)
    expect(field.read('left-same')).toBe(false)
    expect(field.read('left-same')).toBe(true)
  })

  test('a beginning and an end of one are others', () => {
    const field = new Field()
    field.read('abcdabcdabcd')
    for (const part of ['abcd', 'abcdabcd', 'bcdabcdabcd', 'abcdabcdabcdabcd'])
      expect(field.read(part)).toBe(false)
    expect(field.read('abcdabcdabcd')).toBe(true)
  })

  test('most of a hundred that come in turns are found', () => {
    const field = new Field()
    let found = 0
    for (let index = 0; index < 10_000; index += 1) if (field.read(`page-${index % 100}`)) found += 1
    // Those that share a place with another are not.
    expect(found).toBeGreaterThan(5_000)
  })
})

describe('a field whose values are all new', () => {
  /** Up to the value that takes the last credit. */
  function exhausted(): Field {
    const field = new Field()
    for (let index = 0; index <= CREDIT; index += 1) field.read(fresh(index))
    expect(field.looked).toBe(CREDIT + 1)
    return field
  }

  test('pauses: it does not look, not even for what it kept, and then looks again', () => {
    const field = exhausted()
    const last = fresh(CREDIT)
    for (let index = 0; index < FIRST_PAUSE; index += 1) expect(field.find(last)).toBeUndefined()
    expect(field.looked).toBe(CREDIT + 1)
    expect(field.find(last)).toBe(last)
    expect(field.looked).toBe(CREDIT + 2)
  })

  test('keeps nothing while it pauses', () => {
    const field = exhausted()
    for (let index = 0; index < FIRST_PAUSE; index += 1) field.read('paused')
    expect(field.looked).toBe(CREDIT + 1)
    expect(field.read('paused')).toBe(false)
    expect(field.read('paused')).toBe(true)
  })

  test('pauses twice as long the next time', () => {
    const field = exhausted()
    for (let index = 0; index < FIRST_PAUSE; index += 1) field.read(fresh(index))
    for (let index = 0; index <= CREDIT; index += 1) field.read(fresh(10_000 + index))
    expect(field.looked).toBe(2 * (CREDIT + 1))
    for (let index = 0; index < 2 * FIRST_PAUSE; index += 1) field.read(fresh(index))
    expect(field.looked).toBe(2 * (CREDIT + 1))
    field.read('again')
    expect(field.looked).toBe(2 * (CREDIT + 1) + 1)
  })

  test('costs next to nothing in the long run', () => {
    const field = new Field()
    for (let index = 0; index < 300_000; index += 1) field.read(fresh(index))
    expect(field.looked).toBeLessThan(10 * CREDIT)
  })

  test('is found again when it has few values later', () => {
    const field = new Field()
    for (let index = 0; index < 20_000; index += 1) field.read(fresh(index))
    let found = 0
    for (let index = 0; index < 50_000; index += 1) if (field.read(`state-${index % 3}`)) found += 1
    expect(found).toBeGreaterThan(15_000)
    field.looked = 0
    for (let index = 0; index < 10_000; index += 1) expect(field.read(`state-${index % 3}`)).toBe(true)
    expect(field.looked).toBe(10_000)
  })
})

test('a field that has new values now and then never pauses', () => {
  const field = new Field()
  for (let index = 0; index < 60_000; index += 1) field.read(index % 3 === 0 ? fresh(index) : 'usual')
  expect(field.looked).toBe(60_000)
})
