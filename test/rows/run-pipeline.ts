import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface PipelineRun {
  /** Path of the pipeline file, from the root of the project. */
  readonly pipeline: string
  readonly input: string
  /** Data directory. */
  readonly folder: string
  /** Kill the process at random moments of this seed and start it again, until the input is done. */
  readonly kill?: { readonly seed: number; readonly timesMin?: number }
}

/** Runs a pipeline as a process until its input ends. Answers how often it was killed on the way. */
export async function runPipeline(run: PipelineRun): Promise<{ readonly kills: number }> {
  if (run.kill === undefined) {
    await runOnce(run, undefined)
    return { kills: 0 }
  }
  const random = randomOf(run.kill.seed)
  // A life is counted from the moment at which the app runs, so that most of them end in the middle of work. Some are
  // too short for a single commit and must do no harm; once it was killed often enough they grow, to come to the end.
  let lifeMs = 60
  for (let kills = 0; ; kills++) {
    if (await runOnce(run, random() * lifeMs)) return { kills }
    if (kills >= (run.kill.timesMin ?? 0)) lifeMs *= 1.3
    if (kills > 500)
      throw new Error(`seed ${run.kill.seed}: killed 500 times and still not at the end of the input`)
  }
}

/** True when the process came to its end before it was to be killed. */
function runOnce(run: PipelineRun, killAfterMs: number | undefined): Promise<boolean> {
  const command = ['src/cli/main.ts', 'run', run.pipeline, '--until-end', '--no-http']
  const place = ['--at', `file:${run.folder}`, '--set', `input=${run.input}`]
  // More commits, more moments between them to be killed in.
  const often = killAfterMs === undefined ? [] : ['--commit-interval', '10ms']
  const child = spawn(process.execPath, [...command, ...place, ...often], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let errors = ''
  let killed = false
  let timer: NodeJS.Timeout | undefined
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
    if (killAfterMs === undefined || timer !== undefined || !errors.includes(' runs on ')) return
    timer = setTimeout(() => {
      killed = child.kill('SIGKILL')
    }, killAfterMs)
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      if (code === 0) resolve(true)
      else if (killed) resolve(false)
      else reject(new Error(`${run.pipeline} ended with code ${code}: ${errors.slice(-4_000)}`))
    })
  })
}

/** Floats in [0, 1), the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
