import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { LocalBroker } from '../src/broker/local/local-broker.ts'
import type { Log, LogPartition } from '../src/log/log.ts'
import { openLog } from '../src/log/open.ts'
import { LogVerifier } from '../src/log/verify.ts'
import { simSys } from '../src/sim/sim-sys.ts'
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
  expect(log.topics().map(({ name }) => name)).toEqual(expected.topics.map(({ name }) => name))
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
  const broker = new LocalBroker(sys, log)
  expect(broker.positions('billing')).toEqual(expected.positions)
  broker.close(() => {})
  sys.time.runUntilIdle()

  const again = openLog(sys, '/data/log', { verifyReads: true })
  expect(again.recovery.clean).toBe(true)
  checkContent(again, expected, osEpoch)
  const verifier = new LogVerifier(again)
  while (verifier.step());
  expect(verifier.report().findings).toEqual([])
})
