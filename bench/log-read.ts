import { readSync } from 'node:fs'
import { crc32c } from '../src/base/crc32c.ts'
import { BatchBuilder } from '../src/record/batch-builder.ts'
import { BATCH_ATTRIBUTES_AT, batchSizeBytes, verifyBatch } from '../src/record/batch-header.ts'
import { BatchReader } from '../src/record/batch-reader.ts'
import { json } from '../src/record/serdes.ts'
import type { BenchContext } from './bench.ts'
import { event } from './events.ts'
import { openBenchLog, segmentFilesOf, withOpenFile } from './log-fixture.ts'
import { type Cost, type Measurement, measurement, sumCosts, timed } from './measure.ts'

const BENCH = 'log-read'
const READ_BYTES = 1024 * 1024

/** Sequential reads: batches with their CRC checked, and records decoded as JSON, each next to its limit. */
export async function logRead(context: BenchContext): Promise<Measurement[]> {
  const log = openBenchLog(context.folder(BENCH))
  const records = 400_000
  const perBatch = 500
  const partition = await log.makePartition('events')
  const builder = new BatchBuilder()
  for (let written = 0; written < records; written += perBatch) {
    for (let index = 0; index < perBatch; index++)
      builder.append(written, null, Buffer.from(event(written + index, 1_000)))
    await log.append(partition, builder.build())
    builder.reset()
  }
  const files = segmentFilesOf(log.folder)
  const rounds = context.rounds(4)
  const costs: { batches: Cost[]; rawFile: Cost[]; json: Cost[]; parse: Cost[] } = {
    batches: [],
    rawFile: [],
    json: [],
    parse: [],
  }
  const texts = decodeTexts(log.readAll(partition))
  // In turns, so that a change of the machine's speed touches both sides of a ratio.
  for (let round = 0; round <= rounds; round++) {
    const batches = await timed(() => verifyAll(log.readAll(partition)))
    const rawFile = await timed(() => readAndCheck(files))
    const json = await timed(() => decodeJson(log.readAll(partition)))
    const parse = await timed(() => parseAll(texts))
    if (round === 0) continue // the first round warms up
    costs.batches.push(batches)
    costs.rawFile.push(rawFile)
    costs.json.push(json)
    costs.parse.push(parse)
  }
  await log.close()
  return [
    measurement(
      { bench: BENCH, case: 'batches with CRC', unit: 'bytes/s' },
      sumCosts(costs.batches),
      sumCosts(costs.rawFile),
    ),
    measurement(
      { bench: BENCH, case: 'decoded JSON, 180 B', unit: 'records/s' },
      sumCosts(costs.json),
      sumCosts(costs.parse),
    ),
  ]
}

function verifyAll(chunks: Iterable<Uint8Array>): number {
  let bytes = 0
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += batchSizeBytes(chunk, at)) {
      const problem = verifyBatch(chunk, at, chunk.length)
      if (problem !== undefined) throw new Error(problem)
    }
    bytes += chunk.length
  }
  return bytes
}

/** The limit: the bytes of the file and a CRC over each batch, and nothing else. */
function readAndCheck(files: readonly string[]): number {
  let bytes = 0
  for (const file of files) {
    withOpenFile(file, (descriptor) => {
      let position = 0
      for (;;) {
        const chunk = Buffer.allocUnsafe(READ_BYTES)
        const size = readSync(descriptor, chunk, 0, READ_BYTES, position)
        let at = 0
        while (at + 12 <= size && at + batchSizeBytes(chunk, at) <= size) {
          const end = at + batchSizeBytes(chunk, at)
          crc32c(chunk, at + BATCH_ATTRIBUTES_AT, end)
          at = end
        }
        if (at === 0) break
        position += at
      }
      bytes += position
    })
  }
  return bytes
}

function decodeJson(chunks: Iterable<Uint8Array>): number {
  const serde = json()
  const reader = new BatchReader()
  let records = 0
  let users = 0
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += batchSizeBytes(chunk, at)) {
      reader.open(chunk, at)
      while (reader.next()) {
        const value = serde.decode(reader, reader.valueStart, reader.valueEnd) as { user: string }
        users += value.user.length
        records++
      }
    }
  }
  if (users === 0) throw new Error('nothing was decoded')
  return records
}

function decodeTexts(chunks: Iterable<Uint8Array>): string[] {
  const reader = new BatchReader()
  const texts: string[] = []
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += batchSizeBytes(chunk, at)) {
      reader.open(chunk, at)
      while (reader.next())
        texts.push(Buffer.from(reader.text(reader.valueStart, reader.valueEnd)).toString('latin1'))
    }
  }
  return texts
}

function parseAll(texts: readonly string[]): number {
  let users = 0
  for (const text of texts) users += (JSON.parse(text) as { user: string }).user.length
  if (users === 0) throw new Error('nothing was parsed')
  return texts.length
}
