/**
 * The coordinator of producers and transactions (SEMANTICS 7.3, 7.4).
 *
 * Purpose: to decide. It knows neither log nor timers; an operation returns a `Decision`: records, markers, and the
 * response. State changes only by `apply`, so reading the topic builds the same state.
 *
 * A transaction ends in one group of the log: its record, a marker in each of its partitions, and the positions of its
 * groups. Kafka needs two steps (prepare, then complete) because its partitions are on several brokers; here there is no
 * moment in between, hence no such state, and nothing to finish after a crash.
 *
 * Epochs: with a client of version 2 each end raises the epoch, so whatever an earlier transaction still sends is
 * refused. An end that is asked again by the former epoch answers again. A client of version 1 keeps its epoch; its
 * epoch is raised when somebody else takes the transactional id and when its transaction expires.
 * The last epoch of an id is for the marker that ends its last transaction; the producer then gets a new id.
 */
import type { ProducerId, Timestamp } from '../../../base/brands.ts'
import type { MillraceError } from '../../../base/errors.ts'
import { isMillraceError } from '../../../base/errors.ts'
import type { MarkerKind } from '../../../record/control-batch.ts'
import type {
  AddPartitions,
  EndTransaction,
  InitProducer,
  ProducerIdentity,
  TransactionDescription,
  TransactionListing,
  TransactionPartition,
  TransactionRequest,
} from '../../transactions.ts'
import type { CoordinatorMachine, CoordinatorRecord } from '../coordinator.ts'
import {
  badTimeout,
  endedOtherwise,
  expired,
  fenced,
  notInTransaction,
  notOpen,
  unknownId,
} from './transaction-error.ts'
import {
  producersRecord,
  readTransactionRecord,
  type StoredTransaction,
  transactionRecord,
} from './transaction-record.ts'

export interface TransactionMachineOptions {
  /** The longest timeout that a client may ask for. Default 15 min, as Kafka's. */
  readonly timeoutMsMax?: number
  /** A transactional id that nobody used for so long is forgotten. Default 7 days, as Kafka's. */
  readonly expirationMs?: number
}

/** What ends in the same group of the log as the records. */
export interface End extends ProducerIdentity {
  readonly kind: MarkerKind
  readonly partitions: readonly TransactionPartition[]
  /** Whose pending positions count now, or never. */
  readonly pendingOf: ProducerId
}

export interface Decision<T> {
  readonly records: readonly CoordinatorRecord[]
  readonly ends: readonly End[]
  readonly response: T | MillraceError
}

const TIMEOUT_MS_MAX = 15 * 60_000
const EXPIRATION_MS = 7 * 24 * 3_600_000
/** The epoch is a signed 16-bit number; the greatest is for the marker that fences. */
const EPOCH_MAX = 32_766
/** Producer ids are reserved in blocks, so that giving one out needs no write. */
const BLOCK = 1_000

export class TransactionMachine implements CoordinatorMachine {
  readonly #transactions = new Map<string, StoredTransaction>()
  readonly #timeoutMsMax: number
  readonly #expirationMs: number
  /** Ids below it are reserved. */
  #reservedTo: ProducerId = 0
  /**
   * The next one to give out. Only ever grows in a process, whatever becomes of writes; undefined until the first one
   * is given out: it begins behind what an earlier process had reserved, of which nobody knows how far it was used.
   */
  #nextProducer: ProducerId | undefined

  constructor(options: TransactionMachineOptions = {}) {
    this.#timeoutMsMax = options.timeoutMsMax ?? TIMEOUT_MS_MAX
    this.#expirationMs = options.expirationMs ?? EXPIRATION_MS
  }

  apply(record: CoordinatorRecord): void {
    const read = readTransactionRecord(record)
    if (read.kind === 'producers') {
      this.#reservedTo = Math.max(this.#reservedTo, read.next)
    } else if (read.value === undefined) this.#transactions.delete(read.id)
    else this.#transactions.set(read.id, read.value)
  }

  *snapshot(): Generator<CoordinatorRecord> {
    if (this.#reservedTo > 0) yield producersRecord(this.#reservedTo)
    for (const [id, stored] of this.#transactions) yield transactionRecord(id, stored)
  }

  clear(): readonly ((error: Error) => void)[] {
    this.#transactions.clear()
    this.#reservedTo = 0
    return []
  }

  /** The wall clock's time at which `tick` has something to do; Infinity: never. */
  nextDeadline(): Timestamp {
    let next = Number.POSITIVE_INFINITY
    for (const stored of this.#transactions.values()) next = Math.min(next, this.#deadlineOf(stored))
    return next
  }

  /** The same for one transactional id. */
  deadlineOf(id: string): Timestamp {
    const stored = this.#transactions.get(id)
    return stored === undefined ? Number.POSITIVE_INFINITY : this.#deadlineOf(stored)
  }

  /** What is overdue: transactions past their timeout are aborted and fenced, unused ids forgotten. */
  tick(now: Timestamp): readonly Decision<void>[] {
    const decisions: Decision<void>[] = []
    for (const [id, stored] of this.#transactions) {
      if (this.#deadlineOf(stored) > now) continue
      if (stored.state !== 'Ongoing') {
        decisions.push(decided(undefined, [transactionRecord(id, undefined)]))
        continue
      }
      const { records, ends } = this.#end(id, stored, 'abort', now, { expired: true })
      decisions.push(decided(undefined, records, ends))
    }
    return decisions
  }

  initProducer(request: InitProducer, now: Timestamp): Decision<ProducerIdentity> {
    const { transactionalId: id, timeoutMs, producer, version } = request
    const records: CoordinatorRecord[] = []
    if (id === null)
      return decided({ producerId: this.#allocate(records, { alone: true }), producerEpoch: 0 }, records)
    if (!Number.isSafeInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > this.#timeoutMsMax)
      return refused(badTimeout(id, timeoutMs, this.#timeoutMsMax))
    const stored = this.#transactions.get(id)
    if (stored === undefined) {
      const identity = { producerId: this.#allocate(records), producerEpoch: 0 }
      records.push(transactionRecord(id, emptyTransaction(identity, request, now)))
      return decided(identity, records)
    }
    // A producer that asks for its next epoch must still be the owner, or have been it in the step before.
    if (producer !== undefined && !same(producer, stored) && !same(producer, stored.previous))
      return refused(fenced(id, producer, stored))
    const open = stored.state === 'Ongoing'
    const ends = open ? [this.#endOf(stored, 'abort', raised(stored))] : []
    const identity = this.#next(stored, records)
    const empty = emptyTransaction(identity, { ...request, version, timeoutMs }, now)
    records.push(transactionRecord(id, { ...empty, previous: producer ?? null }))
    return decided(identity, records, ends)
  }

  /** Opens the transaction if it is not, and adds what it does not have. Of version 1 as a call of its own. */
  addPartitions(request: AddPartitions, now: Timestamp): Decision<void> {
    return this.#add(request, request.partitions, [], now)
  }

  addGroup(request: TransactionRequest, group: string, now: Timestamp): Decision<void> {
    return this.#add(request, [], [group], now)
  }

  /** Before batches are written: of version 2 their partitions are added, of version 1 they must be there. */
  admit(request: AddPartitions, now: Timestamp): Decision<void> {
    const stored = this.#owned(request)
    if (isMillraceError(stored)) return refused(stored)
    if (stored.clientVersion === 2) return this.addPartitions(request, now)
    if (stored.state !== 'Ongoing') return refused(notOpen(request.transactionalId, 'records were sent'))
    const missing = request.partitions.find((partition) => !holds(stored.partitions, partition))
    return missing === undefined
      ? decided(undefined)
      : refused(notInTransaction(request.transactionalId, missing))
  }

  /** Before positions are written: as `admit`, for the group. */
  admitGroup(request: TransactionRequest, group: string, now: Timestamp): Decision<void> {
    const stored = this.#owned(request)
    if (isMillraceError(stored)) return refused(stored)
    if (stored.clientVersion === 2) return this.addGroup(request, group, now)
    const open = stored.state === 'Ongoing' && stored.groups.includes(group)
    return open
      ? decided(undefined)
      : refused(notOpen(request.transactionalId, `positions of ${group} were sent`))
  }

  end(request: EndTransaction, now: Timestamp): Decision<ProducerIdentity> {
    const { transactionalId: id, committed } = request
    const kind = committed ? 'commit' : 'abort'
    const stored = this.#transactions.get(id)
    if (stored === undefined) return refused(unknownId(id))
    const again = this.#endedBefore(request, stored)
    if (again !== undefined) return again
    const owner = this.#owned(request)
    if (isMillraceError(owner)) return refused(owner)
    // A client of version 2 may abort what it never began: it gets its next epoch all the same.
    if (owner.state !== 'Ongoing' && (committed || owner.clientVersion === 1))
      return refused(notOpen(id, `it was to be ${wordOf(kind)}`))
    const { records, ends, response } = this.#end(id, owner, kind, now, { expired: false })
    return decided(response, records, ends)
  }

  list(): readonly TransactionListing[] {
    return Array.from(this.#transactions, ([transactionalId, { producerId, producerEpoch, state }]) => {
      return { transactionalId, producerId, producerEpoch, state }
    }).sort((a, b) => (a.transactionalId < b.transactionalId ? -1 : 1))
  }

  describe(transactionalId: string): TransactionDescription | undefined {
    const stored = this.#transactions.get(transactionalId)
    if (stored === undefined) return undefined
    const { producerId, producerEpoch, state, clientVersion: version, timeoutMs, partitions, groups } = stored
    const startedAt = stored.startedAt ?? undefined
    return {
      transactionalId,
      producerId,
      producerEpoch,
      state,
      version,
      timeoutMs,
      startedAt,
      partitions,
      groups,
    }
  }

  #add(
    request: TransactionRequest,
    partitions: readonly TransactionPartition[],
    groups: readonly string[],
    now: Timestamp,
  ): Decision<void> {
    const stored = this.#owned(request)
    if (isMillraceError(stored)) return refused(stored)
    const open = stored.state === 'Ongoing'
    const before = open ? stored.partitions : []
    const groupsBefore = open ? stored.groups : []
    const added = partitions.filter((partition) => !holds(before, partition))
    const groupsAdded = groups.filter((group) => !groupsBefore.includes(group))
    if (open && added.length + groupsAdded.length === 0) return decided(undefined)
    const next: StoredTransaction = {
      ...stored,
      state: 'Ongoing',
      expired: false,
      startedAt: open ? stored.startedAt : now,
      updatedAt: now,
      partitions: [...before, ...added],
      groups: [...groupsBefore, ...groupsAdded],
    }
    return decided(undefined, [transactionRecord(request.transactionalId, next)])
  }

  /** The transaction, if the request comes from its present owner. */
  #owned(request: TransactionRequest): StoredTransaction | MillraceError {
    const { transactionalId: id } = request
    const stored = this.#transactions.get(id)
    if (stored === undefined) return unknownId(id)
    if (same(request, stored)) return stored
    return stored.expired && same(request, stored.previous)
      ? expired(id, stored.timeoutMs)
      : fenced(id, request, stored)
  }

  /** An answer that was lost is asked for again; undefined: this is no such call. */
  #endedBefore(request: EndTransaction, stored: StoredTransaction): Decision<ProducerIdentity> | undefined {
    const { state, clientVersion, previous } = stored
    if (state !== 'CompleteCommit' && state !== 'CompleteAbort') return undefined
    if (!same(request, clientVersion === 2 ? previous : stored) || stored.expired) return undefined
    const wanted = request.committed ? 'CompleteCommit' : 'CompleteAbort'
    if (state === wanted)
      return decided({ producerId: stored.producerId, producerEpoch: stored.producerEpoch })
    const [was, asked] = request.committed ? ['aborted', 'committed'] : ['committed', 'aborted']
    return refused(endedOtherwise(request.transactionalId, asked, was))
  }

  #end(
    id: string,
    stored: StoredTransaction,
    kind: MarkerKind,
    now: Timestamp,
    { expired: isExpired }: { readonly expired: boolean },
  ): { records: CoordinatorRecord[]; ends: readonly End[]; response: ProducerIdentity } {
    const records: CoordinatorRecord[] = []
    const raises = stored.clientVersion === 2 || isExpired
    const marker = raises ? raised(stored) : identityOf(stored)
    const ends = stored.state === 'Ongoing' ? [this.#endOf(stored, kind, marker)] : []
    const identity = raises ? this.#next(stored, records) : identityOf(stored)
    const next: StoredTransaction = {
      ...stored,
      ...identity,
      state: kind === 'commit' ? 'CompleteCommit' : 'CompleteAbort',
      previous: raises ? identityOf(stored) : stored.previous,
      expired: isExpired,
      startedAt: null,
      updatedAt: now,
      partitions: [],
      groups: [],
    }
    records.push(transactionRecord(id, next))
    return { records, ends, response: identity }
  }

  #endOf(stored: StoredTransaction, kind: MarkerKind, marker: ProducerIdentity): End {
    return { ...marker, kind, partitions: stored.partitions, pendingOf: stored.producerId }
  }

  /** The epoch after this one; a new id when there is none. */
  #next(stored: StoredTransaction, records: CoordinatorRecord[]): ProducerIdentity {
    if (stored.producerEpoch < EPOCH_MAX) return raised(stored)
    return { producerId: this.#allocate(records), producerEpoch: 0 }
  }

  /**
   * A producer id, and the record of its reservation. A write that has records of its own says the reservation again:
   * the write that made it may fail, and this one not. One without records is answered only when all before it are.
   */
  #allocate(records: CoordinatorRecord[], { alone = false } = {}): ProducerId {
    const producerId = this.#nextProducer ?? this.#reservedTo
    this.#nextProducer = producerId + 1
    if (producerId >= this.#reservedTo) records.push(producersRecord(producerId + BLOCK))
    else if (!alone) records.push(producersRecord(this.#reservedTo))
    return producerId
  }

  #deadlineOf({ state, startedAt, timeoutMs, updatedAt }: StoredTransaction): Timestamp {
    return state === 'Ongoing' ? (startedAt ?? updatedAt) + timeoutMs : updatedAt + this.#expirationMs
  }
}

function emptyTransaction(
  identity: ProducerIdentity,
  { timeoutMs, version }: InitProducer,
  now: Timestamp,
): StoredTransaction {
  return {
    ...identity,
    state: 'Empty',
    clientVersion: version,
    timeoutMs,
    previous: null,
    expired: false,
    startedAt: null,
    updatedAt: now,
    partitions: [],
    groups: [],
  }
}

function decided<T>(
  response: T,
  records: readonly CoordinatorRecord[] = [],
  ends: readonly End[] = [],
): Decision<T> {
  return { records, ends, response }
}

function refused<T>(error: MillraceError): Decision<T> {
  return { records: [], ends: [], response: error }
}

function raised({ producerId, producerEpoch }: ProducerIdentity): ProducerIdentity {
  return { producerId, producerEpoch: producerEpoch + 1 }
}

function identityOf({ producerId, producerEpoch }: ProducerIdentity): ProducerIdentity {
  return { producerId, producerEpoch }
}

function same(a: ProducerIdentity, b: ProducerIdentity | null): boolean {
  return a.producerId === b?.producerId && a.producerEpoch === b.producerEpoch
}

function holds(
  partitions: readonly TransactionPartition[],
  { topic, partition }: TransactionPartition,
): boolean {
  return partitions.some((each) => each.topic === topic && each.partition === partition)
}

function wordOf(kind: MarkerKind): string {
  return kind === 'commit' ? 'committed' : 'aborted'
}
