import type { Offset, ProducerId, Timestamp } from '../base/brands.ts'

/** A transaction whose records must not be read, in the partition where it was aborted. */
export interface AbortedTransaction {
  readonly producerId: ProducerId
  readonly firstOffset: Offset
  /** Of its marker. */
  readonly lastOffset: Offset
}

/** A transaction that began in a partition and has no marker there. */
export interface OpenTransaction {
  readonly producerId: ProducerId
  readonly producerEpoch: number
  readonly firstOffset: Offset
  /** By the log's clock; of one that was found after a crash, when the log was opened. */
  readonly startedAt: Timestamp
}

/** What a partition knows of an idempotent or transactional producer. */
export interface ProducerState {
  readonly producerId: ProducerId
  readonly producerEpoch: number
  /** Of the last marker; -1 if there was none. */
  readonly coordinatorEpoch: number
  /** -1 if it wrote nothing since its epoch began. */
  readonly lastSequence: number
  readonly lastWriteAt: Timestamp
  /** First offset of its open transaction. */
  readonly transactionStart: Offset | undefined
}
