import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FilesTestWorld } from './files-test-world.ts'
import { openBytes } from './open-bytes.ts'

let world: FilesTestWorld

beforeEach(() => {
  world = new FilesTestWorld()
})

afterEach(() => world.remove())

/** Pseudo-random, so that the compressed form is long. */
const content = Buffer.from(
  Array.from({ length: 50_000 }, (_, index) => (index * index * 31 + (index >> 3)) % 251),
)
const packed = gzipSync(content)

function unpacked(bytes: Uint8Array, size = 1000): Buffer {
  world.put('a.gz', bytes)
  const source = openBytes(world.context.sys.disk, world.path('a.gz'))
  const parts: Buffer[] = []
  try {
    for (;;) {
      const target = Buffer.alloc(size)
      const count = source.read(target)
      if (count === 0) return Buffer.concat(parts)
      parts.push(target.subarray(0, count))
    }
  } finally {
    source.close()
  }
}

test('content comes back whole, into targets of any size', () => {
  for (const size of [1, 7, 4096, 100_000]) expect(unpacked(packed, size).equals(content)).toBe(true)
  expect(unpacked(gzipSync('')).length).toBe(0)
})

test('members one behind the other are one content; zeros behind them are padding', () => {
  const whole = unpacked(Buffer.concat([packed, gzipSync(''), gzipSync('tail'), Buffer.alloc(600)]))
  expect(whole.equals(Buffer.concat([content, Buffer.from('tail')]))).toBe(true)
  expect(unpacked(Buffer.concat([gzipSync(''), Buffer.alloc(3), gzipSync('x')])).toString()).toBe('x')
})

test('a file cut at any byte is an error, never a shorter content', () => {
  const small = gzipSync('a few bytes of content, a few bytes of content')
  for (let length = 0; length < small.length; length++) {
    expect(() => unpacked(small.subarray(0, length))).toThrow(
      expect.objectContaining({
        code: 'MILLRACE_CORRUPT',
        message: expect.stringContaining(world.path('a.gz')),
      }),
    )
  }
})

test('a flipped bit in data or checksum is an error', () => {
  for (let at = 10; at < packed.length; at += Math.floor(packed.length / 50)) {
    const damaged = Buffer.from(packed)
    damaged[at] = (damaged[at] ?? 0) ^ 0x10
    expect(() => unpacked(damaged)).toThrow(/is no whole gzip file/)
  }
})

test('what is no gzip says so', () => {
  expect(() => unpacked(Buffer.from('plain text'))).toThrow(/header/)
  expect(() => unpacked(Buffer.concat([packed, Buffer.from('garbage')]))).toThrow(
    /is no whole gzip file \(byte \d+/,
  )
})

test('a bomb is read in bounded slices, and skipped in bounded work', () => {
  world.put('bomb.gz', gzipSync(Buffer.alloc(20_000_000)))
  const source = openBytes(world.context.sys.disk, world.path('bomb.gz'))
  expect(source.skip(20_000_000)).toBe(1024 * 1024)
  let rest = 0
  for (let count = -1; count !== 0; rest += count) count = source.skip(20_000_000)
  expect(rest).toBe(20_000_000 - 1024 * 1024)
  source.close()
})
