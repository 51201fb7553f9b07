import type { Offset, PartitionId, ProducerId, Timestamp, TopicId } from '../base/brands.ts'
import type { Answer, PartitionBatch } from './broker.ts'
import type { CommitPositions } from './groups.ts'

/**
 * Producers and transactions, as Kafka has them (SEMANTICS 7.3, 7.4). Version 2 clients learn a new epoch with the end
 * of every transaction, so a late call of an earlier one is refused; version 1 clients keep theirs.
 *
 * Errors of every call: MILLRACE_FENCED (a newer producer has the transactional id), MILLRACE_INVALID_TRANSACTION_STATE,
 * MILLRACE_CONCURRENT_TRANSACTIONS, MILLRACE_TRANSACTION_EXPIRED, MILLRACE_INVALID_ARGUMENT, MILLRACE_DISK.
 */
export interface TransactionPort {
  /** A producer id; with a transactional id the older owner is fenced and its open transaction aborted. */
  initProducer(request: InitProducer, answer: Answer<ProducerIdentity>): void
  addPartitions(request: AddPartitions, answer: Answer<void>): void
  addGroup(request: AddGroup, answer: Answer<void>): void
  /**
   * Batches that carry the producer's identity. In a transaction of version 2 their partitions are added by this call,
   * in the same group of the log; of version 1 they must have been added.
   */
  append(request: ProducerAppend, answer: Answer<readonly Offset[]>): void
  /** Positions that count when the transaction commits. */
  commitPositions(request: CommitTransactionPositions, answer: Answer<void>): void
  /** One group of the log: the end, the markers of all partitions, the positions. A repeated end answers the same. */
  end(request: EndTransaction, answer: Answer<ProducerIdentity>): void
  /**
   * A transaction that is known whole: records and positions, all or nothing, without markers. MILLRACE_RECORD_TOO_LARGE
   * above `limits.commitBytesMax`. Answers with the base offsets of the batches.
   */
  commitWhole(request: WholeTransaction, answer: Answer<readonly Offset[]>): void
  list(): readonly TransactionListing[]
  describe(transactionalId: string): TransactionDescription | undefined
}

export interface ProducerIdentity {
  readonly producerId: ProducerId
  readonly producerEpoch: number
}

export type TransactionVersion = 1 | 2

export interface InitProducer {
  /** Null: an idempotent producer without transactions. */
  readonly transactionalId: string | null
  readonly timeoutMs: number
  /** What the caller had: refused when another has taken over since. */
  readonly producer?: ProducerIdentity
  readonly version: TransactionVersion
}

export interface TransactionRequest extends ProducerIdentity {
  readonly transactionalId: string
}

export interface AddPartitions extends TransactionRequest {
  readonly partitions: readonly TransactionPartition[]
}

export interface TransactionPartition {
  readonly topic: TopicId
  readonly partition: PartitionId
}

export interface AddGroup extends TransactionRequest {
  readonly group: string
}

export interface ProducerAppend extends ProducerIdentity {
  readonly transactionalId: string | null
  readonly batches: readonly PartitionBatch[]
}

export interface CommitTransactionPositions extends TransactionRequest, CommitPositions {}

export interface EndTransaction extends TransactionRequest {
  readonly committed: boolean
  readonly version: TransactionVersion
}

export interface WholeTransaction {
  readonly batches: readonly PartitionBatch[]
  /** Positions of a member of a group, or of several. */
  readonly positions: readonly CommitPositions[]
}

export type TransactionStateName = 'Empty' | 'Ongoing' | 'CompleteCommit' | 'CompleteAbort'

export interface TransactionListing extends ProducerIdentity {
  readonly transactionalId: string
  readonly state: TransactionStateName
}

export interface TransactionDescription extends TransactionListing {
  readonly version: TransactionVersion
  readonly timeoutMs: number
  /** Undefined when none is open. */
  readonly startedAt: Timestamp | undefined
  readonly partitions: readonly TransactionPartition[]
  readonly groups: readonly string[]
}
