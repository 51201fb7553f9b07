import { type App, run } from 'millrace'
import { batchSizeBytes } from '../src/record/batch-header.ts'
import { BatchReader } from '../src/record/batch-reader.ts'
import type { BenchContext } from './bench.ts'
import { fill } from './fill.ts'
import { openBenchLog } from './log-fixture.ts'
import { type Cost, type Measurement, measurement, timed } from './measure.ts'
import { windowApp } from './pipelines.ts'
import { untilRead } from './until.ts'

const BENCH = 'window-count'

/** Count and sum per key and minute over JSON of ~180 B, exactly once; against parsing the same batches alone. */
export async function windowCount(context: BenchContext): Promise<Measurement[]> {
  const records = 1_000_000 * context.rounds(2)
  const results: Measurement[] = []
  // At 500 events a second a window holds 30,000 of the million keys, each once: every record makes a group and a
  // result. At 25,000 a second the million is in one window, and a key comes about twice.
  for (const [keys, perSecond, label] of [
    [100, 500, '100 keys'],
    [1_000_000, 25_000, '1 M keys in a window'],
    [1_000_000, 500, '1 M keys, each once in a window'],
  ] as const) {
    const { cost, limit } = await measureApp(context, windowApp, { records, keys, perSecond })
    results.push(measurement({ bench: BENCH, case: label, unit: 'records/s' }, cost, limit))
  }
  return results
}

/** Runs an app over a log that is there already, and the limit over the same log, after a warm-up of both. */
export async function measureApp(
  context: BenchContext,
  app: App,
  { records, keys, perSecond }: { records: number; keys: number; perSecond?: number },
): Promise<{ readonly cost: Cost; readonly limit: Cost }> {
  const warm = context.folder('warm-up')
  await fill(warm, 200_000, keys, perSecond)
  await parseOnly(warm)
  await runOver(app, warm, 200_000)
  const folder = context.folder(BENCH)
  await fill(folder, records, keys, perSecond)
  const limit = await parseOnly(folder)
  const cost = await timed(() => runOver(app, folder, records))
  return { cost, limit }
}

async function runOver(app: App, folder: string, records: number): Promise<number> {
  await using running = await run(app, { at: `file:${folder}` })
  await untilRead(running, records)
  await running.close()
  return records
}

/** The limit: the same batches read from the log, and `JSON.parse` of every value. */
export async function parseOnly(folder: string): Promise<Cost> {
  const log = openBenchLog(`${folder}/log`)
  const partition = await log.makePartition('events')
  const reader = new BatchReader()
  const cost = await timed(() => {
    let records = 0
    let amount = 0
    for (const chunk of log.readAll(partition)) {
      for (let at = 0; at < chunk.length; at += batchSizeBytes(chunk, at)) {
        reader.open(chunk, at)
        while (reader.next()) {
          amount += (JSON.parse(reader.text(reader.valueStart, reader.valueEnd)) as { amount: number }).amount
          records++
        }
      }
    }
    if (amount === 0) throw new Error('nothing was parsed')
    return records
  })
  await log.close()
  return cost
}
