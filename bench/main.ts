/**
 * npm run bench -- [name ...] [--case TEXT] [--seconds N] [--json] [--folder DIR]
 *
 * Each case is measured in turns with a limit that is measured in the same run; bench/README.md says how to read them.
 */
import { parseArgs } from 'node:util'
import { type BenchContext, benchContext } from './bench.ts'
import { latency } from './latency.ts'
import { logAppend } from './log-append.ts'
import { logRead } from './log-read.ts'
import { type Measurement, machine } from './measure.ts'
import { pipe } from './pipe.ts'
import { restart } from './restart.ts'
import { windowCount } from './window-count.ts'

const BENCHES: Readonly<Record<string, (context: BenchContext) => Promise<readonly Measurement[]>>> = {
  'log-append': logAppend,
  'log-read': logRead,
  pipe,
  'window-count': windowCount,
  latency,
  restart,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string' },
    json: { type: 'boolean' },
    folder: { type: 'string' },
    case: { type: 'string' },
  },
})
const seconds = Number(values.seconds ?? 10)
const unknown = positionals.filter((name) => !(name in BENCHES))
if (unknown.length > 0 || !(seconds > 0)) {
  process.stderr.write(
    `usage: npm run bench -- [${Object.keys(BENCHES).join(' | ')}] [--case TEXT] [--seconds N] [--json]\n`,
  )
  process.exit(2)
}

const chosen = positionals.length > 0 ? positionals : Object.keys(BENCHES)
if (values.json !== true) process.stdout.write(`${machine()}, --seconds ${seconds}\n`)
for (const name of chosen) {
  const context = benchContext(seconds, values.folder ?? '.', values.case ?? '')
  try {
    const measurements = (await BENCHES[name]?.(context)) ?? []
    for (const result of measurements)
      process.stdout.write(values.json === true ? `${JSON.stringify(result)}\n` : line(result))
  } finally {
    context.clean()
  }
}

function line(result: Measurement): string {
  const rate = Math.round(result.rate).toLocaleString('en').padStart(14)
  const perCpu = Math.round(result.ratePerCpuSecond).toLocaleString('en').padStart(14)
  const ratio = result.ratio === null ? '' : `${(result.ratio * 100).toFixed(0).padStart(5)} % of the limit`
  const rss = `${Math.round(result.rssBytes / 2 ** 20)} MiB`.padStart(9)
  return `${result.bench.padEnd(13)} ${result.case.padEnd(28)} ${rate} ${result.unit.padEnd(10)} ${perCpu} /cpu s ${rss}${ratio}\n`
}
