import { describe, expect, test } from 'vitest'
import { crc32c } from '../base/crc32c.ts'
import { BatchBuilder } from './batch-builder.ts'
import {
  assignBatch,
  batchBaseOffset,
  batchLastOffset,
  batchPositions,
  batchProducerEpoch,
  readBatchHeader,
  verifyBatch,
} from './batch-header.ts'
import { BatchReader, decodeRecords } from './batch-reader.ts'

const fromHex = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))
const utf8 = (text: string) => new Uint8Array(Buffer.from(text, 'utf8'))

/** Segments that Apache Kafka 4.3.1 wrote for its own Java producer: four records, see `expectKafkasRecords`. */
const KAFKA = {
  gzip: '000000000000000000000085000000000265a8ac070001000000030000018bcfe568000000018bcfe9fbe00000000000000001000000000000000000041f8b08000000000000ff53606060e0ca4eadd435e4ca48cdc9c967906138cfcfc4c8975e7478cfe1f9a90c660c07ceabb070a4e7e7a532b27095142526a7b230fce7c803f1791898d880da0147660a4a43000000',
  zstd: '0000000000000000000000800000000002c09a5fc60004000000030000018bcfe568000000018bcfe9fbe000000000000000020000000000000000000428b52ffd0058180200200000000a6b65792d310a68656c6c6f001c00cf0f02010e6772c3bcc39f65003600c0cf240408676f6e6501040a74726163650400ff086e6f6e65010c000206000000010000',
  lz4: '0000000000000000000000830000000002fe40c3a00003000000030000018bcfe568000000018bcfe9fbe000000000000000030000000000000000000404224d1860408243000080200000000a6b65792d310a68656c6c6f001c00cf0f02010e6772c3bcc39f65003600c0cf240408676f6e6501040a74726163650400ff086e6f6e65010c00020600000000000000',
  /** One record, a: hello hello hello hello, from the console producer. */
  snappy:
    '0000000000000000000000590000000002a21d2395000200000000000001a1fd075791000001a1fd07579100000000000000010000000000000000000182534e41505059000000000100000001000000141f303c00000002612e68656c6c6f204206000000',
  transactional:
    '00000000000000000000007400000000029de11e1d0010000000030000018bcfe568000000018bcfe9fbe0000000000000000000000000000000000004200000000a6b65792d310a68656c6c6f001c00cf0f02010e6772c3bcc39f65003600c0cf240408676f6e6501040a74726163650400ff086e6f6e65010c000206000000',
  abortMarker:
    '000000000000000400000042000000000251cb8c57003000000000000001a1fc8b4fa1000001a1fc8b4fa100000000000000000001ffffffff000000012000000008000000000c00000000000000',
}

function fillAsKafkaDid(builder: BatchBuilder): void {
  builder.append(1700000000000, utf8('key-1'), utf8('hello'))
  builder.append(1699999999000, null, utf8('grüße'))
  builder.append(1700000300000, utf8('gone'), null, [
    { key: 'trace', value: Uint8Array.of(0, 255) },
    { key: 'none', value: null },
  ])
  builder.append(1700000000001, utf8(''), utf8(''))
}

function expectKafkasRecords(bytes: Uint8Array): void {
  const records = decodeRecords(bytes).map(({ key, value, headers, ...rest }) => ({
    ...rest,
    key: key && Buffer.from(key).toString(),
    value: value && Buffer.from(value).toString(),
    headers: headers.map((header) => [header.key, header.value && [...header.value]]),
  }))
  const trace = [
    ['trace', [0, 255]],
    ['none', null],
  ]
  expect(records).toEqual([
    { offset: 0, timestamp: 1700000000000, key: 'key-1', value: 'hello', headers: [] },
    { offset: 1, timestamp: 1699999999000, key: null, value: 'grüße', headers: [] },
    { offset: 2, timestamp: 1700000300000, key: 'gone', value: null, headers: trace },
    { offset: 3, timestamp: 1700000000001, key: '', value: '', headers: [] },
  ])
}

describe('bytes of a real Kafka', () => {
  test.each(['gzip', 'lz4', 'zstd', 'transactional'] as const)('%s: verified and read', (name) => {
    const bytes = fromHex(KAFKA[name])
    expect(verifyBatch(bytes, 0, bytes.length)).toBeUndefined()
    expectKafkasRecords(bytes)
  })

  test('the builder writes the very bytes that the Java producer wrote', () => {
    const builder = new BatchBuilder()
    fillAsKafkaDid(builder)
    const settings = { producerId: 0, producerEpoch: 0, baseSequence: 0, transactional: true }
    expect(Buffer.from(builder.build(settings)).toString('hex')).toBe(KAFKA.transactional)
  })

  test('snappy, in the stream of blocks of the Java producer', () => {
    const bytes = fromHex(KAFKA.snappy)
    expect(verifyBatch(bytes, 0, bytes.length)).toBeUndefined()
    const [record] = decodeRecords(bytes)
    expect(Buffer.from(record?.key ?? []).toString()).toBe('a')
    expect(Buffer.from(record?.value ?? []).toString()).toBe('hello hello hello hello')
  })

  test('an abort marker is a control batch; its record is for nobody', () => {
    const bytes = fromHex(KAFKA.abortMarker)
    expect(verifyBatch(bytes, 0, bytes.length)).toBeUndefined()
    expect(readBatchHeader(bytes, 0)).toMatchObject({
      control: true,
      transactional: true,
      baseOffset: 4,
      lastOffset: 4,
    })
    expect(batchProducerEpoch(bytes, 0)).toBe(1)
    expect(decodeRecords(bytes)).toEqual([])
  })
})

test('one record, computed by hand', () => {
  const builder = new BatchBuilder()
  builder.appendText(1, 'k', 'v')
  // Record: length 8 -> 10, attributes, timestamp delta, offset delta, key length 1 -> 02, 'k', value, no headers.
  const covered = `0000 00000000 0000000000000001 0000000000000001 ffffffffffffffff ffff ffffffff 00000001
                   10 00 00 00 02 6b 02 76 00`
  const crc = crc32c(fromHex(covered), 0, fromHex(covered).length).toString(16).padStart(8, '0')
  const expected = fromHex(`0000000000000000 0000003a 00000000 02 ${crc} ${covered}`)
  expect(Buffer.from(builder.build()).toString('hex')).toBe(Buffer.from(expected).toString('hex'))
})

describe('verifyBatch', () => {
  const builder = new BatchBuilder()
  fillAsKafkaDid(builder)
  const good = builder.build()

  test('truncation at every byte is found, and the reader does not crash on it', () => {
    for (let length = 0; length < good.length; length += 1) {
      const cut = good.slice(0, length)
      expect(verifyBatch(cut, 0, length)).toMatch(/truncated/)
      if (length > 0) expect(() => decodeRecords(cut)).toThrow(/MILLRACE_CORRUPT|batch/)
      expect(verifyBatch(good, 0, length)).toMatch(/truncated/)
    }
  })

  test('any flipped bit is found, but for base offset and leader epoch, which the log checks', () => {
    for (let at = 0; at < good.length; at += 1) {
      if (at < 8 || (at >= 12 && at < 16)) continue
      for (let bit = 0; bit < 8; bit += 1) {
        const bad = good.slice()
        bad[at] = (bad[at] as number) ^ (1 << bit)
        expect(verifyBatch(bad, 0, bad.length), `byte ${at} bit ${bit}`).toEqual(expect.any(String))
      }
    }
  })

  test('a base offset that no log can have is found', () => {
    const bad = good.slice()
    bad[0] = 0x80
    expect(verifyBatch(bad, 0, bad.length)).toMatch(/bad/)
    bad[0] = 0x40
    expect(verifyBatch(bad, 0, bad.length)).toMatch(/no safe integer/)
  })

  test.each([
    ['attributes', 21, [0x01, 0x00], /attributes/],
    ['a negative last offset delta', 23, [0xff, 0xff, 0xff, 0xff], /counts/],
    ['more records than offsets', 57, [0, 0, 0, 5], /counts/],
    ['negative count', 57, [0xff, 0, 0, 0], /counts/],
    ['timestamps', 27, [0x7f, 0xff], /no safe integer/],
  ] as const)('%s that do not fit are found under a right checksum', (_name, at, bytes, message) => {
    const bad = reseal(good, at, bytes)
    expect(verifyBatch(bad, 0, bad.length)).toMatch(message)
  })

  test('says which magic and which checksum', () => {
    const bad = good.slice()
    bad[16] = 1
    expect(verifyBatch(bad, 0, bad.length)).toBe('bad magic: expected 2, found 1')
    const damaged = good.slice()
    damaged[70] = (damaged[70] as number) ^ 1
    expect(verifyBatch(damaged, 0, damaged.length)).toMatch(/^bad checksum: the head says 0x[0-9a-f]{8}/)
  })
})

describe('nonsense under a right checksum', () => {
  const builder = new BatchBuilder()
  fillAsKafkaDid(builder)
  const good = builder.build()

  test('any byte of the records replaced by any of 16 values: refused or read, never a crash or a read outside', () => {
    for (let at = 61; at < good.length; at += 1) {
      for (let value = 0; value < 256; value += 17) {
        const bad = reseal(good, at, [value])
        const reader = new BatchReader()
        try {
          reader.open(bad, 0)
          while (reader.next()) {
            expect(reader.keyEnd).toBeLessThanOrEqual(bad.length)
            expect(reader.valueEnd).toBeLessThanOrEqual(bad.length)
            reader.headers()
            if (reader.valueStart >= 0) reader.text(reader.valueStart, reader.valueEnd)
          }
        } catch (error) {
          expect(error).toMatchObject({ code: 'MILLRACE_CORRUPT' })
        }
      }
    }
  })

  test('a blob that is no gzip is damage', () => {
    const bad = reseal(good, 21, [0, 1])
    expect(() => decodeRecords(bad)).toThrow(/gzip cannot be decompressed/)
  })

  test('fewer records than the head says, or bytes behind the last one', () => {
    const fewer = reseal(good, 57, [0, 0, 0, 3])
    expect(() => decodeRecords(fewer)).toThrow(/lie behind the last record/)
    const more = reseal(good, 57, [0, 0, 0, 5])
    expect(() => decodeRecords(more)).toThrow(expect.objectContaining({ code: 'MILLRACE_CORRUPT' }))
  })
})

describe('several batches', () => {
  test('assigned places, walked one after the other', () => {
    const builder = new BatchBuilder()
    builder.appendText(5, 'a', '1')
    builder.appendText(6, 'b', '2')
    const first = builder.build()
    builder.reset()
    builder.appendText(7, null, '3')
    const second = builder.build({ compression: 'gzip' })
    assignBatch(first, 0, 2 ** 40, 3)
    assignBatch(second, 0, 2 ** 40 + 2, 3)
    const all = Buffer.concat([first, second])
    const positions = [...batchPositions(all)]
    expect(positions).toEqual([0, first.length])
    for (const at of positions) expect(verifyBatch(all, at, all.length)).toBeUndefined()
    expect(readBatchHeader(all, 0).leaderEpoch).toBe(3)
    expect(batchLastOffset(all, 0)).toBe(2 ** 40 + 1)
    expect(batchBaseOffset(all, first.length)).toBe(2 ** 40 + 2)
    expect(decodeRecords(all).map((record) => record.offset - 2 ** 40)).toEqual([0, 1, 2])
    expect(() => [...batchPositions(all, 0, all.length - 1)]).toThrow(/fetch whole batches/)
  })

  test('a batch that the log stamped has its time in every record', () => {
    const builder = new BatchBuilder()
    builder.appendText(9, null, 'x')
    builder.appendText(4, null, 'y')
    const bytes = builder.build({ timestampType: 'logAppendTime' })
    expect(decodeRecords(bytes).map((record) => record.timestamp)).toEqual([9, 9])
  })
})

describe('text', () => {
  function texts(values: readonly string[], compression: 'none' | 'zstd' = 'none'): string[] {
    const builder = new BatchBuilder()
    for (const value of values) builder.appendText(0, null, value)
    const reader = new BatchReader()
    reader.open(builder.build({ compression }), 0)
    const read: string[] = []
    while (reader.next()) read.push(reader.text(reader.valueStart, reader.valueEnd))
    return read
  }

  test.each(['none', 'zstd'] as const)(
    'ASCII of every length of a length, umlauts, and both mixed (%s)',
    (compression) => {
      const ascii = ['', 'a', 'b'.repeat(63), 'c'.repeat(64), 'd'.repeat(8191), 'e'.repeat(8192)]
      expect(texts(ascii, compression)).toEqual(ascii)
      const mixed = [...ascii, 'grüße', '日本語', '🌊'.repeat(100), 'plain', '\u0000\u007f\u0080']
      expect(texts(mixed, compression)).toEqual(mixed)
    },
  )

  test('a reader that is opened again forgets the text of the batch before', () => {
    const builder = new BatchBuilder()
    const reader = new BatchReader()
    for (const value of ['first', 'zwölf', 'third']) {
      builder.reset()
      builder.appendText(0, 'k', value)
      reader.open(builder.build(), 0)
      reader.next()
      expect(reader.text(reader.valueStart, reader.valueEnd)).toBe(value)
    }
  })

  test('umlauts in a header do not make ASCII values wrong', () => {
    const builder = new BatchBuilder()
    builder.append(0, utf8('k'), utf8('plain'), [{ key: 'größe', value: utf8('ü') }])
    const reader = new BatchReader()
    reader.open(builder.build(), 0)
    reader.next()
    expect(reader.text(reader.valueStart, reader.valueEnd)).toBe('plain')
    expect(reader.headers()[0]?.key).toBe('größe')
  })

  test('half a surrogate pair is written as U+FFFD, as Node does', () => {
    expect(texts(['a\ud800b'])).toEqual(['a\ufffdb'])
  })
})

describe('BatchBuilder', () => {
  test('says its size before it builds, and refuses a time that cannot be kept', () => {
    const builder = new BatchBuilder(1)
    builder.appendText(10, 'ключ', 'x'.repeat(100_000))
    builder.appendText(-3, null, null)
    expect(builder.build().length).toBe(builder.sizeBytes)
    expect([builder.count, builder.maxTimestamp]).toEqual([2, 10])
    expect(() => builder.appendText(Number.NaN, null, 'x')).toThrow(/timestamp/)
    expect(() => builder.appendText(Number.MIN_SAFE_INTEGER, null, 'x')).toThrow(
      expect.objectContaining({ code: 'MILLRACE_BAD_TIMESTAMP' }),
    )
    expect(decodeRecords(builder.build())).toHaveLength(2)
  })

  test('ranges of shared bytes make the same batch as arrays of their own', () => {
    const bytes = Uint8Array.from({ length: 400 }, (_, index) => index % 251)
    const ranges = new BatchBuilder(61)
    const arrays = new BatchBuilder(61)
    for (const [keyEnd, valueEnd] of [
      [0, 0],
      [3, 7],
      [120, 130],
      [9, 400],
      [200, -1],
    ] as const) {
      ranges.appendRanges(5, bytes, 0, keyEnd, valueEnd < 0 ? -1 : keyEnd, valueEnd)
      arrays.append(5, bytes.slice(0, keyEnd), valueEnd < 0 ? null : bytes.slice(keyEnd, valueEnd))
    }
    expect(ranges.build()).toEqual(arrays.build())
  })

  test('what was built does not change when the builder goes on', () => {
    const builder = new BatchBuilder()
    builder.appendText(0, 'a', 'one')
    const built = builder.build()
    const copy = built.slice()
    builder.reset()
    builder.appendText(0, 'b', 'two')
    builder.build()
    expect(built).toEqual(copy)
    expect(built.buffer.byteLength).toBe(built.length)
  })

  test('an empty batch is refused', () => {
    expect(() => new BatchBuilder().build()).toThrow(/at least one record/)
  })
})

/** The batch with some bytes replaced and the checksum made right again. */
function reseal(batch: Uint8Array, at: number, bytes: readonly number[]): Uint8Array {
  const changed = batch.slice()
  changed.set(bytes, at)
  const crc = crc32c(changed, 21, changed.length)
  Buffer.from(changed.buffer).writeUInt32BE(crc, 17)
  return changed
}
