import type { Offset } from '../../base/brands.ts'
import { isMillraceError, MillraceError } from '../../base/errors.ts'
import type { Answer, PartitionBatch } from '../broker.ts'
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
  TransactionPort,
  WholeTransaction,
} from '../transactions.ts'
import { type Connection, neverArrived } from './connection.ts'
import type { RemoteState } from './remote-state.ts'

/** Producers and transactions of a log that an app in another process holds. */
export class RemoteTransactions implements TransactionPort {
  readonly #connection: Connection
  readonly #state: () => RemoteState

  constructor(connection: Connection, state: () => RemoteState) {
    this.#connection = connection
    this.#state = state
  }

  initProducer(request: InitProducer, answer: Answer<ProducerIdentity>): void {
    this.#connection.call('transactions.initProducer', [request], answer)
  }

  addPartitions(request: AddPartitions, answer: Answer<void>): void {
    this.#connection.call('transactions.addPartitions', [request], answer)
  }

  addGroup(request: AddGroup, answer: Answer<void>): void {
    this.#connection.call('transactions.addGroup', [request], answer)
  }

  append(request: ProducerAppend, answer: Answer<readonly Offset[]>): void {
    this.#connection.call('transactions.append', [request], answer, bytesOf(request.batches))
  }

  commitPositions(request: CommitTransactionPositions, answer: Answer<void>): void {
    this.#connection.call('transactions.commitPositions', [request], answer)
  }

  end(request: EndTransaction, answer: Answer<ProducerIdentity>): void {
    this.#connection.call('transactions.end', [request], answer)
  }

  commitWhole(request: WholeTransaction, answer: Answer<readonly Offset[]>): void {
    const told: Answer<readonly Offset[]> = (error, offsets) => answer(notRepeatable(error), offsets)
    this.#connection.call('transactions.commitWhole', [request], told, bytesOf(request.batches))
  }

  list(): readonly TransactionListing[] {
    return this.#state().transactions.map(({ transactionalId, state, producerId, producerEpoch }) => {
      return { transactionalId, state, producerId, producerEpoch }
    })
  }

  describe(transactionalId: string): TransactionDescription | undefined {
    return this.#state().transactions.find((one) => one.transactionalId === transactionalId)
  }
}

export function bytesOf(batches: readonly PartitionBatch[]): number {
  return batches.reduce((total, { bytes }) => total + bytes.length, 0)
}

/** Nothing in a whole transaction tells the log that it comes again: who repeated it could write it twice. */
function notRepeatable(error: Error | undefined): Error | undefined {
  if (!isMillraceError(error) || error.code !== 'MILLRACE_CONNECTION' || neverArrived(error)) return error
  const problem = `it is not known whether the transaction was written: ${error.message}`
  const way = 'look at what the topics hold before it is done again, or use log.transactional'
  return new MillraceError('MILLRACE_UNKNOWN_OUTCOME', `${problem}; ${way}`, { cause: error })
}
