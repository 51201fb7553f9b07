import { answered } from '../base/answered.ts'
import type { Offset, PartitionId } from '../base/brands.ts'
import { timeMs } from '../base/duration.ts'
import { MillraceError } from '../base/errors.ts'
import { shownValue } from '../base/shown-value.ts'
import type { Broker, Isolation, PartitionReader, TopicDescription } from '../broker/broker.ts'
import { batchLastOffset, batchPositions } from '../record/batch-header.ts'
import { decodeCommitted } from '../record/committed-filter.ts'
import type { StoredRecord } from '../record/record.ts'
import type { Sys } from '../sys/sys.ts'
import { checkChoice, checkOptions, checkPlace, checkSignal } from './argument-checks.ts'
import { Bell } from './bell.ts'

/** Where to begin: the oldest record, behind the newest one, an offset, or the first record at or after a time. */
export type From =
  | 'earliest'
  | 'latest'
  | { readonly offset: number }
  | { readonly time: number | Date | string }

export interface ReadOptions {
  /** Default 'earliest'. */
  readonly from?: From
  /** Only this partition. Default: all. */
  readonly partition?: number
  /** Go on with what is appended later. Default false: stop at the end that the topic has when reading begins. */
  readonly follow?: boolean
  /** Default 'read_committed'. 'read_uncommitted' shows records of open and of aborted transactions too. */
  readonly isolation?: Isolation
  readonly signal?: AbortSignal
}

export interface RawRecord extends StoredRecord {
  readonly partition: PartitionId
}

const POLL_BYTES = 1024 * 1024

interface PartitionCursor {
  readonly partition: PartitionId
  readonly reader: PartitionReader
  readonly from: Offset
  /** Read up to here; undefined: follow. */
  readonly until: Offset | undefined
  done: boolean
}

/**
 * Reads the records of a topic, each partition in its order, the partitions in turns.
 *
 * @param closing the log is about to close: following ends; what was to end somewhere must not look whole.
 * Throws MILLRACE_CLOSED, MILLRACE_OFFSET_OUT_OF_RANGE, MILLRACE_INVALID_ARGUMENT.
 */
export async function* readRecords(
  sys: Sys,
  broker: Broker,
  topic: TopicDescription,
  options: ReadOptions = {},
  closing?: AbortSignal,
): AsyncGenerator<RawRecord> {
  checkReadOptions(options)
  const bell = new Bell(sys.timers)
  const cursors: PartitionCursor[] = []
  const stop = (): void => bell.ring()
  options.signal?.addEventListener('abort', stop)
  closing?.addEventListener('abort', stop)
  try {
    for (const partition of chosenPartitions(topic, options.partition)) {
      cursors.push(await openCursor(broker, topic, partition, options, () => bell.ring()))
    }
    while (options.signal?.aborted !== true && cursors.some(({ done }) => !done)) {
      if (closing?.aborted === true) {
        if (options.follow === true) return
        throw new MillraceError('MILLRACE_CLOSED', `the log was closed while ${topic.name} was read`)
      }
      let found = false
      for (const cursor of cursors) {
        if (cursor.done) continue
        const records = pollCursor(cursor)
        if (records === undefined) continue
        found = true
        yield* records
      }
      // Between two polls others have their turn; with nothing to read we sleep until something is appended.
      if (found) await new Promise<void>((resolve) => sys.timers.soon(resolve))
      else if (cursors.some(({ done }) => !done)) await bell.wait()
    }
  } finally {
    options.signal?.removeEventListener('abort', stop)
    closing?.removeEventListener('abort', stop)
    for (const { reader } of cursors) reader.close()
  }
}

function checkReadOptions(options: ReadOptions): void {
  checkOptions(options, 'the options of read')
  if (options.from !== undefined) checkPlace(options.from, 'from', ['earliest', 'latest'], ['offset', 'time'])
  // A typing error would show what aborted transactions wrote.
  checkChoice(options.isolation, 'isolation', ['read_committed', 'read_uncommitted'])
  checkSignal(options.signal)
}

function chosenPartitions(topic: TopicDescription, wanted: number | undefined): PartitionId[] {
  if (wanted === undefined) return Array.from({ length: topic.partitions }, (_, index) => index)
  if (Number.isInteger(wanted) && wanted >= 0 && wanted < topic.partitions) return [wanted]
  const has = topic.partitions === 1 ? 'only partition 0' : `partitions 0 to ${topic.partitions - 1}`
  throw new MillraceError(
    'MILLRACE_INVALID_ARGUMENT',
    `${topic.name} has no partition ${shownValue(wanted)}: it has ${has}`,
  )
}

async function openCursor(
  broker: Broker,
  topic: TopicDescription,
  partition: PartitionId,
  options: ReadOptions,
  wake: () => void,
): Promise<PartitionCursor> {
  const { isolation = 'read_committed' } = options
  const readable = readableEnd(broker, topic, partition, isolation)
  const from = await startOf(broker, topic, partition, options.from ?? 'earliest', readable)
  const until = options.follow === true ? undefined : readable
  const reader = broker.read(topic.id, partition, from, wake, isolation)
  return { partition, reader, from, until, done: until !== undefined && from >= until }
}

/** Behind the last record that such a reader sees now. */
function readableEnd(
  broker: Broker,
  topic: TopicDescription,
  partition: PartitionId,
  isolation: Isolation,
): Offset {
  const { end, lastStable } = broker.bounds(topic.id, partition)
  return isolation === 'read_committed' ? lastStable : end
}

async function startOf(
  broker: Broker,
  topic: TopicDescription,
  partition: PartitionId,
  from: From,
  readable: Offset,
): Promise<Offset> {
  const bounds = broker.bounds(topic.id, partition)
  if (from === 'earliest') return bounds.start
  if (from === 'latest') return readable
  if ('offset' in from) {
    const inside = Number.isSafeInteger(from.offset) && from.offset >= bounds.start && from.offset <= readable
    if (inside) return from.offset
    const where = `${topic.name}-${partition}`
    const problem = `${where} has no offset ${shownValue(from.offset)}: it holds ${bounds.start} to ${readable}`
    throw new MillraceError('MILLRACE_OFFSET_OUT_OF_RANGE', `${problem}; read from 'earliest' or 'latest'`)
  }
  const time = timeMs(from.time, 'from.time')
  return answered<Offset>((answer) => broker.offsetForTime(topic.id, partition, time, answer))
}

/** Undefined: nothing was there now. None: what was there does not count. */
function pollCursor(cursor: PartitionCursor): RawRecord[] | undefined {
  const fetched = cursor.reader.poll(POLL_BYTES)
  if (fetched === undefined) return undefined
  const { from, until } = cursor
  const records: RawRecord[] = []
  for (const record of decodeCommitted(fetched.bytes, fetched.aborted)) {
    if (record.offset < from) continue
    if (until !== undefined && record.offset >= until) break
    records.push({ ...record, partition: cursor.partition })
  }
  // The last offsets may be a marker's, or of records that do not count: the batches say how far we are.
  if (until !== undefined && nextOffset(fetched.bytes) >= until) cursor.done = true
  return records
}

/** Behind the last batch. */
function nextOffset(bytes: Uint8Array): Offset {
  let next = 0
  for (const at of batchPositions(bytes)) next = batchLastOffset(bytes, at) + 1
  return next
}
