import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canonical } from './rows/canonical.ts'
import { DATASETS } from './rows/cases.ts'
import { readTopic } from './rows/read-topic.ts'
import { runPipeline } from './rows/run-pipeline.ts'
import { sharedPath } from './shared-path.ts'

interface Manifest {
  readonly cases: Readonly<
    Record<string, { readonly rows: number; readonly sha256: string; readonly file: string }>
  >
}

/** Real logs, run as a process through `millrace run`, against rows that independent batch programs computed. */
const INPUTS = { apache_logs: 'access.log', wikiticker: 'edits.jsonl.gz' } as const

for (const [name, file] of Object.entries(INPUTS)) {
  const dataset = DATASETS[name]
  if (dataset === undefined) throw new Error(`no cases for ${name}`)
  describe(`data set ${name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-data-'))
    const manifest = JSON.parse(
      readFileSync(sharedPath(`data/${name}/expected/manifest.json`), 'utf8'),
    ) as Manifest
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    const groups = groupByInput(dataset.cases, sharedPath(`data/${name}/${file}`), folder)
    for (const { label, input, cases } of groups) {
      describe(label, () => {
        const data = join(folder, label)
        beforeAll(async () => {
          await runPipeline({ pipeline: dataset.pipeline, input: input(), folder: data })
        }, 120_000)
        test.each(cases)('%s', async (caseName) => {
          const expected = manifest.cases[caseName]
          const chosen = dataset.cases[caseName]
          if (expected === undefined || chosen === undefined) throw new Error(`no such case: ${caseName}`)
          const records = await readTopic(data, chosen.topic)
          const rows = canonical(records.flatMap(({ value }) => chosen.rows(value)))
          expect(rows).toBe(readFileSync(sharedPath(`data/${name}/expected/${expected.file}`), 'utf8'))
          expect(createHash('sha256').update(rows).digest('hex')).toBe(expected.sha256)
          expect(rows.split('\n').length - 1).toBe(expected.rows)
        })
      })
    }
  })
}

/** Cases whose arrival order is not the file's share one prepared input, and one run. */
function groupByInput(
  cases: (typeof DATASETS)[string]['cases'],
  file: string,
  folder: string,
): readonly { readonly label: string; readonly input: () => string; readonly cases: readonly string[] }[] {
  const plain = Object.keys(cases).filter((name) => cases[name]?.prepare === undefined)
  const prepared = Object.keys(cases).filter((name) => cases[name]?.prepare !== undefined)
  const prepare = cases[prepared[0] ?? '']?.prepare
  const groups = [{ label: 'as it is', input: () => file, cases: plain }]
  if (prepare === undefined) return groups
  return [...groups, { label: 'shuffled', input: () => prepare(file, folder), cases: prepared }]
}
