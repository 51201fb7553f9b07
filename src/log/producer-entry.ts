import type { DurationMs, Offset, ProducerId, Timestamp } from '../base/brands.ts'

/** Kafka's number of batches that a producer may have on their way, and that are known again when they come twice. */
export const REMEMBERED_BATCHES = 5
/** Sequences count records; after the greatest comes 0. */
const SEQUENCE_MAX = 0x7fff_ffff
export const NO_COORDINATOR_EPOCH = -1

/** One of the last batches of a producer. */
export interface WrittenBatch {
  readonly firstSequence: number
  readonly lastSequence: number
  readonly firstOffset: Offset
  readonly lastOffset: Offset
}

/** What a partition knows of a producer. Never changed: a new one takes its place, so that the old one can come back. */
export interface ProducerEntry {
  readonly producerId: ProducerId
  readonly producerEpoch: number
  /** Of the last marker; -1 if there was none. */
  readonly coordinatorEpoch: number
  /** Of this epoch, oldest first. */
  readonly batches: readonly WrittenBatch[]
  readonly transaction: { readonly firstOffset: Offset; readonly startedAt: Timestamp } | undefined
  /** By the log's clock, not the records' timestamps: these may be of any age. */
  readonly lastWriteAt: Timestamp
}

/** An entry as a checkpoint holds it. */
export type ProducerRecord = readonly [
  producerId: ProducerId,
  producerEpoch: number,
  coordinatorEpoch: number,
  lastWriteAt: Timestamp,
  transaction: readonly [firstOffset: Offset, startedAt: Timestamp] | null,
  batches: readonly (readonly [firstSequence: number, lastSequence: number, first: Offset, last: Offset])[],
]

export function sequenceAfter(sequence: number, records: number): number {
  const sum = sequence + records
  return sum > SEQUENCE_MAX ? sum - SEQUENCE_MAX - 1 : sum
}

export function lastSequenceOf(entry: ProducerEntry): number {
  return entry.batches.at(-1)?.lastSequence ?? -1
}

/** The batch that has these sequences, if it is one of the last. */
export function writtenBatch(
  entry: ProducerEntry,
  epoch: number,
  first: number,
  last: number,
): WrittenBatch | undefined {
  if (entry.producerEpoch !== epoch) return undefined
  return entry.batches.find((batch) => batch.firstSequence === first && batch.lastSequence === last)
}

/** The batches with one more behind them. */
export function remembered(batches: readonly WrittenBatch[], added: WrittenBatch): readonly WrittenBatch[] {
  return batches.length < REMEMBERED_BATCHES ? [...batches, added] : [...batches.slice(1), added]
}

/** Nothing is remembered of a producer that wrote nothing for so long; an open transaction keeps it. */
export function isExpired(entry: ProducerEntry, now: Timestamp, expirationMs: DurationMs): boolean {
  return entry.transaction === undefined && now - entry.lastWriteAt >= expirationMs
}

export function recordOfEntry(entry: ProducerEntry): ProducerRecord {
  const { producerId, producerEpoch, coordinatorEpoch, lastWriteAt, transaction, batches } = entry
  return [
    producerId,
    producerEpoch,
    coordinatorEpoch,
    lastWriteAt,
    transaction === undefined ? null : [transaction.firstOffset, transaction.startedAt],
    batches.map(
      (each) => [each.firstSequence, each.lastSequence, each.firstOffset, each.lastOffset] as const,
    ),
  ]
}

export function entryOfRecord(record: ProducerRecord): ProducerEntry {
  const [producerId, producerEpoch, coordinatorEpoch, lastWriteAt, transaction, batches] = record
  return {
    producerId,
    producerEpoch,
    coordinatorEpoch,
    lastWriteAt,
    transaction:
      transaction === null ? undefined : { firstOffset: transaction[0], startedAt: transaction[1] },
    batches: batches.map(([firstSequence, lastSequence, firstOffset, lastOffset]) => ({
      firstSequence,
      lastSequence,
      firstOffset,
      lastOffset,
    })),
  }
}
