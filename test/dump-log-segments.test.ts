import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Log, LogTopic } from '../src/log/log.ts'
import { openLog } from '../src/log/open.ts'
import { BatchBuilder } from '../src/record/batch-builder.ts'
import { nodeSys } from '../src/sys/node/node-sys.ts'
import { sharedPath } from './shared-path.ts'

/**
 * Kafka's own tool reads our segments and checks their indexes. It needs Java 17 and, once, Maven; see `sharedPath`.
 */
const kafka = sharedPath('kafka/kafka.sh')
let folder: string
let files: string[]

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-dump-'))
  const log = openLog(nodeSys(), folder)
  const topic = await made(log)
  for (let index = 0; index < 400; index += 1) {
    await append(log, topic, index)
  }
  await new Promise<void>((resolve, reject) =>
    log.close((error) => (error === undefined ? resolve() : reject(error))),
  )
  const partition = `${folder}/topics/${topic.id}-0`
  files = readdirSync(partition)
    .sort()
    .map((name) => `${partition}/${name}`)
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function made(log: Log): Promise<LogTopic> {
  return new Promise((resolve, reject) =>
    log.createTopic('events', { partitions: 1, segmentBytes: 64 * 1024 }, (error, topic) =>
      topic === undefined ? reject(error) : resolve(topic),
    ),
  )
}

/** Timestamps go up and down; some batches are compressed, some large enough to go to the segment first. */
function append(log: Log, topic: LogTopic, index: number): Promise<void> {
  const builder = new BatchBuilder()
  for (let record = 0; record <= index % 7; record += 1) {
    const timestamp = 1_700_000_000_000 + index * 1000 - (index % 5) * 2500 + record
    builder.appendText(
      timestamp,
      `key-${index}`,
      `value ${index}/${record} ${'x'.repeat((index * 37) % 900)}`,
    )
  }
  const compression = index % 10 === 3 ? 'gzip' : index % 10 === 6 ? 'zstd' : 'none'
  return new Promise((resolve, reject) =>
    log.append([{ topic: topic.id, partition: 0, bytes: builder.build({ compression }) }], (error) =>
      error === undefined ? resolve() : reject(error),
    ),
  )
}

/** What the tool says: rows on its output, faults on its error output, where it is silent if all is well. */
function dump(...options: string[]): { readonly rows: string; readonly faults: string } {
  const { stdout, stderr, status } = spawnSync(
    kafka,
    ['tool', 'org.apache.kafka.tools.DumpLogSegments', ...options],
    { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  )
  expect(status, stderr).toBe(0)
  // Printed for every segment but the first of a partition: the tool expects each file to begin with offset 0.
  const faults = stderr.replace(/^Non-consecutive offsets in .*\n {2}-1 is followed by [0-9]+\n/gm, '')
  return { rows: stdout, faults }
}

test('every record of every segment is what was appended', () => {
  const logs = files.filter((file) => file.endsWith('.log'))
  expect(logs.length).toBeGreaterThan(3)
  const { rows, faults } = dump('--print-data-log', '--deep-iteration', '--files', logs.join(','))
  const records = rows.matchAll(/^\| offset: ([0-9]+) .*key: (\S+) payload: value ([0-9]+)\/([0-9]+) /gm)
  let expected = 0
  let batch = 0
  let record = 0
  for (const [, offset, key, index, position] of records) {
    expect([Number(offset), key, Number(index), Number(position)]).toEqual([
      expected,
      `key-${batch}`,
      batch,
      record,
    ])
    expected += 1
    record += 1
    if (record > batch % 7) {
      batch += 1
      record = 0
    }
  }
  expect(batch).toBe(400)
  expect(rows).not.toMatch(/isvalid: false/)
  expect(faults).toBe('')
}, 120_000)

test('the indexes agree with the segments', () => {
  const indexes = files.filter((file) => /[.](index|timeindex)$/.test(file))
  expect(indexes.length).toBe((files.length / 3) * 2)
  const { rows, faults } = dump('--files', indexes.join(','))
  expect(rows.match(/^offset: [0-9]+ position: [0-9]+$/gm)?.length).toBeGreaterThan(20)
  expect(rows.match(/^timestamp: [0-9]+ offset: [0-9]+$/gm)?.length).toBeGreaterThan(20)
  expect(faults).toBe('')
  const sane = dump('--index-sanity-check', '--files', indexes.join(','))
  expect(sane.rows.match(/passed sanity check/g)?.length).toBe(indexes.length)
}, 120_000)

test('the tool does find a wrong entry, so the tests above mean something', () => {
  const index = files.find((file) => file.endsWith('.index')) as string
  const bytes = readFileSync(index)
  const copy = `${folder}/copy`
  mkdirSync(copy)
  copyFileSync(index.replace('.index', '.log'), `${copy}/${basename(index).replace('.index', '.log')}`)
  bytes.writeInt32BE(bytes.readInt32BE(8) + 1, 8)
  writeFileSync(`${copy}/${basename(index)}`, bytes)
  expect(dump('--files', `${copy}/${basename(index)}`).faults).toMatch(/Mismatches in/)
}, 120_000)
