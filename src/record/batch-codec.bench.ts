import { BatchBuilder } from './batch-builder.ts'
import { batchPositions, verifyBatch } from './batch-header.ts'
import { BatchReader } from './batch-reader.ts'

/**
 * What the codec costs a record, next to its limits: JSON.parse and JSON.stringify alone, and the checksum alone.
 * Run: `node src/record/batch-codec.bench.ts`. Each case runs for about a second after a warm-up; the best of three
 * counts, because a neighbour on the machine only ever makes it slower.
 */
const RECORDS = 1000
const values = Array.from({ length: RECORDS }, (_, index) => ({
  id: `order-${100_000 + index}`,
  user: `user-${index % 97}`,
  category: ['books', 'garden', 'music'][index % 3],
  amount: (index * 37) % 10_000,
  at: 1_700_000_000_000 + index * 13,
  note: 'a line of plain text that fills the value up to about two hundred bytes, as events are',
}))
const texts = values.map((value) => JSON.stringify(value))
const umlauts = texts.map((text) => text.replace('plain', 'schönem'))
const meanBytes = Math.round(texts.reduce((sum, text) => sum + text.length, 0) / RECORDS)

function batchOf(lines: readonly string[], compression: 'none' | 'zstd' = 'none'): Uint8Array {
  const builder = new BatchBuilder()
  lines.forEach((line, index) => {
    builder.appendText(1_700_000_000_000 + index, `user-${index % 97}`, line)
  })
  return builder.build({ compression })
}

const builder = new BatchBuilder(512 * 1024)
const reader = new BatchReader()
const ascii = batchOf(texts)
const mixed = batchOf(umlauts)
const packed = batchOf(texts, 'zstd')
const encodedTexts = texts.map((text) => Buffer.from(text))
let sink = 0

function parseAll(batch: Uint8Array): void {
  reader.open(batch, 0)
  while (reader.next()) {
    const value = JSON.parse(reader.text(reader.valueStart, reader.valueEnd)) as { amount: number }
    sink += value.amount
  }
}

const cases: Record<string, () => void> = {
  'encode: stringify + appendText + build': () => {
    builder.reset()
    for (let index = 0; index < RECORDS; index += 1) {
      builder.appendText(index, 'user-42', JSON.stringify(values[index]))
    }
    sink += builder.build().length
  },
  'limit: JSON.stringify alone': () => {
    for (const value of values) sink += JSON.stringify(value).length
  },
  'encode: appendText + build': () => {
    builder.reset()
    for (let index = 0; index < RECORDS; index += 1)
      builder.appendText(index, 'user-42', texts[index] as string)
    sink += builder.build().length
  },
  'encode: append of bytes + build': () => {
    builder.reset()
    for (let index = 0; index < RECORDS; index += 1)
      builder.append(index, null, encodedTexts[index] as Buffer)
    sink += builder.build().length
  },
  'decode: JSON.parse of ASCII': () => parseAll(ascii),
  'decode: JSON.parse of umlauts': () => parseAll(mixed),
  'decode: JSON.parse of zstd': () => parseAll(packed),
  'limit: JSON.parse alone': () => {
    for (const text of texts) sink += (JSON.parse(text) as { amount: number }).amount
  },
  'decode: fields only, no text': () => {
    reader.open(ascii, 0)
    while (reader.next()) sink += reader.valueEnd - reader.valueStart
  },
  'verify: head and checksum': () => {
    for (const at of batchPositions(ascii))
      if (verifyBatch(ascii, at, ascii.length) !== undefined) throw new Error()
  },
}

function recordsPerSecond(run: () => void): number {
  for (let index = 0; index < 100; index += 1) run()
  let best = 0
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const start = process.hrtime.bigint()
    let rounds = 0
    let nanoseconds = 0
    while (nanoseconds < 3e8) {
      for (let index = 0; index < 10; index += 1) run()
      rounds += 10
      nanoseconds = Number(process.hrtime.bigint() - start)
    }
    best = Math.max(best, (rounds * RECORDS * 1e9) / nanoseconds)
  }
  return best
}

console.log(
  `node ${process.version}, batches of ${RECORDS} records of ${meanBytes} B, ${ascii.length} B a batch`,
)
for (const [name, run] of Object.entries(cases)) {
  const rate = recordsPerSecond(run)
  const megabytes = (rate * ascii.length) / RECORDS / 1e6
  console.log(`${name.padEnd(42)} ${Math.round(rate / 1000)} k records/s  ${Math.round(megabytes)} MB/s`)
}
if (sink === 0) throw new Error('nothing was done')
