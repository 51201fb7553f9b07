import { beforeEach, expect, test } from 'vitest'
import { LastOfKeys } from '../last-of-keys.ts'
import { Model } from '../model/model.ts'
import { recordData, type SentRecord } from '../model/sent-record.ts'
import type { SentTransaction } from '../model/sent-transaction.ts'
import type { PartitionView, SeenRecord } from '../observation.ts'
import type { Seen } from '../seen.ts'
import { OnlyWhatIsDueIsDeleted } from './only-what-is-due-is-deleted.ts'

const NOW = 100_000
const RETENTION_MS = 20_000

let model: Model
let checker: OnlyWhatIsDueIsDeleted
let keys: LastOfKeys

beforeEach(() => {
  model = new Model()
  checker = new OnlyWhatIsDueIsDeleted()
  keys = new LastOfKeys()
})

function send(key: string, age: number, transaction?: SentTransaction, tombstone = false): SentRecord {
  const timestamp = NOW - age
  return model.send({
    writer: 'w',
    topic: 't',
    partition: 0,
    key,
    tombstone,
    bytes: 8,
    timestamp,
    ...(transaction && { transaction }),
  })
}

/** Record n is at offset n; those below `lastStable` are committed. */
function viewOf(
  records: readonly SentRecord[],
  start: number,
  lastStable: number,
  cleanup: string,
): PartitionView {
  const all = records.map((sent, offset): SeenRecord => {
    const { timestamp, ...rest } = recordData(sent)
    return { id: sent.id, stored: { offset, timestamp: timestamp ?? 0, ...rest } }
  })
  const committed = all.filter(({ stored }) => stored.offset >= start && stored.offset < lastStable)
  return {
    place: 't/0',
    name: 't-0',
    topic: 't',
    partition: 0,
    compacted: cleanup !== 'delete',
    deleteRetentionMs: 30_000,
    retentionMs: RETENTION_MS,
    retentionBytes: null,
    start,
    lastStable,
    end: records.length,
    batches: [],
    all: all.filter(({ stored }) => stored.offset >= start),
    committed,
    committedAt: new Map(committed.map((record) => [record.stored.offset, record])),
    error: undefined,
  }
}

function look(view: PartitionView): string | undefined {
  keys.look(view, NOW)
  const views = new Map([[view.place, view]])
  const seen: Seen = {
    life: 1,
    now: NOW,
    topics: [],
    views,
    changed: [view],
    keys,
    lost: { from: new Map(), problems: [] },
    positions: [],
    owners: [],
  }
  return checker.check(seen, model)
}

/** The first record is seen committed, the others not; then all of them are gone. */
function goneAfter(records: readonly SentRecord[], cleanup = 'compact,delete'): string | undefined {
  expect(look(viewOf(records, 0, 1, cleanup))).toBeUndefined()
  return look(viewOf(records, records.length, records.length, cleanup))
}

test('a record that is too old may go, a younger one may not', () => {
  expect(goneAfter([send('a', RETENTION_MS)])).toBeUndefined()
  checker = new OnlyWhatIsDueIsDeleted()
  expect(goneAfter([send('a', RETENTION_MS - 1)])).toContain('record 2 at 0 is gone, 19999 ms old')
})

test('a young record may go if a later one of its key, stable only now, was too old', () => {
  expect(goneAfter([send('a', 10), send('a', RETENTION_MS)])).toBeUndefined()
})

test('the same where the later one was acknowledged and not seen at all', () => {
  const [young, late] = [send('a', 10), send('a', RETENTION_MS)]
  expect(look(viewOf([young], 0, 1, 'compact,delete'))).toBeUndefined()
  model.acknowledge(late, 0, 1)
  expect(look(viewOf([young, late], 2, 2, 'compact,delete'))).toBeUndefined()
})

test.each([
  ['is young as well', () => send('a', RETENTION_MS - 1)],
  ['has another key', () => send('b', RETENTION_MS)],
  ['is of a transaction that was aborted', () => send('a', RETENTION_MS, transaction('abort', 'aborted'))],
  [
    'is of a transaction that nobody wanted to commit',
    () => send('a', RETENTION_MS, transaction('nothing', 'open')),
  ],
  ['is of a commit that was refused', () => send('a', RETENTION_MS, transaction('commit', 'aborted'))],
  ['is a tombstone, and too young to go', () => send('a', RETENTION_MS - 1, undefined, true)],
] as const)('a young record may not go if the later one %s', (_, later) => {
  const young = send('a', 10)
  expect(goneAfter([young, later()])).toContain('record 1 at 0 is gone, 10 ms old')
})

test('a young record may not go for a later one where nothing is compacted', () => {
  expect(goneAfter([send('a', 10), send('a', RETENTION_MS)], 'delete')).toContain('is gone, 10 ms old')
})

test('a young record may not go for an older one that lay before it', () => {
  const records = [send('a', RETENTION_MS), send('a', 10)]
  expect(look(viewOf(records, 0, 2, 'compact,delete'))).toBeUndefined()
  expect(look(viewOf(records, 2, 2, 'compact,delete'))).toContain('record 2 at 1 is gone')
})

function transaction(wanted: SentTransaction['wanted'], ended: SentTransaction['ended']): SentTransaction {
  return Object.assign(model.beginTransaction('w'), { wanted, ended })
}
