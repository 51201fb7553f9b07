import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { BenchContext } from './bench.ts'
import { fill } from './fill.ts'
import type { Measurement } from './measure.ts'

/** From the start of a process to its first processed record, after a kill -9 with 1 M keys of state. */
export async function restart(context: BenchContext): Promise<Measurement[]> {
  const folder = context.folder('restart')
  await fill(folder, 1_200_000, 1_000_000)
  await child(folder, 'fill')
  const { processStart, firstRecord } = await child(folder, 'restart')
  const base = {
    bench: 'restart',
    unit: 'ms',
    cpuSeconds: 0,
    ratePerCpuSecond: 0,
    rssBytes: 0,
    limit: null,
    ratio: null,
  }
  return [
    { ...base, case: 'process start (rate is ms)', rate: processStart },
    { ...base, case: 'start to first record (rate is ms)', rate: firstRecord },
  ]
}

interface Report {
  readonly processStart: number
  readonly firstRecord: number
}

/** Runs `restart-child.ts` until it says `ready`, then kills it with SIGKILL. */
function child(folder: string, mode: 'fill' | 'restart'): Promise<Report> {
  const script = fileURLToPath(new URL('restart-child.ts', import.meta.url))
  const started = Date.now()
  const running = spawn(process.execPath, [script, folder, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  return new Promise((resolve, reject) => {
    running.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      const ready = /ready (\d+) (\d+)\n/.exec(text)
      if (ready === null) return
      running.kill('SIGKILL')
      resolve({ processStart: Number(ready[1]) - started, firstRecord: Number(ready[2]) - Number(ready[1]) })
    })
    running.on('error', reject)
    running.on('close', () => reject(new Error(`restart-child ended before it was ready: ${text}`)))
  })
}
