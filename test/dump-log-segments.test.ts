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
import { repairLog } from '../src/log/repair.ts'
import { BatchBuilder } from '../src/record/batch-builder.ts'
import { controlBatch } from '../src/record/control-batch.ts'
import type { TopicSettings } from '../src/record/topic-settings.ts'
import { nodeSys } from '../src/sys/node/node-sys.ts'
import { sharedPath } from './shared-path.ts'

/**
 * Kafka's own tool reads our segments and checks their indexes. It needs Java 17 and, once, Maven; see `sharedPath`.
 */
const kafka = sharedPath('kafka/kafka.sh')
let folder: string
let files: string[]
let transactional: string[]
let repaired: string[]
let compacted: string[]
const startedAt = Date.now()

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-dump-'))
  const log = openLog(nodeSys(), folder)
  const topic = await made(log, 'events')
  const other = await made(log, 'transactions')
  for (let index = 0; index < 400; index += 1) {
    await append(log, topic, index)
  }
  for (let index = 0; index < TRANSACTIONS; index += 1) await transaction(log, other, index)
  const keyed = await made(log, 'keyed', { cleanup: 'compact', minCleanableDirtyRatio: 0 })
  for (let round = 0; round < 6; round += 1) await changes(log, keyed, round)
  await new Promise<void>((resolve, reject) =>
    log.housekeeping.runOnce((error) => (error === undefined ? resolve() : reject(error))),
  )
  const stamped = await made(log, 'stamped', { timestampType: 'logAppendTime' })
  for (let index = 0; index < 5; index += 1) {
    const builder = new BatchBuilder()
    for (const value of ['one', 'two']) builder.appendText(1, `key-${index}`, value.padEnd(300))
    await written(log, stamped, builder.build())
  }
  await new Promise<void>((resolve, reject) =>
    log.close((error) => (error === undefined ? resolve() : reject(error))),
  )
  files = filesOf(topic)
  repaired = filesOf(stamped)
  compacted = filesOf(keyed)
  const damaged = repaired.find((file) => file.endsWith('.log')) as string
  const bytes = readFileSync(damaged)
  bytes.writeInt32BE(0x7e57, Math.floor(bytes.length / 2))
  writeFileSync(damaged, bytes)
  expect(repairLog(nodeSys(), folder)).toHaveLength(1)
  transactional = filesOf(other)
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function filesOf({ id }: LogTopic): string[] {
  const partition = `${folder}/topics/${id}-0`
  return readdirSync(partition)
    .sort()
    .map((name) => `${partition}/${name}`)
}

function made(log: Log, name: string, settings: Partial<TopicSettings> = {}): Promise<LogTopic> {
  return new Promise((resolve, reject) =>
    log.createTopic(name, { partitions: 1, segmentBytes: 64 * 1024, ...settings }, (error, topic) =>
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
  return written(log, topic, builder.build({ compression }))
}

function written(log: Log, topic: LogTopic, ...batches: Uint8Array[]): Promise<void> {
  const items = batches.map((bytes) => ({ topic: topic.id, partition: 0, bytes }))
  return new Promise((resolve, reject) =>
    log.append(items, (error) => (error === undefined ? resolve() : reject(error))),
  )
}

const KEYS = 40

/** Values of 40 keys, a fifth of which are deleted in the end, and a producer that takes back what it wrote. */
async function changes(log: Log, topic: LogTopic, round: number): Promise<void> {
  const timestamp = 1_700_000_000_000 + round
  for (let first = 0; first < KEYS; first += 4) {
    const builder = new BatchBuilder()
    for (let key = first; key < first + 4; key += 1) {
      const deleted = key % 5 === 0 && round > 1
      builder.appendText(timestamp, `key-${key}`, deleted ? null : `${round} ${'x'.repeat(1500)}`)
    }
    await written(log, topic, builder.build({ compression: first % 8 === 0 ? 'zstd' : 'none' }))
  }
  const builder = new BatchBuilder()
  builder.appendText(timestamp, 'key-1', `aborted ${'x'.repeat(700)}`)
  const settings = { producerId: 2000, producerEpoch: 0, baseSequence: round, transactional: true }
  await written(log, topic, builder.build(settings))
  await written(log, topic, controlBatch(2000, 0, 'abort', 7, timestamp))
}

const TRANSACTIONS = 90

/** Two records of producer 1000, one outside of any transaction, then the marker: every third aborts. */
async function transaction(log: Log, topic: LogTopic, index: number): Promise<void> {
  const batch = (producerId: number, baseSequence: number, isTransactional: boolean) => {
    const builder = new BatchBuilder()
    builder.appendText(1_700_000_000_000 + index, `key-${index}`, 'x'.repeat(700))
    return builder.build({ producerId, producerEpoch: 3, baseSequence, transactional: isTransactional })
  }
  await written(log, topic, batch(1000, 2 * index, true), batch(1001, index, false))
  await written(log, topic, batch(1000, 2 * index + 1, true))
  const kind = index % 3 === 0 ? 'abort' : 'commit'
  await written(log, topic, controlBatch(1000, 3, kind, 7, 1_700_000_000_000 + index))
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

test('batches of producers, markers and transaction indexes say what was done', () => {
  const logs = transactional.filter((file) => file.endsWith('.log'))
  expect(logs.length).toBeGreaterThan(2)
  const { rows, faults } = dump('--print-data-log', '--deep-iteration', '--files', logs.join(','))
  expect(faults).toBe('')
  expect(rows).not.toMatch(/isvalid: false/)
  const heads = [
    ...rows.matchAll(
      /^baseOffset: ([0-9]+) .* baseSequence: (-?[0-9]+) .* producerId: ([0-9]+) producerEpoch: 3 .*isTransactional: (true|false) isControl: (true|false)/gm,
    ),
  ].map(([, ...fields]) => fields.join(' '))
  const markers = [...rows.matchAll(/endTxnMarker: ([A-Z]+) coordinatorEpoch: 7/g)].map(([, kind]) => kind)
  const expected = Array.from({ length: TRANSACTIONS }, (_, index) => [
    `${4 * index} ${2 * index} 1000 true false`,
    `${4 * index + 1} ${index} 1001 false false`,
    `${4 * index + 2} ${2 * index + 1} 1000 true false`,
    `${4 * index + 3} -1 1000 true true`,
  ])
  expect(heads).toEqual(expected.flat())
  expect(markers).toEqual(expected.map((_, index) => (index % 3 === 0 ? 'ABORT' : 'COMMIT')))
  const indexes = transactional.filter((file) => file.endsWith('.txnindex'))
  expect(indexes.length).toBe(logs.length)
  const dumped = dump('--files', indexes.join(','))
  expect(dumped.faults).toBe('')
  const entries = dumped.rows.matchAll(
    /^version: 0 producerId: 1000 firstOffset: ([0-9]+) lastOffset: ([0-9]+) lastStableOffset: ([0-9]+)$/gm,
  )
  expect([...entries].map(([, ...fields]) => fields.map(Number))).toEqual(
    Array.from({ length: TRANSACTIONS / 3 }, (_, index) => [12 * index, 12 * index + 3, 12 * index + 4]),
  )
}, 120_000)

test('cleaned segments are what Kafka takes for cleaned ones, and their indexes agree', () => {
  const logs = compacted.filter((file) => file.endsWith('.log'))
  expect(logs.length).toBeGreaterThan(1)
  const [cleaned] = logs as [string]
  const { rows } = dump('--print-data-log', '--deep-iteration', '--files', cleaned)
  expect(rows).not.toMatch(/isvalid: false/)
  const batches = [...rows.matchAll(/^baseOffset: ([0-9]+) lastOffset: ([0-9]+) count: ([0-9]+) /gm)]
  // Readers find every offset: each batch begins where the one before ends.
  let next = 0
  for (const [, first, last] of batches) {
    expect(Number(first)).toBe(next)
    next = Number(last) + 1
  }
  expect(batches.some(([, , , count]) => count === '0')).toBe(true)
  expect(rows).toMatch(/deleteHorizonMs: OptionalLong\[[0-9]{13}\]/)
  expect(rows).toMatch(/endTxnMarker: ABORT/)
  const keys = [...rows.matchAll(/ key: (key-[0-9]+)/gm)].map(([, key]) => key)
  expect(keys.length).toBeGreaterThan(20)
  expect(new Set(keys).size).toBe(keys.length)
  expect(rows).not.toMatch(/payload: aborted/)
  const indexes = compacted.filter((file) => /[.](index|timeindex|txnindex)$/.test(file))
  expect(dump('--files', indexes.join(',')).faults).toBe('')
}, 120_000)

test('timestamps of the log, and what a repair put in the place of damage, are what Kafka expects', () => {
  const logs = repaired.filter((file) => file.endsWith('.log'))
  expect(logs).toHaveLength(1)
  const { rows, faults } = dump('--print-data-log', '--deep-iteration', '--files', logs.join(','))
  expect(rows).not.toMatch(/isvalid: false/)
  const heads = [...rows.matchAll(/^baseOffset: ([0-9]+) lastOffset: ([0-9]+) count: ([0-9]+)/gm)]
  expect(heads.map(([, ...fields]) => fields.map(Number))).toEqual([
    [0, 1, 2],
    [2, 3, 2],
    // Empty, with the length of what was there.
    [4, 5, 0],
    [6, 7, 2],
    [8, 9, 2],
  ])
  const stamped = [...rows.matchAll(/^[|] offset: ([0-9]+) LogAppendTime: ([0-9]+) /gm)]
  expect(stamped.map(([, offset]) => Number(offset))).toEqual([0, 1, 2, 3, 6, 7, 8, 9])
  expect(stamped.every(([, , time]) => Number(time) >= startedAt)).toBe(true)
  expect(faults).toMatch(/3 is followed by 6/)
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
