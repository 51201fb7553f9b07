import { rmSync } from 'node:fs'
import { type App, run } from 'millrace'
import { batchSizeBytes } from '../src/record/batch-header.ts'
import { BatchReader } from '../src/record/batch-reader.ts'
import { eachAlone } from './alone.ts'
import type { BenchContext } from './bench.ts'
import { fill } from './fill.ts'
import { openBenchLog } from './log-fixture.ts'
import { type Cost, inTurns, type Measurement, measurement, timed } from './measure.ts'
import { windowApp } from './pipelines.ts'
import { untilRead } from './until.ts'
import { warmMemory } from './warm-memory.ts'

const BENCH = 'window-count'
/** For each record at most: its part of results, changelog and snapshots. */
const WRITTEN_BYTES = 300

// At 500 events a second a window holds 30,000 of the million keys, each once: every record makes a group and a result.
// At 25,000 a second the million is in one window, and a key comes about twice; a round has two windows.
const CASES = [
  { label: '100 keys', keys: 100, perSecond: 500, rounds: 3, records: 1_000_000 },
  { label: '1 M keys in a window', keys: 1_000_000, perSecond: 25_000, rounds: 1, records: 3_000_000 },
  {
    label: '1 M keys, each once in a window',
    keys: 1_000_000,
    perSecond: 500,
    rounds: 3,
    records: 1_000_000,
  },
] as const

/** Count and sum per key and minute over JSON of ~180 B, exactly once; against parsing the same batches alone. */
export async function windowCount(context: BenchContext): Promise<Measurement[]> {
  return eachAlone(BENCH, context, CASES, async ({ label, rounds, ...load }) => {
    const { cost, limit } = await measureApp(context, windowApp, { rounds: context.rounds(rounds), ...load })
    return measurement({ bench: BENCH, case: label, unit: 'records/s' }, cost, limit)
  })
}

/** Runs an app over a log that is there already, and the limit over the same log, in turns. */
export async function measureApp(
  context: BenchContext,
  app: App,
  load: {
    readonly rounds: number
    readonly records: number
    readonly keys: number
    readonly perSecond?: number
  },
): Promise<{ readonly cost: Cost; readonly limit: Cost }> {
  const { rounds, records, keys, perSecond } = load
  let folder = ''
  return inTurns(
    rounds,
    async () => {
      if (folder !== '') rmSync(folder, { recursive: true })
      folder = context.folder(BENCH)
      await fill(folder, records, keys, perSecond)
      // What an app that runs for long writes goes to pages that were used before.
      warmMemory(folder, records * WRITTEN_BYTES)
      return timed(() => runOver(app, folder, records))
    },
    () => parseOnly(folder),
  )
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
