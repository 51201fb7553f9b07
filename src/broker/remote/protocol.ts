import type { Offset, PartitionId, TopicId } from '../../base/brands.ts'
import type { HousekeepingStatus, TopicDetails } from '../admin.ts'
import type {
  AbortedTransaction,
  BrokerLimits,
  Isolation,
  PartitionBounds,
  TopicDescription,
} from '../broker.ts'
import type { GroupDescription } from '../groups.ts'
import type { TransactionDescription } from '../transactions.ts'

/** What a remote broker and an app say to each other. Every body is a message (message.ts), every request a POST. */
export const PATHS = Object.freeze({
  /** CallsRequest -> CallsResponse */
  calls: '/broker/calls',
  /** FetchRequest -> FetchResponse; answers as soon as there is something, or after a while without. */
  fetch: '/broker/fetch',
  /** StateRequest -> BrokerState */
  state: '/broker/state',
})

/** A message may have so many bytes. */
export const MESSAGE_BYTES_MAX = 96 * 1024 * 1024
/** A commit or an append through an app may have so many bytes of batches; the log itself takes more. */
export const REMOTE_COMMIT_BYTES_MAX = 64 * 1024 * 1024

/** Calls are begun in their order; the response comes when all were answered. */
export interface CallsRequest {
  readonly calls: readonly { readonly method: string; readonly args: readonly unknown[] }[]
}

export interface CallsResponse {
  readonly answers: readonly { readonly error?: Error; readonly value?: unknown }[]
  readonly changes: StateChanges
}

/** What calls have changed of that which is answered without asking. */
export interface StateChanges {
  readonly bounds: readonly PartitionBoundsOf[]
  /** Topics that were made or altered. */
  readonly topics: readonly TopicDetails[]
  readonly goneTopics: readonly string[]
  readonly groups: readonly GroupDescription[]
  readonly goneGroups: readonly string[]
}

export interface PartitionBoundsOf {
  readonly topic: TopicId
  readonly partition: PartitionId
  readonly bounds: PartitionBounds
}

export interface StateRequest {
  /** With what only operators ask for. */
  readonly whole: boolean
}

export interface BrokerState {
  readonly limits: BrokerLimits
  readonly topics: readonly TopicState[]
  /** Undefined: not asked for. */
  readonly whole?: OperatorState
}

export interface TopicState extends TopicDescription {
  /** By partition. */
  readonly bounds: readonly PartitionBounds[]
}

export interface OperatorState {
  readonly details: readonly TopicDetails[]
  readonly groups: readonly GroupDescription[]
  readonly transactions: readonly TransactionDescription[]
  readonly housekeeping: readonly HousekeepingStatus[]
}

export interface FetchRequest {
  readonly wants: readonly FetchWant[]
}

export interface FetchWant {
  readonly topic: TopicId
  readonly partition: PartitionId
  readonly from: Offset
  readonly bytesMax: number
  readonly isolation: Isolation
}

export interface FetchResponse {
  /** One for each want, in their order. */
  readonly parts: readonly FetchedPart[]
}

export interface FetchedPart {
  readonly error?: Error
  /** Undefined: nothing now. */
  readonly batches?: {
    readonly bytes: Uint8Array
    readonly from: Offset
    readonly aborted: readonly AbortedTransaction[]
  }
  readonly bounds?: PartitionBounds
}
