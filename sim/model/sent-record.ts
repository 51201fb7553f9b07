import type { Offset, PartitionId, Timestamp, TopicId } from '../../src/base/brands.ts'
import type { RecordData, StoredRecord } from '../../src/record/record.ts'
import type { SentTransaction } from './sent-transaction.ts'

/**
 * `refused`: it was said that nothing was written. `unknown`: the power failed, or the log did, before an answer. `lost`:
 * it was acknowledged as being with the operating system only, and went with the power.
 */
export type Outcome = 'waiting' | 'acknowledged' | 'unknown' | 'refused' | 'lost'

/** A record that somebody asked to be written. Ids count up over a run, so they are each writer's order too. */
export interface SentRecord {
  readonly id: number
  /** Who sent it, under one identity: of each writer the order is kept. */
  readonly writer: string
  readonly topic: TopicId
  /** Undefined where the client chooses it, until it was answered. */
  partition: PartitionId | undefined
  readonly key: string | null
  readonly tombstone: boolean
  readonly bytes: number
  readonly timestamp: Timestamp
  readonly transaction: SentTransaction | undefined
  /** The record of another topic that this one was made of: `place@offset`. */
  readonly copyOf: string | undefined
  outcome: Outcome
  offset: Offset | undefined
}

export function recordData(sent: SentRecord): RecordData {
  const headers = [{ key: 'id', value: Buffer.from(`${sent.id}`) }]
  if (sent.copyOf !== undefined) headers.push({ key: 'copy', value: Buffer.from(sent.copyOf) })
  return {
    key: sent.key === null ? null : Buffer.from(sent.key),
    value: sent.tombstone ? null : Buffer.from(textOf(sent)),
    timestamp: sent.timestamp,
    headers,
  }
}

function textOf({ id, bytes }: SentRecord): string {
  return `${id}:`.padEnd(bytes, String.fromCharCode(97 + (id % 26)))
}

/** The id that a record carries; -1: none. */
export function idOf({ headers }: StoredRecord): number {
  const value = headers.find(({ key }) => key === 'id')?.value
  return value === undefined || value === null ? -1 : Number(Buffer.from(value).toString())
}

/** What a stored record says otherwise than what was sent; undefined: nothing. */
export function differenceOf(sent: SentRecord, stored: StoredRecord): string | undefined {
  const wanted = recordData(sent)
  if (!same(wanted.key, stored.key)) return `its key is ${shown(stored.key)}, sent was ${shown(wanted.key)}`
  if (!same(wanted.value, stored.value))
    return `its value is ${shown(stored.value)}, sent was ${shown(wanted.value)}`
  if (wanted.timestamp !== stored.timestamp)
    return `its time is ${stored.timestamp}, sent was ${wanted.timestamp}`
  if (wanted.headers.length !== stored.headers.length) return `it has ${stored.headers.length} headers`
  return undefined
}

function same(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0
}

function shown(bytes: Uint8Array | null): string {
  return bytes === null ? 'null' : JSON.stringify(Buffer.from(bytes.subarray(0, 30)).toString('latin1'))
}
