/**
 * npm run jepsen -- [--minutes M] [--folder DIR] [--seed N]
 *
 * A process with a log in real files is worked on for M minutes and killed every few seconds; then its history is checked.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runJepsen } from './run.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    folder: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
})
const [minutes, seed] = [Number(values.minutes), Number(values.seed)]
if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
  process.stderr.write('usage: npm run jepsen -- [--minutes M] [--folder DIR] [--seed N]\n')
  process.exit(2)
}
const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'millrace-jepsen-'))
const { faults, troubles, ...figures } = await runJepsen(folder, { seconds: minutes * 60, seed })
console.log(figures)
for (const trouble of new Set(troubles)) console.log(`trouble: ${trouble}`)
for (const fault of faults.slice(0, 50)) console.log(fault)
console.log(faults.length === 0 ? 'no faults' : `${faults.length} faults; the log is kept in ${folder}`)
if (faults.length === 0 && values.folder === undefined) rmSync(folder, { recursive: true })
process.exitCode = faults.length === 0 ? 0 : 1
