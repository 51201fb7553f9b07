/**
 * What the users of a log can see of it, read through the broker as they do: every partition once with all that is in
 * it, and once with what is committed.
 *
 * Cost: what did not move since the last look is not read again, except after an opening and now and then, since
 * damage need not move anything.
 */
import type { Offset, PartitionId, TopicId } from '../src/base/brands.ts'
import { isMillraceError } from '../src/base/errors.ts'
import type { FullBroker } from '../src/broker/full-broker.ts'
import {
  batchAttributes,
  batchBaseOffset,
  batchBaseSequence,
  batchLastOffset,
  batchPositions,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
  CONTROL_BIT,
} from '../src/record/batch-header.ts'
import { decodeRecords } from '../src/record/batch-reader.ts'
import { decodeCommitted } from '../src/record/committed-filter.ts'
import type { StoredRecord } from '../src/record/record.ts'
import { placeOf } from './model/place.ts'
import { idOf } from './model/sent-record.ts'

export interface SeenRecord {
  readonly id: number
  readonly stored: StoredRecord
}

export interface SeenBatch {
  readonly base: Offset
  readonly last: Offset
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly count: number
  readonly control: boolean
}

export interface PartitionView {
  readonly place: string
  /** `topic-partition`, for people. */
  readonly name: string
  readonly topic: TopicId
  readonly partition: PartitionId
  readonly compacted: boolean
  readonly deleteRetentionMs: number
  readonly retentionMs: number | null
  readonly retentionBytes: number | null
  readonly start: Offset
  readonly lastStable: Offset
  readonly end: Offset
  /** All batches from the one that holds the start on. */
  readonly batches: readonly SeenBatch[]
  /** All records for users from the start on, of open and aborted transactions too. */
  readonly all: readonly SeenRecord[]
  readonly committed: readonly SeenRecord[]
  /** By offset. */
  readonly committedAt: ReadonlyMap<Offset, SeenRecord>
  /** It could not be read to its end. */
  readonly error: Error | undefined
}

export class Observer {
  #known = new Map<string, PartitionView>()
  #signs = new Map<string, string>()

  /** From now on everything is read again. */
  forget(): void {
    this.#known = new Map()
    this.#signs = new Map()
  }

  /** @returns every partition of the users' topics, and those that were read anew. */
  look(broker: FullBroker, bytesMax: number): { all: PartitionView[]; changed: PartitionView[] } {
    const all: PartitionView[] = []
    const changed: PartitionView[] = []
    for (const { name, internal } of broker.topics()) {
      const details = internal ? undefined : broker.admin.describeTopic(name)
      for (const { partition, start, end, lastStable, segments, bytes } of details?.details ?? []) {
        const place = placeOf(details?.id ?? '', partition)
        const sign = `${start} ${end} ${lastStable} ${segments} ${bytes} ${JSON.stringify(details?.settings)}`
        let view = this.#known.get(place)
        if (view === undefined || this.#signs.get(place) !== sign) {
          view = viewOf(broker, name, partition, bytesMax)
          this.#known.set(place, view)
          this.#signs.set(place, sign)
          changed.push(view)
        }
        all.push(view)
      }
    }
    return { all, changed }
  }
}

export function viewOf(
  broker: FullBroker,
  name: string,
  partition: PartitionId,
  bytesMax: number,
): PartitionView {
  const details = broker.admin.describeTopic(name)
  const bounds = details?.details[partition]
  if (details === undefined || bounds === undefined) throw new Error(`${name}-${partition} is gone`)
  const { id: topic, settings } = details
  const { start, lastStable, end } = bounds
  const batches: SeenBatch[] = []
  const all: StoredRecord[] = []
  const committed: StoredRecord[] = []
  let error: Error | undefined
  try {
    readAll(broker, topic, partition, start, bytesMax, batches, all)
    readCommitted(broker, topic, partition, start, bytesMax, committed)
  } catch (problem) {
    if (!isMillraceError(problem)) throw problem
    error = problem
  }
  const seen = committed.map(seenRecord)
  return {
    place: placeOf(topic, partition),
    name: `${name}-${partition}`,
    topic,
    partition,
    compacted: settings.cleanup !== 'delete',
    deleteRetentionMs: settings.deleteRetentionMs,
    retentionMs: settings.cleanup === 'compact' ? null : settings.retentionMs,
    retentionBytes: settings.cleanup === 'compact' ? null : settings.retentionBytes,
    start,
    lastStable,
    end,
    batches,
    all: all.filter(({ offset }) => offset >= start).map(seenRecord),
    committed: seen,
    committedAt: new Map(seen.map((record) => [record.stored.offset, record])),
    error,
  }
}

function seenRecord(stored: StoredRecord): SeenRecord {
  return { id: idOf(stored), stored }
}

function readAll(
  broker: FullBroker,
  topic: TopicId,
  partition: PartitionId,
  start: Offset,
  bytesMax: number,
  batches: SeenBatch[],
  all: StoredRecord[],
): void {
  const reader = broker.read(topic, partition, start, () => {}, 'read_uncommitted')
  try {
    for (let fetched = reader.poll(bytesMax); fetched !== undefined; fetched = reader.poll(bytesMax)) {
      const { bytes } = fetched
      for (const at of batchPositions(bytes)) batches.push(seenBatch(bytes, at))
      all.push(...decodeRecords(bytes))
    }
  } finally {
    reader.close()
  }
}

function readCommitted(
  broker: FullBroker,
  topic: TopicId,
  partition: PartitionId,
  start: Offset,
  bytesMax: number,
  committed: StoredRecord[],
): void {
  const reader = broker.read(topic, partition, start, () => {}, 'read_committed')
  try {
    for (let fetched = reader.poll(bytesMax); fetched !== undefined; fetched = reader.poll(bytesMax)) {
      for (const record of decodeCommitted(fetched.bytes, fetched.aborted))
        if (record.offset >= start) committed.push(record)
    }
  } finally {
    reader.close()
  }
}

function seenBatch(bytes: Uint8Array, at: number): SeenBatch {
  return {
    base: batchBaseOffset(bytes, at),
    last: batchLastOffset(bytes, at),
    producerId: batchProducerId(bytes, at),
    producerEpoch: batchProducerEpoch(bytes, at),
    baseSequence: batchBaseSequence(bytes, at),
    count: batchRecordCount(bytes, at),
    control: (batchAttributes(bytes, at) & CONTROL_BIT) !== 0,
  }
}
