import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { COMPRESSION_NAMES } from './batch-header.ts'
import { compress, DECOMPRESSED_BYTES_MAX, decompress } from './compression.ts'

const codecs = COMPRESSION_NAMES.map((name, number) => [name, number] as const)
const packing = codecs.filter(([name]) => name !== 'none')

describe.each(codecs)('%s', (name, number) => {
  test('what was compressed comes back', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 3_000 }),
      fc.tuple(fc.nat(255), fc.nat(200_000)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
    )
    fc.assert(
      fc.property(bytes, (original) => {
        const back = decompress(compress(original, name), number)
        expect(Buffer.compare(back, original)).toBe(0)
      }),
      { numRuns: 50 },
    )
  })
})

describe.each(packing)('%s of bad bytes', (name, number) => {
  const good = compress(Buffer.from('the same words again, the same words again, the same'.repeat(50)), name)
  const corrupt = expect.objectContaining({ code: 'MILLRACE_CORRUPT' })

  test('rubbish and nothing are MILLRACE_CORRUPT, which names the codec', () => {
    expect(() => decompress(Buffer.from('no such codec at all'), number)).toThrow(corrupt)
    expect(() => decompress(Buffer.from('no such codec at all'), number)).toThrow(new RegExp(name))
    expect(() => decompress(new Uint8Array(), number)).toThrow(corrupt)
  })

  test('bytes that are cut off are refused at every length', () => {
    // A snappy stream that ends between two blocks looks whole; the batch's checksum covers that.
    const wholeAt = name === 'snappy' ? [16] : []
    for (let length = 1; length < good.length; length++) {
      if (wholeAt.includes(length)) continue
      expect(() => decompress(good.subarray(0, length), number)).toThrow(corrupt)
    }
  })

  test('good bytes are read after bad ones', () => {
    expect(() => decompress(good.subarray(0, 20), number)).toThrow(corrupt)
    expect(decompress(good, number).length).toBe(2_600)
  })
})

describe('a bomb is refused before it takes memory', () => {
  test('snappy: the head of a block says how large it becomes', () => {
    // Varint of 2^31: more than is allowed.
    expect(() => decompress(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x08, 0x00), 2)).toThrow(/2147483648 bytes/)
  })

  test('lz4: blocks of 4 MiB are counted', () => {
    const blocks = DECOMPRESSED_BYTES_MAX / (4 * 1024 * 1024) + 1
    const block = Buffer.alloc(4 + 20_000)
    block.writeUInt32LE(20_000)
    const head = Buffer.from('04224d18607000', 'hex')
    const frame = Buffer.concat([head, ...Array(blocks).fill(block), Buffer.alloc(4)])
    expect(() => decompress(frame, 3)).toThrow(/it may become \d+ bytes/)
  })

  test.each([
    ['gzip', 1],
    ['zstd', 4],
  ] as const)('%s: stops at the bound', (name, number) => {
    const bomb = compress(Buffer.alloc(DECOMPRESSED_BYTES_MAX + 1), name)
    expect(() => decompress(bomb, number)).toThrow(/cannot be decompressed/)
  })
})

test('a snappy block without a frame is read, as clients other than Java’s write it', () => {
  // "aaaaaaaaaa": length 10, a literal of one byte, a copy of nine from one byte back.
  const block = Uint8Array.of(10, 0x00, 0x61, 0x15, 0x01)
  expect(Buffer.from(decompress(block, 2)).toString()).toBe('aaaaaaaaaa')
})

test('a codec that nobody knows is MILLRACE_UNSUPPORTED', () => {
  expect(() => decompress(new Uint8Array(9), 6)).toThrow(/codec number 6.*none, gzip, snappy, lz4, zstd/)
})
