import type { LogPartition } from '../src/log/log.ts'
import { BatchBuilder } from '../src/record/batch-builder.ts'
import { batchPositions, batchRecordCount } from '../src/record/batch-header.ts'
import type { BenchContext } from './bench.ts'
import { type BenchLog, openBenchLog } from './log-fixture.ts'
import { type Measurement, measurement, timed } from './measure.ts'

const BENCH = 'compact'
const RECORD_BYTES = 100
const PER_BATCH = 500
/** Of a case at `--seconds 10`. */
const RECORDS = 10_000_000
const SAMPLE_MS = 5

interface Case {
  readonly name: string
  readonly records: number
  readonly keys: number
}

/**
 * One compaction of a partition that never was, without the budget that it has in the background: bytes of the segments
 * before it a second, and how much the process grew at most while it ran.
 */
export async function compact(context: BenchContext): Promise<Measurement[]> {
  const records = Math.max(100_000, context.rounds(RECORDS / PER_BATCH) * PER_BATCH)
  const cases: Case[] = [
    { name: '100 B, a tenth of it keys', records, keys: records / 10 },
    { name: '100 B, all keys different', records, keys: records },
  ]
  const measurements: Measurement[] = []
  for (const each of cases) {
    if (context.wants(each.name)) measurements.push(await measure(context, each))
  }
  return measurements
}

async function measure(context: BenchContext, { name, records, keys }: Case): Promise<Measurement> {
  const log = openBenchLog(context.folder(BENCH))
  const settings = { partitions: 1, cleanup: 'compact', durability: 'os' } as const
  const [partition] = await log.makePartitions('keyed', settings)
  if (partition === undefined) throw new Error('no partition')
  await fill(log, partition, records, keys)
  const { sizeBytes } = partition
  const before = process.memoryUsage.rss()
  const most = mostBytes()
  let peak = before
  const sampling = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, SAMPLE_MS)
  const cost = await timed(async () => {
    await log.housekeep()
    return sizeBytes
  })
  clearInterval(sampling)
  // Between two samples it may have been more: the system knows, if it was the most of all times.
  if (mostBytes() > most) peak = mostBytes()
  const left = count(log, partition)
  await log.close()
  // The active segment is left as it is: some keys are there twice.
  if (left < keys || left > keys + records / 5) throw new Error(`${left} records are left, of ${keys} keys`)
  return { ...measurement({ bench: BENCH, case: name, unit: 'bytes/s' }, cost), rssBytes: peak - before }
}

/** Memory of the process at its worst, since it began. */
function mostBytes(): number {
  return process.resourceUsage().maxRSS * 1024
}

/** Each key as often as any other, in an order that has nothing to do with a table's. */
async function fill(log: BenchLog, partition: LogPartition, records: number, keys: number): Promise<void> {
  const builder = new BatchBuilder(PER_BATCH * 128)
  const value = 'x'.repeat(RECORD_BYTES - 16)
  for (let written = 0; written < records; written += PER_BATCH) {
    builder.reset()
    for (let index = 0; index < PER_BATCH; index += 1) {
      const key = ((written + index) * 7_919) % keys
      builder.appendText(written, `key-${String(key).padStart(12, '0')}`, value)
    }
    await log.append(partition, builder.build())
  }
}

function count(log: BenchLog, partition: LogPartition): number {
  let records = 0
  for (const chunk of log.readAll(partition)) {
    for (const at of batchPositions(chunk)) records += batchRecordCount(chunk, at)
  }
  return records
}
