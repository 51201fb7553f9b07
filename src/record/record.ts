import type { Offset, Timestamp } from '../base/brands.ts'

/** A header as Kafka has it: keys may repeat, their order is kept. */
export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

/** A record before it has a place: what a producer appends. A null value is a tombstone. */
export interface RecordData {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestamp: Timestamp
  readonly headers: readonly RecordHeader[]
}

/** A record as it stands in a partition. */
export interface StoredRecord extends RecordData {
  readonly offset: Offset
}

export const NO_HEADERS: readonly RecordHeader[] = Object.freeze([])
