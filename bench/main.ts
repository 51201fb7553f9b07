/**
 * npm run bench -- [name ...] [--case TEXT] [--seconds N] [--json] [--folder DIR] [--kafka SCRIPT]
 *
 * Each case is measured in turns with a limit that is measured in the same run; bench/README.md says how to read them.
 */
import { parseArgs } from 'node:util'
import { type BenchContext, benchContext } from './bench.ts'
import { compact } from './compact.ts'
import { groupRead } from './group-read.ts'
import { kafka } from './kafka.ts'
import { latency } from './latency.ts'
import { logAppend } from './log-append.ts'
import { logRead } from './log-read.ts'
import { type Measurement, machine } from './measure.ts'
import { pipe } from './pipe.ts'
import { producer } from './producer.ts'
import { restart } from './restart.ts'
import { send } from './send.ts'
import { start } from './start.ts'
import { transactions } from './transactions.ts'
import { windowCount } from './window-count.ts'

const BENCHES: Readonly<Record<string, (context: BenchContext) => Promise<readonly Measurement[]>>> = {
  'log-append': logAppend,
  'log-read': logRead,
  producer,
  transactions,
  'group-read': groupRead,
  send,
  compact,
  start,
  pipe,
  'window-count': windowCount,
  latency,
  restart,
  kafka,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string' },
    json: { type: 'boolean' },
    folder: { type: 'string' },
    case: { type: 'string' },
    kafka: { type: 'string' },
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
  const context = benchContext({
    seconds,
    baseFolder: values.folder ?? '.',
    caseText: values.case ?? '',
    kafka: values.kafka ?? process.env['MILLRACE_KAFKA_SH'],
  })
  try {
    const measurements = (await BENCHES[name]?.(context)) ?? []
    for (const result of measurements)
      process.stdout.write(values.json === true ? `${JSON.stringify(result)}\n` : line(result))
  } finally {
    context.clean()
  }
}

function line(result: Measurement): string {
  // Times may be shorter than a millisecond.
  const digits = result.unit === 'ms' ? 2 : 0
  const rate = result.rate
    .toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
    .padStart(14)
  const perCpu = Math.round(result.ratePerCpuSecond).toLocaleString('en').padStart(14)
  const ratio = result.ratio === null ? '' : `${(result.ratio * 100).toFixed(0).padStart(5)} % of the limit`
  const rss = `${Math.round(result.rssBytes / 2 ** 20)} MiB`.padStart(9)
  return `${result.bench.padEnd(13)} ${result.case.padEnd(40)} ${rate} ${result.unit.padEnd(10)} ${perCpu} /cpu s ${rss}${ratio}\n`
}
