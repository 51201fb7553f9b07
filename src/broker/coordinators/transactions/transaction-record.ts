/**
 * The records of the transactions topic. Keys and values are JSON texts:
 *
 *   ["transaction", transactional id]   what `StoredTransaction` says, as a whole
 *   ["producers"]                       { next }: producer ids below it may have been given out
 *
 * A value says its version. A null value removes the key.
 */
import type { ProducerId, Timestamp } from '../../../base/brands.ts'
import { MillraceError, messageOf } from '../../../base/errors.ts'
import type {
  ProducerIdentity,
  TransactionPartition,
  TransactionStateName,
  TransactionVersion,
} from '../../transactions.ts'
import type { CoordinatorRecord } from '../coordinator.ts'

const VERSION = 1

export interface StoredTransaction extends ProducerIdentity {
  readonly state: TransactionStateName
  /** Of the client: with 2 it learns a new epoch at the end of every transaction. */
  readonly clientVersion: TransactionVersion
  readonly timeoutMs: number
  /** Whom the last transaction belonged to, when its end raised the epoch or gave a new id: it may ask again. */
  readonly previous: ProducerIdentity | null
  /** The last transaction was ended by its timeout. */
  readonly expired: boolean
  /** Null when none is open. */
  readonly startedAt: Timestamp | null
  readonly updatedAt: Timestamp
  readonly partitions: readonly TransactionPartition[]
  readonly groups: readonly string[]
}

export type TransactionRecord =
  | { readonly kind: 'transaction'; readonly id: string; readonly value: StoredTransaction | undefined }
  | { readonly kind: 'producers'; readonly next: ProducerId }

export function transactionRecord(id: string, stored: StoredTransaction | undefined): CoordinatorRecord {
  const value = stored === undefined ? null : JSON.stringify({ version: VERSION, ...stored })
  return { key: JSON.stringify(['transaction', id]), value }
}

export function producersRecord(next: ProducerId): CoordinatorRecord {
  return { key: JSON.stringify(['producers']), value: JSON.stringify({ version: VERSION, next }) }
}

/** @throws MillraceError MILLRACE_CORRUPT, MILLRACE_NEWER_FORMAT. */
export function readTransactionRecord(record: CoordinatorRecord): TransactionRecord {
  const key = parsed(record, record.key)
  if (!Array.isArray(key)) throw corrupt(record, 'its key is no list')
  const [kind, id] = key as readonly unknown[]
  const value = record.value === null ? undefined : versioned(record, record.value)
  if (kind === 'transaction' && typeof id === 'string') {
    return { kind, id, value: value === undefined ? undefined : checkedTransaction(record, value) }
  }
  if (kind === 'producers' && value !== undefined) {
    const { next } = value as { readonly next?: unknown }
    if (typeof next === 'number' && Number.isSafeInteger(next)) return { kind, next }
    throw corrupt(record, `next is ${JSON.stringify(next)}, expected a producer id`)
  }
  throw corrupt(record, `nothing is known of ${JSON.stringify(kind)}`)
}

/** The state machine trusts what it is given: a record that lost a field must not become half a transaction. */
function checkedTransaction(record: CoordinatorRecord, value: object): StoredTransaction {
  const stored = value as Readonly<Record<keyof StoredTransaction, unknown>>
  for (const field of ['producerId', 'producerEpoch', 'timeoutMs', 'updatedAt', 'clientVersion'] as const) {
    if (typeof stored[field] !== 'number')
      throw corrupt(record, `${field} is ${JSON.stringify(stored[field])}, expected a number`)
  }
  const lists = Array.isArray(stored.partitions) && Array.isArray(stored.groups)
  if (typeof stored.state !== 'string' || !lists)
    throw corrupt(record, 'state, partitions or groups are missing')
  return value as StoredTransaction
}

function versioned(record: CoordinatorRecord, text: string): object {
  const { version, ...value } = parsed(record, text) as { readonly version?: unknown }
  if (version === VERSION) return value
  throw new MillraceError(
    'MILLRACE_NEWER_FORMAT',
    `the record ${record.key} has format ${String(version)}, expected ${VERSION}: use the version of millrace that wrote it`,
  )
}

function parsed(record: CoordinatorRecord, text: string): object {
  try {
    const value = JSON.parse(text) as unknown
    if (typeof value === 'object' && value !== null) return value
  } catch (error) {
    throw corrupt(record, messageOf(error), error)
  }
  throw corrupt(record, `it holds ${text}`)
}

function corrupt(record: CoordinatorRecord, why: string, cause?: unknown): MillraceError {
  return new MillraceError('MILLRACE_CORRUPT', `${record.key} is no record of a transaction: ${why}`, {
    cause,
  })
}
