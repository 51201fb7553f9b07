import { SingleBar } from 'cli-progress'
import { type Duration } from '../base/duration.ts'
import { type Running, run as runApp } from '../run/run.ts'
import { loadPipeline } from './load-pipeline.ts'
import type { Output } from './output.ts'

export interface RunCommandOptions {
  readonly at: string
  readonly untilEnd?: true
  readonly set: readonly string[]
  readonly port: number
  readonly http: boolean
  readonly commitInterval?: string
}

/** `millrace run FILE`: until the input ends, the app fails, or Ctrl-C. */
export async function run(file: string, options: RunCommandOptions, output: Output): Promise<void> {
  const app = await loadPipeline(file, options.set)
  const running = await runApp(app, {
    at: options.at,
    http: options.http ? options.port : undefined,
    untilEnd: options.untilEnd === true,
    commitInterval: options.commitInterval === undefined ? undefined : (options.commitInterval as Duration),
  })
  // Whoever reads that it runs may stop it.
  const stopped = stopOnSignal(running, output)
  output.note(`${app.name} runs on ${options.at}${running.url === undefined ? '' : `, ${running.url}`}\n`)
  const progress = output.isTerminal ? showProgress(running) : showLines(running, output)
  try {
    await Promise.race([running.ended, stopped])
  } finally {
    progress.stop()
    await running.close()
  }
  const { records, late, dropped, deadLetters } = running.status()
  const counts = `${late} late, ${dropped} dropped, ${deadLetters} dead letters`
  output.note(`${app.name}: ${records.toLocaleString('en')} records, ${counts}; all committed\n`)
}

/** Resolves at the first Ctrl-C (drain and commit); the second one stops at once. */
function stopOnSignal(running: Running, output: Output): Promise<void> {
  let asked = false
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(130)
        asked = true
        output.note('draining; once more stops at once\n')
        running.close().then(resolve, resolve)
      })
    }
  })
}

interface Progress {
  stop(): void
}

/** A bar with rate and time left where the input's size is known, else a line of figures. */
function showProgress(running: Running): Progress {
  const bar = new SingleBar({
    format: '{bar} {percentage} %  {records} records  {rate}/s  {eta_formatted} left',
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  })
  let started = false
  let last = { records: 0, at: performance.now() }
  const timer = setInterval(() => {
    const { records, inputs } = running.status()
    const bounded = inputs.flatMap(({ progress }) => (progress?.total === undefined ? [] : [progress]))
    const [done, total] = [sum(bounded.map((one) => one.done)), sum(bounded.map((one) => one.total ?? 0))]
    const now = performance.now()
    const rate = Math.round(((records - last.records) * 1_000) / (now - last.at)).toLocaleString('en')
    last = { records, at: now }
    if (total === 0) return
    const payload = { records: records.toLocaleString('en'), rate }
    if (!started) bar.start(total, done, payload)
    else bar.update(done, payload)
    started = true
  }, 250)
  return {
    stop() {
      clearInterval(timer)
      if (started) bar.stop()
    },
  }
}

/** Where nobody watches: one line every ten seconds. */
function showLines(running: Running, output: Output): Progress {
  const timer = setInterval(() => {
    const { records, watermark, late, state } = running.status()
    const time = watermark === undefined ? 'none' : String(watermark)
    output.note(`${state}: ${records} records, watermark ${time}, ${late} late\n`)
  }, 10_000)
  return { stop: () => clearInterval(timer) }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
