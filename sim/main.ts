/**
 * npm run sim -- [--seed N] [--runs R] [--steps S]
 *
 * Runs R worlds, from seed N on. What a failure prints is enough to see it again: the same seed gives the same run.
 */
import { parseArgs } from 'node:util'
import { type RunReport, STEPS, simulate } from './run.ts'

const PROGRESS_MS = 5000

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '100' },
    steps: { type: 'string', default: `${STEPS}` },
  },
})
const [first, runs, steps] = [values.seed, values.runs, values.steps].map(Number) as [number, number, number]
if (![first, runs, steps].every((value) => Number.isSafeInteger(value) && value >= 0)) {
  process.stderr.write('usage: npm run sim -- [--seed N] [--runs R] [--steps S]\n')
  process.exit(2)
}

const started = performance.now()
let printed = started
let failures = 0
let records = 0
let lives = 0
for (let seed = first; seed < first + runs; seed += 1) {
  const report = simulate({ seed, steps })
  records += report.acknowledged
  lives += report.lives
  if (report.failure !== undefined) {
    failures += 1
    printFailure(report)
  }
  if (performance.now() - printed < PROGRESS_MS) continue
  printed = performance.now()
  process.stdout.write(`${line(seed)}\n`)
}
process.stdout.write(`${line(first + runs - 1)}\n`)
process.exitCode = failures === 0 ? 0 : 1

function line(seed: number): string {
  const seconds = (performance.now() - started) / 1000
  const count = seed - first + 1
  return `${count} of ${runs} runs, ${lives} lives, ${records} records acknowledged, ${failures} failed, ${seconds.toFixed(0)} s`
}

function printFailure({ seed, failure }: RunReport): void {
  if (failure === undefined) return
  const { step, checker, problem, stack, history } = failure
  process.stdout.write(`\nseed ${seed}, step ${step}: ${checker}\n  ${problem}\n`)
  for (const each of history) process.stdout.write(`    ${each}\n`)
  if (checker === 'the-program-goes-on') process.stdout.write(`${stack}\n`)
  process.stdout.write(`again: npm run sim -- --seed ${seed} --runs 1 --steps ${steps}\n\n`)
}
