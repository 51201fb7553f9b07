import type { Offset } from '../../base/brands.ts'
import { isMillraceError, MillraceError } from '../../base/errors.ts'
import {
  batchAttributes,
  batchPositions,
  batchProducerEpoch,
  batchProducerId,
  CONTROL_BIT,
  TRANSACTIONAL_BIT,
} from '../../record/batch-header.ts'
import { controlBatch } from '../../record/control-batch.ts'
import type { Timer, Timers } from '../../sys/sys.ts'
import type { Answer, PartitionBatch } from '../broker.ts'
import type { CoordinatorRecord, CoordinatorRuntime } from '../coordinators/coordinator.ts'
import type { GroupMachine } from '../coordinators/groups/group-machine.ts'
import type { Decision, End, TransactionMachine } from '../coordinators/transactions/transaction-machine.ts'
import type {
  AddGroup,
  AddPartitions,
  CommitTransactionPositions,
  EndTransaction,
  InitProducer,
  ProducerAppend,
  ProducerIdentity,
  TransactionDescription,
  TransactionListing,
  TransactionPartition,
  TransactionPort,
  WholeTransaction,
} from '../transactions.ts'

/** Longer waits are done in pieces. */
const TIMER_MAX_MS = 0x7fff_ffff
/** There is one coordinator, and only one process may be it: its reigns need no number. */
const COORDINATOR_EPOCH = 0

export interface LocalTransactionsHost {
  readonly runtime: CoordinatorRuntime
  readonly groups: GroupMachine
  readonly timers: Timers
  /** Why nothing is taken. */
  readonly stopped: () => Error | undefined
  /** Why batches are too large, or for partitions that are not there. */
  readonly batchFault: (batches: readonly PartitionBatch[]) => MillraceError | undefined
  readonly exists: (partition: TransactionPartition) => boolean
}

/** The transactions of a log in this process: the machine decides, one group of the log holds what it decided. */
export class LocalTransactions implements TransactionPort {
  readonly #machine: TransactionMachine
  readonly #host: LocalTransactionsHost
  #timer: Timer | undefined
  /** By the wall clock. */
  #timerAt = Number.POSITIVE_INFINITY

  constructor(machine: TransactionMachine, host: LocalTransactionsHost) {
    this.#machine = machine
    this.#host = host
  }

  /** After the replay. */
  start(): void {
    this.#scheduleAt(this.#machine.nextDeadline())
  }

  close(): void {
    this.#timer?.cancel()
  }

  initProducer(request: InitProducer, answer: Answer<ProducerIdentity>): void {
    this.#ask(request.transactionalId, answer, (now) => this.#machine.initProducer(request, now))
  }

  addPartitions(request: AddPartitions, answer: Answer<void>): void {
    this.#ask(request.transactionalId, answer, (now) => {
      const missing = request.partitions.find((partition) => !this.#host.exists(partition))
      return missing === undefined ? this.#machine.addPartitions(request, now) : unknownPartition(missing)
    })
  }

  addGroup(request: AddGroup, answer: Answer<void>): void {
    this.#ask(request.transactionalId, answer, (now) => this.#machine.addGroup(request, request.group, now))
  }

  append(request: ProducerAppend, answer: Answer<readonly Offset[]>): void {
    const { transactionalId, batches } = request
    const fault = this.#host.stopped() ?? this.#host.batchFault(batches) ?? identityFault(request)
    if (fault !== undefined) {
      answer(fault, undefined)
      return
    }
    if (transactionalId === null) {
      this.#host.runtime.write({ batches }, answer)
      return
    }
    const { runtime } = this.#host
    const partitions = batches.map(({ topic, partition }) => ({ topic, partition }))
    const { records, response } = this.#machine.admit(
      { ...request, transactionalId, partitions },
      runtime.now().wall,
    )
    if (isMillraceError(response)) answer(response, undefined)
    else runtime.write({ transactions: records, batches }, answer)
    this.#scheduleAt(this.#machine.deadlineOf(transactionalId))
  }

  commitPositions(request: CommitTransactionPositions, answer: Answer<void>): void {
    const { transactionalId, producerId, group } = request
    this.#ask(transactionalId, answer, (now) => {
      const unknown = request.positions.find((position) => !this.#host.exists(position))
      if (unknown !== undefined) return unknownPartition(unknown)
      const admitted = this.#machine.admitGroup(request, group, now)
      if (isMillraceError(admitted.response)) return admitted
      const step = this.#host.groups.begin(this.#host.runtime.now())
      const pending = this.#host.groups.commitPending(producerId, request, step)
      if (isMillraceError(pending.response)) return { records: [], ends: [], response: pending.response }
      return { ...admitted, groups: pending.records }
    })
  }

  end(request: EndTransaction, answer: Answer<ProducerIdentity>): void {
    this.#ask(request.transactionalId, answer, (now) => this.#machine.end(request, now))
  }

  commitWhole({ batches, positions }: WholeTransaction, answer: Answer<readonly Offset[]>): void {
    const fault = this.#host.stopped() ?? this.#host.batchFault(batches)
    if (fault !== undefined) {
      answer(fault, undefined)
      return
    }
    const { groups, runtime } = this.#host
    const step = groups.begin(runtime.now())
    const records: CoordinatorRecord[] = []
    for (const request of positions) {
      const unknown = request.positions.find((position) => !this.#host.exists(position))
      const { records: ofGroup, response } =
        unknown === undefined ? groups.commit(request, step) : unknownPartition(unknown)
      if (isMillraceError(response)) {
        answer(response, undefined)
        return
      }
      records.push(...ofGroup)
    }
    runtime.write({ groups: records, batches }, answer)
  }

  list(): readonly TransactionListing[] {
    return this.#machine.list()
  }

  describe(transactionalId: string): TransactionDescription | undefined {
    return this.#machine.describe(transactionalId)
  }

  #ask<T>(id: string | null, answer: Answer<T>, operation: (now: number) => GroupDecision<T>): void {
    const fault = this.#host.stopped() ?? (id === '' ? emptyId() : undefined)
    if (fault !== undefined) {
      answer(fault, undefined)
      return
    }
    const decision = operation(this.#host.runtime.now().wall)
    const { response } = decision
    this.#write(decision, (error) => {
      if (error !== undefined) answer(error, undefined)
      else if (isMillraceError(response)) answer(response, undefined)
      else answer(undefined, response)
    })
    if (id !== null) this.#scheduleAt(this.#machine.deadlineOf(id))
  }

  /** Records, markers and positions, all or nothing. */
  #write(decision: GroupDecision<unknown>, answer: (error: Error | undefined) => void): void {
    const { records, ends, groups = [] } = decision
    const positions = ends.flatMap(({ pendingOf, kind }) =>
      this.#host.groups.endTransaction(pendingOf, kind === 'commit'),
    )
    const batches = ends.flatMap((end) => this.#markers(end))
    this.#host.runtime.write({ transactions: records, groups: [...groups, ...positions], batches }, answer)
  }

  /** A topic that was deleted meanwhile needs none. */
  #markers({ producerId, producerEpoch, kind, partitions }: End): PartitionBatch[] {
    const now = this.#host.runtime.now().wall
    return partitions
      .filter((partition) => this.#host.exists(partition))
      .map(({ topic, partition }) => {
        return {
          topic,
          partition,
          bytes: controlBatch(producerId, producerEpoch, kind, COORDINATOR_EPOCH, now),
        }
      })
  }

  #scheduleAt(deadline: number): void {
    if (deadline >= this.#timerAt) return
    this.#timer?.cancel()
    const now = this.#host.runtime.now().wall
    const wait = Math.min(Math.max(1, deadline - now), TIMER_MAX_MS)
    this.#timerAt = now + wait
    this.#timer = this.#host.timers.after(wait, () => this.#tick())
  }

  #tick(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    if (this.#host.stopped() !== undefined) return
    for (const decision of this.#machine.tick(this.#host.runtime.now().wall)) {
      // A full disk: the machine is as before, and the next look finds it overdue again.
      this.#write(decision, () => undefined)
    }
    this.#scheduleAt(this.#machine.nextDeadline())
  }
}

/** A decision of transactions that also changes groups. */
interface GroupDecision<T> extends Decision<T> {
  readonly groups?: readonly CoordinatorRecord[]
}

/** Batches must be what the request says: the log trusts their heads. */
function identityFault({
  transactionalId,
  producerId,
  producerEpoch,
  batches,
}: ProducerAppend): MillraceError | undefined {
  for (const { topic, partition, bytes } of batches) {
    for (const at of batchPositions(bytes)) {
      const attributes = batchAttributes(bytes, at)
      const transactional = (attributes & TRANSACTIONAL_BIT) !== 0
      const wrong =
        batchProducerId(bytes, at) !== producerId || batchProducerEpoch(bytes, at) !== producerEpoch
          ? `is of producer ${batchProducerId(bytes, at)} epoch ${batchProducerEpoch(bytes, at)}, the request of ${producerId} epoch ${producerEpoch}`
          : (attributes & CONTROL_BIT) !== 0
            ? 'is a marker, which only the coordinator writes'
            : transactional !== (transactionalId !== null)
              ? `is ${transactional ? '' : 'not '}marked as part of a transaction`
              : undefined
      if (wrong === undefined) continue
      const where = `the batch at byte ${at} for partition ${partition} of topic ${topic}`
      return new MillraceError('MILLRACE_INVALID_ARGUMENT', `${where} ${wrong}`)
    }
  }
  return undefined
}

function unknownPartition({ topic, partition }: TransactionPartition): Decision<never> {
  const message = `there is no partition ${partition} of a topic with the id ${topic}`
  return { records: [], ends: [], response: new MillraceError('MILLRACE_UNKNOWN_TOPIC', message) }
}

function emptyId(): MillraceError {
  return new MillraceError('MILLRACE_INVALID_ARGUMENT', 'the transactional id is empty: give it a name')
}
