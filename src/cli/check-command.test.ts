import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openLog } from '../log/open.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import { nodeSys } from '../sys/node/node-sys.ts'
import { check } from './check-command.ts'
import type { Output } from './output.ts'

let folder: string
let printed: string
let noted: string
const output: Output = {
  write: (text: string) => {
    printed += text
  },
  note: (text: string) => {
    noted += text
  },
  isTerminal: false,
  gone: new AbortController().signal,
}

beforeEach(async () => {
  folder = mkdtempSync(`${tmpdir()}/millrace-check-`)
  printed = ''
  noted = ''
  const log = openLog(nodeSys(), `${folder}/log`)
  await new Promise((resolve) => log.createTopic('t', { partitions: 1 }, resolve))
  const builder = new BatchBuilder(1024)
  for (let index = 0; index < 20; index += 1) {
    builder.reset()
    builder.appendText(index, null, 'x'.repeat(500))
    const batch = { topic: log.topic('t')?.id as string, partition: 0, bytes: builder.build() }
    await new Promise((resolve) => log.append([batch], resolve))
  }
  await new Promise((resolve) => log.close(resolve))
})

afterEach(() => rmSync(folder, { recursive: true }))

function partitionFolder(): string {
  const topics = `${folder}/log/topics`
  return `${topics}/${readdirSync(topics)[0]}`
}

function overwrite(suffix: string, position: number): void {
  const name = readdirSync(partitionFolder()).find((each) => each.endsWith(suffix)) as string
  const file = openSync(`${partitionFolder()}/${name}`, 'r+')
  writeSync(file, 'damage', position)
  closeSync(file)
}

const run = (repair: boolean) => check({ at: `file:${folder}`, format: 'jsonl', repair }, output)
const rows = () =>
  printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

test('a good directory is good, and a repair does nothing to it', async () => {
  await run(false)
  expect(noted).toContain('every byte is good')
  printed = ''
  await run(true)
  expect(rows()).toMatchObject([{ partitions: 1, batches: 20, records: 20, findings: [] }])
})

test('damage is found, repaired, kept beside, and gone', async () => {
  overwrite('.log', 1000)
  await expect(run(false)).rejects.toThrow(/1 finding in t-0: restore the directory from a copy, or cut/)
  printed = ''
  await run(true)
  const [repair] = rows()
  expect(repair).toMatchObject({ offsets: '1 to 1' })
  const kept = readdirSync(partitionFolder()).filter((name) => name.includes('.cut-'))
  expect(kept).toHaveLength(1)
  expect(repair?.['kept']).toBe(`${partitionFolder()}/${kept[0]}`)
  expect(noted).toContain('1 repaired; 1 of them kept what was cut out')
  noted = ''
  await run(false)
  expect(noted).toContain('1 partitions, 19 records in 20 batches')
})

test.each(['.index', '.timeindex'])('a damaged %s is removed, and made again', async (suffix) => {
  overwrite(suffix, 2)
  await expect(run(false)).rejects.toThrow(/1 finding/)
  printed = ''
  await run(true)
  expect(rows()).toHaveLength(1)
  expect(rows()[0]?.['file']).toMatch(new RegExp(`[0-9]${suffix}$`))
  await run(false)
})

test('a log that does not open any more does after a repair', async () => {
  const name = readdirSync(partitionFolder()).find((each) => each.endsWith('.log')) as string
  rmSync(`${partitionFolder()}/${name}`)
  await expect(run(false)).rejects.toThrow(/is damaged at .*millrace check --repair/)
  await run(true)
  expect(rows()).toMatchObject([{ offsets: '0 to 19', kept: '' }])
  await run(false)
})

test('without a directory it says where one is expected', async () => {
  await expect(check({ at: `file:${folder}/nothing` }, output)).rejects.toThrow(/there is no data directory/)
})
