import type { Timestamp } from '../../base/brands.ts'
import { type Key, keyOfStoreKey } from '../../record/key-codec.ts'
import { NO_HEADERS, type RecordHeader } from '../../record/record.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { CurrentRecord } from '../operators/operator.ts'

/** What the source of a record knows of it, asked only when someone needs it. */
export interface RecordOrigin {
  headers(): readonly RecordHeader[]
  /** The bytes as they came, for a dead letter. */
  raw(): { readonly key: Uint8Array | null; readonly value: Uint8Array | null }
  /** Where it stands, for messages: 'clicks-0@17'. */
  where(): string
  /** The line of the file that it began at, from 1; of a record of a topic there is none. */
  readonly line?: number | undefined
}

/** The one record that a worker follows, reused for all of them. */
export class FollowedRecord implements CurrentRecord {
  storeKey: StoreKey | null = null
  value: unknown = undefined
  timestamp: Timestamp = 0
  topic = ''
  partition = 0
  offset = 0
  origin: RecordOrigin | undefined
  /** Results that a watermark or a commit brings about have no headers. */
  passHeaders = false

  get key(): Key | null {
    return this.storeKey === null ? null : keyOfStoreKey(this.storeKey)
  }

  get caused(): boolean {
    return this.passHeaders
  }

  get headers(): readonly RecordHeader[] {
    return this.passHeaders && this.origin !== undefined ? this.origin.headers() : NO_HEADERS
  }
}
