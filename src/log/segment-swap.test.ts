import { beforeEach, expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { decodeRecords } from '../record/batch-reader.ts'
import { type SimSys, simSys } from '../sim/sim-sys.ts'
import { restartJournal } from './journal.ts'
import { ENTRY_TYPE, JournalBlock } from './journal-entry.ts'
import { readJournal } from './journal-reader.ts'
import type { Log } from './log.ts'
import { partitionFolder, segmentPath } from './log-paths.ts'
import { openLog } from './open.ts'
import { repairLog } from './repair.ts'
import { swapFile, swappedRecord } from './segment-swap.ts'
import {
  type PartitionRecord,
  readCheckpoint,
  type SegmentSwap,
  type TopicRecord,
  writeShape,
} from './shape-entries.ts'
import { LogVerifier } from './verify.ts'

/** A checkpoint that was written between the swap's entry and its end. */
const FOLDER = '/log'
const RECORDS = 12

let sys: SimSys
let folder: string
let swap: SegmentSwap

function values(log: Log): string[] {
  const found: string[] = []
  const partition = log.topic('t')?.partitions[0]
  for (let from = 0; from < RECORDS; ) {
    const read = partition?.read(from, 400)
    if (read === undefined) break
    for (const { value } of decodeRecords(read.bytes))
      found.push(
        Buffer.from(value ?? [])
          .toString()
          .slice(0, 2),
      )
    from = read.next
  }
  return found
}

const all = Array.from({ length: RECORDS }, (_, index) => `${index}`.padEnd(2, '.'))

function close(log: Log): void {
  log.close((error) => expect(error).toBeUndefined())
  sys.time.runUntilIdle()
}

function bytesOf(path: string): Uint8Array {
  const file = sys.disk.open(path, 'read')
  const bytes = new Uint8Array(file.size())
  file.read(bytes, 0)
  file.close()
  return bytes
}

/** The first three of the segments wait to become one. */
beforeEach(() => {
  sys = simSys(1, { now: 1000 })
  const log = openLog(sys, FOLDER)
  log.createTopic('t', { partitions: 1, segmentBytes: 1024, cleanup: 'compact' }, () => {})
  sys.time.runUntilIdle()
  const { id } = log.topic('t') as { id: string }
  folder = partitionFolder(FOLDER, id, 0)
  for (const value of all) {
    const builder = new BatchBuilder()
    builder.appendText(1000, value, value.padEnd(400, '.'))
    log.append([{ topic: id, partition: 0, bytes: builder.build() }], () => {})
    sys.time.runUntilIdle()
  }
  close(log)
  const journal = readJournal(sys.disk, FOLDER)
  const [topic] = readCheckpoint(journal.checkpoint).topics
  const [record] = (topic as TopicRecord).partitions as [PartitionRecord]
  const old = record.segments.slice(0, 3)
  const merged = Buffer.concat(old.map(([base]) => bytesOf(`${segmentPath(folder, base)}.log`)))
  const next = old.at(-1)?.[2] as number
  swap = {
    old: old.map(([base]) => base),
    sizeBytes: merged.length,
    next,
    suffix: '.cleaned-9',
    aborted: null,
  }
  const file = sys.disk.open(swapFile(folder, swap), 'create')
  file.write(merged, 0)
  file.syncNow()
  file.close()
  const block = new JournalBlock()
  block.begin(journal.next, journal.next, ENTRY_TYPE.checkpoint)
  const topics = [{ ...(topic as object), partitions: [swappedRecord(record, swap)] }]
  block.put(writeShape({ clean: false, topics } as never))
  block.end()
  restartJournal(sys.disk, FOLDER, journal.next, block)
})

function check(): void {
  const log = openLog(sys, FOLDER, { verifyReads: true })
  expect(log.recovery.tailsCut).toEqual([])
  expect(values(log)).toEqual(all)
  const partition = log.topic('t')?.partitions[0]
  const names = sys.disk.list(folder).filter((name) => name.includes('.log'))
  expect(names).toHaveLength(partition?.segmentCount as number)
  expect(names).not.toContain(`${`${swap.old[1]}`.padStart(20, '0')}.log`)
  expect(sys.disk.size(`${segmentPath(folder, swap.old[0] as number)}.log`)).toBe(swap.sizeBytes)
  const verifier = new LogVerifier(log)
  while (verifier.step());
  expect(verifier.report().findings).toEqual([])
  close(log)
}

test('is finished by the opening that reads it, and is then forgotten', () => {
  check()
  check()
  const [topic] = readCheckpoint(readJournal(sys.disk, FOLDER).checkpoint).topics
  expect(topic?.partitions[0]?.swap).toBeUndefined()
})

test('is finished by a repair too, which finds nothing to mend', () => {
  expect(repairLog(sys, FOLDER)).toEqual([])
  check()
})

test('that was cut off behind the rename is finished as well; old indexes are not believed', () => {
  const path = segmentPath(folder, swap.old[0] as number)
  sys.disk.rename(swapFile(folder, swap), `${path}.log`)
  const index = sys.disk.open(`${path}.index`, 'write')
  index.write(new Uint8Array(16).fill(1), 0)
  index.close()
  check()
})

test('whose file is damaged is refused with its name, before an old file is touched', () => {
  const file = sys.disk.open(swapFile(folder, swap), 'write')
  file.truncate(swap.sizeBytes - 1)
  file.close()
  expect(() => openLog(sys, FOLDER)).toThrow(
    /[.]cleaned-9:[0-9]+: the file ends, but [0-9]+ bytes of it were durable/,
  )
  for (const base of swap.old) expect(sys.disk.exists(`${segmentPath(folder, base)}.log`)).toBe(true)
})
