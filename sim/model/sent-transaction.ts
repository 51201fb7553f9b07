import type { Offset } from '../../src/base/brands.ts'
import type { SentRecord } from './sent-record.ts'

/** A transaction as its owner knows it. */
export interface SentTransaction {
  readonly id: number
  readonly writer: string
  readonly records: SentRecord[]
  /** Positions that go with it. */
  readonly positions: { readonly group: string; readonly place: string; readonly offset: Offset }[]
  /** How its owner wanted it to end; a transaction nobody wanted to commit never is. */
  wanted: 'nothing' | 'commit' | 'abort'
  /** What was answered. A refused commit did not happen. */
  ended: 'open' | 'committed' | 'aborted' | 'unknown'
}

/** Whether readers of committed records may ever see it. */
export function mayBeCommitted({ wanted, ended }: SentTransaction): boolean {
  return wanted === 'commit' && ended !== 'aborted'
}

/** In the metadata of a position that came with a transaction. */
export function transactionMark({ id }: SentTransaction): string {
  return `transaction ${id}`
}
