import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { LocalBroker } from '../src/broker/local/local-broker.ts'
import type { Log, LogPartition, LogTopic } from '../src/log/log.ts'
import { openLog } from '../src/log/open.ts'
import { LogVerifier } from '../src/log/verify.ts'
import { PowerLoss } from '../src/sim/power-loss.ts'
import { restartSys, simSys } from '../src/sim/sim-sys.ts'
import type { Disk } from '../src/sys/disk.ts'
import { NodeDisk } from '../src/sys/node/node-disk.ts'

/**
 * Directories that the first version wrote: `clean` was closed; `unclean` lost its power, with bytes of a segment
 * that only the journal has. Whatever comes later must open them.
 */
const FIXTURES = new URL('./fixtures/log-format-1', import.meta.url).pathname

interface Expected {
  readonly topics: readonly {
    readonly id: string
    readonly name: string
    readonly settings: Readonly<Record<string, unknown>>
    readonly partitions: readonly { start: number; end: number; epoch: number; sha: string }[]
  }[]
  readonly positions: readonly unknown[]
}

function copy(from: Disk, to: Disk, source: string, target: string): void {
  to.makeFolder(target)
  for (const name of from.list(source)) {
    const size = from.size(`${source}/${name}`)
    if (size === undefined) {
      copy(from, to, `${source}/${name}`, `${target}/${name}`)
      continue
    }
    const bytes = new Uint8Array(size)
    const read = from.open(`${source}/${name}`, 'read')
    read.read(bytes, 0)
    read.close()
    const written = to.open(`${target}/${name}`, 'create')
    if (size > 0) written.write(bytes, 0)
    written.syncNow()
    written.close()
  }
  to.syncFolder(target)
}

function shaOf(partition: LogPartition): string {
  const hash = createHash('sha256')
  for (let from = partition.start; ; ) {
    const read = partition.read(from, 700)
    if (read === undefined) return hash.digest('hex')
    hash.update(read.bytes)
    from = read.next
  }
}

function checkContent(log: Log, expected: Expected, osEpoch: number): void {
  checkTopics(log, log.topics(), expected, osEpoch)
}

function checkTopics(log: Log, topics: readonly LogTopic[], expected: Expected, osEpoch: number): void {
  expect(topics.map(({ name }) => name)).toEqual(expected.topics.map(({ name }) => name))
  for (const topic of expected.topics) {
    const real = log.topic(topic.name)
    expect(real?.id).toBe(topic.id)
    expect(real?.settings).toMatchObject(topic.settings)
    expect(
      real?.partitions.map((partition) => ({
        start: partition.start,
        end: partition.end,
        epoch: partition.leaderEpoch,
        sha: shaOf(partition),
      })),
      topic.name,
    ).toEqual(
      topic.partitions.map((partition) =>
        topic.settings['durability'] === 'os' ? { ...partition, epoch: osEpoch } : partition,
      ),
    )
  }
}

function formatOf(disk: Disk): string {
  const file = disk.open('/data/log/format.json', 'read')
  const bytes = new Uint8Array(file.size())
  file.read(bytes, 0)
  file.close()
  return Buffer.from(bytes).toString('utf8').trim()
}

test.each([
  { kind: 'clean', osEpoch: 0 },
  { kind: 'unclean', osEpoch: 1 },
])('a directory of format 1 that was $kind opens with everything in it', ({ kind, osEpoch }) => {
  const expected = JSON.parse(readFileSync(`${FIXTURES}/${kind}.expected.json`, 'utf8')) as Expected
  const sys = simSys(1)
  copy(new NodeDisk(), sys.disk, `${FIXTURES}/${kind}`, '/data/log')
  const log = openLog(sys, '/data/log', { verifyReads: true })
  expect(log.recovery.clean).toBe(kind === 'clean')
  expect(log.recovery.entriesReplayed > 0).toBe(kind === 'unclean')
  checkContent(log, expected, osEpoch)
  expect(formatOf(sys.disk)).toBe('{"format":"millrace-log","version":2}')
  expect(sys.lines.all.map(({ message }) => message)).toContain(
    'the log /data/log was of format 1 and is now of format 2',
  )
  expect(log.topic('orders')?.settings).toMatchObject({ cleanup: 'delete', retentionMs: null })
  const broker = new LocalBroker(sys, log)
  expect(broker.positions('billing')).toEqual(expected.positions)
  sys.time.runUntilIdle()
  broker.close(() => {})
  sys.time.runUntilIdle()

  const again = openLog(sys, '/data/log', { verifyReads: true })
  expect(again.recovery.clean).toBe(true)
  // The groups topic took the place of the positions topic.
  const groups = again.topic('__groups')
  expect(groups?.settings.internal).toBe(true)
  const others = again.topics().filter((topic) => topic !== groups)
  const stay = expected.topics.filter(({ name }) => name !== '__positions')
  checkTopics(again, others, { ...expected, topics: stay }, osEpoch)
  expect(new LocalBroker(sys, again).positions('billing')).toEqual(expected.positions)
  const verifier = new LogVerifier(again)
  while (verifier.step());
  expect(verifier.report().findings).toEqual([])
})

test('a power cut at any disk operation of the first opening loses nothing', () => {
  const expected = JSON.parse(readFileSync(`${FIXTURES}/unclean.expected.json`, 'utf8')) as Expected
  const world = () => {
    const sys = simSys(1)
    copy(new NodeDisk(), sys.disk, `${FIXTURES}/unclean`, '/data/log')
    sys.disk.syncFolder('/data')
    sys.disk.syncFolder('/')
    return sys
  }
  const whole = world()
  const before = whole.disk.operations
  openLog(whole, '/data/log')
  const operations = whole.disk.operations - before
  expect(operations).toBeGreaterThan(10)
  const formats = new Set<string>()
  for (let operation = 1; operation <= operations; operation += 1) {
    const sys = world()
    sys.disk.crashAt(before + operation)
    expect(() => openLog(sys, '/data/log'), `operation ${operation}`).toThrow(PowerLoss)
    const after = restartSys(sys, operation)
    formats.add(formatOf(after.disk))
    const log = openLog(after, '/data/log', { verifyReads: true })
    const osEpoch = log.topic('metrics')?.partitions[0]?.leaderEpoch ?? 0
    // Raised by one opening, or by both.
    expect([1, 2]).toContain(osEpoch)
    checkContent(log, expected, osEpoch)
  }
  expect(formats.size).toBe(2)
})
