import { MillraceError } from '../../../base/errors.ts'
import type { ProducerIdentity, TransactionPartition } from '../../transactions.ts'

export function unknownId(id: string): MillraceError {
  const problem = `no producer has the transactional id ${id}`
  return new MillraceError('MILLRACE_INVALID_TRANSACTION_STATE', `${problem}: it must be initialised first`)
}

export function fenced(id: string, asked: ProducerIdentity, present: ProducerIdentity): MillraceError {
  const problem = `producer ${text(asked)} of ${id} was replaced, the present one is ${text(present)}`
  return new MillraceError('MILLRACE_FENCED', `${problem}: close this one, another has taken its place`)
}

export function expired(id: string, timeoutMs: number): MillraceError {
  const problem = `the transaction of ${id} was open for more than ${timeoutMs} ms and was aborted`
  return new MillraceError(
    'MILLRACE_TRANSACTION_EXPIRED',
    `${problem}: begin a new one, or raise its timeout`,
  )
}

export function notOpen(id: string, what: string): MillraceError {
  const message = `${what}, but ${id} has no open transaction: begin one`
  return new MillraceError('MILLRACE_INVALID_TRANSACTION_STATE', message)
}

export function endedOtherwise(id: string, wanted: string, was: string): MillraceError {
  const message = `the transaction of ${id} was to be ${wanted}, but it was ${was} already`
  return new MillraceError('MILLRACE_INVALID_TRANSACTION_STATE', message)
}

export function notInTransaction(id: string, { topic, partition }: TransactionPartition): MillraceError {
  const problem = `partition ${partition} of topic ${topic} is not in the open transaction of ${id}`
  return new MillraceError('MILLRACE_INVALID_TRANSACTION_STATE', `${problem}: add it before writing to it`)
}

export function badTimeout(id: string, timeoutMs: number, maxMs: number): MillraceError {
  const message = `the transaction timeout of ${id} is ${timeoutMs} ms, expected 1 to ${maxMs}`
  return new MillraceError('MILLRACE_INVALID_ARGUMENT', message)
}

export function text({ producerId, producerEpoch }: ProducerIdentity): string {
  return `${producerId} epoch ${producerEpoch}`
}
