/**
 * Runs a data set's pipeline as a process over any file of its format, in a temporary directory, and prints the
 * canonical rows of one case:
 *
 *   npm run -s rows -- <dataset> <case> --input FILE [--kill SEED]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { canonical } from './canonical.ts'
import { DATASETS } from './cases.ts'
import { readTopic } from './read-topic.ts'
import { runPipeline } from './run-pipeline.ts'

const usage = `usage: npm run -s rows -- <dataset> <case> --input FILE [--kill SEED]
${Object.entries(DATASETS)
  .map(([name, { cases }]) => `  ${name}: ${Object.keys(cases).join(' ')}`)
  .join('\n')}`

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { input: { type: 'string' }, kill: { type: 'string' } },
  })
  const [datasetName = '', caseName = ''] = positionals
  const dataset = DATASETS[datasetName]
  const chosen = dataset?.cases[caseName]
  const seed = values.kill === undefined ? undefined : Number(values.kill)
  if (dataset === undefined || chosen === undefined || values.input === undefined || Number.isNaN(seed)) {
    process.stderr.write(`${usage}\n`)
    return 2
  }
  const folder = mkdtempSync(join(tmpdir(), 'millrace-rows-'))
  try {
    const input = chosen.prepare?.(values.input, folder) ?? resolve(values.input)
    const data = join(folder, 'data')
    const kill = seed === undefined ? {} : { kill: { seed } }
    const { kills } = await runPipeline({ pipeline: dataset.pipeline, input, folder: data, ...kill })
    if (seed !== undefined) process.stderr.write(`killed ${kills} times, seed ${seed}\n`)
    const records = await readTopic(data, chosen.topic)
    process.stdout.write(canonical(records.flatMap(({ value }) => chosen.rows(value))))
    return 0
  } catch (error) {
    process.stderr.write(`rows: ${error instanceof Error ? error.message : String(error)}\n`)
    return 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

process.exitCode = await main()
