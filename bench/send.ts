import { join } from 'node:path'
import { type OpenLog, open } from 'millrace'
import type { BenchContext } from './bench.ts'
import { type Measurement, timed } from './measure.ts'
import { events } from './pipelines.ts'
import { openPlainFile, type PlainFile } from './plain-file.ts'

const BENCH = 'send'
/** Between two measured sends: as long as nobody waits for it, the event loop is idle. */
const PAUSE_MS = 5
const EVENT = { user: 'user-0000001', page: '/products/1', amount: 1, at: 1_700_000_000_000 }

/** Milliseconds from the call to the answer of one awaited durable send: at idle, and beside other sends. */
export async function send(context: BenchContext): Promise<Measurement[]> {
  const results: Measurement[] = []
  for (const [name, perSecond] of [
    ['idle', 0],
    ['beside 1,000 sends/s', 1_000],
    ['beside 50,000 sends/s', 50_000],
  ] as const) {
    if (context.wants(name)) results.push(...(await sendCase(context, name, perSecond)))
  }
  return results
}

async function sendCase(context: BenchContext, name: string, perSecond: number): Promise<Measurement[]> {
  await using log = await open(`file:${context.folder(BENCH)}`)
  const plain = openPlainFile(join(context.folder('plain'), 'plain'))
  await load(log, Math.max(perSecond, 1_000), until(500))
  const ours: number[] = []
  const limit: number[] = []
  // In turns, so that what else the machine does meets both alike.
  const turns = Math.max(1, Math.round(context.seconds / 2))
  let cpuSeconds = 0
  for (let turn = 0; turn < turns; turn++) {
    const cost = await timed(async () => {
      const time = until(1_000)
      await Promise.all([load(log, perSecond, time), sendSingly(log, time, ours)])
      return 1
    })
    cpuSeconds += cost.cpuSeconds
    await syncSingly(plain, until(500), limit)
  }
  plain.close()
  return [0.5, 0.99].map((quantile) =>
    latency(`${name}, p${quantile * 100}`, quantile, ours, limit, cpuSeconds),
  )
}

/** The work of one second, until the clock says so. */
function until(ms: number): () => boolean {
  const end = performance.now() + ms
  return () => performance.now() < end
}

async function sendSingly(log: OpenLog, goesOn: () => boolean, into: number[]): Promise<void> {
  while (goesOn()) {
    const before = performance.now()
    await log.send(events, EVENT)
    into.push(performance.now() - before)
    await pause(PAUSE_MS)
  }
}

async function syncSingly(plain: PlainFile, goesOn: () => boolean, into: number[]): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(EVENT))
  while (goesOn()) {
    const before = performance.now()
    await plain.append([bytes])
    into.push(performance.now() - before)
    await pause(PAUSE_MS)
  }
}

/** Sends so many a second, evenly as far as timers go, and waits for the last one. */
async function load(log: OpenLog, perSecond: number, goesOn: () => boolean): Promise<void> {
  if (perSecond === 0) return
  const start = performance.now()
  let unanswered: Promise<unknown>[] = []
  for (let sent = 0; goesOn(); ) {
    const due = Math.floor(((performance.now() - start) * perSecond) / 1_000)
    for (; sent < due; sent++) unanswered.push(log.send(events, EVENT))
    if (unanswered.length > 10_000) {
      const before = unanswered
      unanswered = []
      await Promise.all(before)
    }
    await pause(1)
  }
  await Promise.all(unanswered)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function latency(
  name: string,
  quantile: number,
  ours: readonly number[],
  limit: readonly number[],
  cpuSeconds: number,
): Measurement {
  const rate = quantileOf(ours, quantile)
  const least = quantileOf(limit, quantile)
  return {
    bench: BENCH,
    case: `${name} (rate is ms)`,
    rate,
    unit: 'ms',
    cpuSeconds,
    ratePerCpuSecond: 0,
    rssBytes: process.memoryUsage.rss(),
    limit: least,
    // Of times the less is the better: 50 % says that it takes twice as long as the limit.
    ratio: least / rate,
  }
}

function quantileOf(values: readonly number[], quantile: number): number {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.floor(sorted.length * quantile)] ?? Number.NaN
}
