import { spawn } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { BenchContext } from './bench.ts'
import type { Measurement } from './measure.ts'

const BENCH = 'start'
const GIB = 2 ** 30

const CASES = [
  { name: '2,000 partitions', partitions: 2_000, bytes: 0.2 * GIB },
  { name: '10 GiB', partitions: 4, bytes: 10 * GIB },
] as const

/** Milliseconds until a log is open, in a process of its own: after a clean end, and after SIGKILL. */
export async function start(context: BenchContext): Promise<Measurement[]> {
  const results: Measurement[] = []
  for (const { name, partitions, bytes } of CASES) {
    if (!context.wants(name)) continue
    const folder = context.folder(BENCH)
    const room = freeBytes(folder) * 0.8
    const shown = bytes <= room ? name : `${(room / GIB).toFixed(1)} GiB (no room for ${name})`
    await child(folder, 'fill', partitions, Math.min(bytes, room))
    // Killed while it had appended: the next start is unclean, and those that end cleanly make the next one clean.
    results.push(...measured(`${shown}, unclean`, await child(folder, 'open', partitions, 0)))
    results.push(...measured(`${shown}, clean`, await child(folder, 'open', partitions, 0)))
  }
  return results
}

interface Report {
  readonly openMs: number
  readonly fromStartMs: number
  readonly cpuSeconds: number
  readonly rssBytes: number
}

function measured(name: string, report: Report): Measurement[] {
  const { cpuSeconds, rssBytes } = report
  const base = {
    bench: BENCH,
    unit: 'ms',
    cpuSeconds,
    ratePerCpuSecond: 0,
    rssBytes,
    limit: null,
    ratio: null,
  }
  return [
    { ...base, case: `${name}: open`, rate: report.openMs },
    { ...base, case: `${name}: process to open`, rate: report.fromStartMs },
  ]
}

/** Runs `start-child.ts`: `fill` is killed when it has written all, `open` ends by itself. */
function child(folder: string, mode: 'fill' | 'open', partitions: number, bytes: number): Promise<Report> {
  const script = fileURLToPath(new URL('start-child.ts', import.meta.url))
  const words = [script, folder, mode, String(partitions), String(Math.floor(bytes))]
  const running = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  let report: Report | undefined
  return new Promise((resolve, reject) => {
    running.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      const line = /^(\{.*\})\n/m.exec(text)?.[1]
      if (line === undefined) return
      report = JSON.parse(line) as Report
      if (mode === 'fill') running.kill('SIGKILL')
    })
    running.on('error', reject)
    running.on('close', () => {
      if (report !== undefined) resolve(report)
      else reject(new Error(`start-child ended before it was ready: ${text}`))
    })
  })
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}
