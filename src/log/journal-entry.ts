import { readInt32, readInt64, writeInt32, writeInt64 } from '../base/int64.ts'
import { checksum } from './checksum.ts'

/*
 * An entry of the journal; numbers are big-endian, entries begin at multiples of 8.
 *
 *    0 sizeBytes u32 (of the whole entry, padding left out) | 4 crc u32 (checksum.ts, of all from 8 on)
 *    8 number i64 (one more than the entry before) | 16 durable i64 (every entry below it was durable when this one
 *   was written) | 24 type u8 | 25 version u8 | 26 zero u16 | 28 body
 *
 * `durable` tells a torn tail from damage: an entry that does not hold, but is below the `durable` of one that does,
 * had been acknowledged. A journal file is used again, so old entries may follow the last one: their numbers are lower.
 */
export const ENTRY_HEAD_BYTES = 28
export const ENTRY_ALIGNMENT = 8

export const ENTRY_TYPE = {
  checkpoint: 1,
  group: 2,
  topicCreated: 3,
  startMoved: 4,
  segmentRolled: 5,
  topicAltered: 6,
  topicDeleted: 7,
  segmentsSwapped: 8,
  partitionCleaned: 9,
} as const
export type EntryType = (typeof ENTRY_TYPE)[keyof typeof ENTRY_TYPE]
/** Of every type's body. A reader refuses a higher one. */
export const ENTRY_VERSION = 1

export interface JournalEntry {
  readonly number: number
  readonly durable: number
  readonly type: number
  readonly version: number
  readonly file: string
  /** Of the entry in its file. */
  readonly position: number
  readonly body: Uint8Array
}

/** The entry at `at`, or in words why there is none. Reads nothing at or behind `bytes.length`. */
export function readEntry(bytes: Uint8Array, at: number, file: string): JournalEntry | string {
  if (at + ENTRY_HEAD_BYTES > bytes.length) return 'the file ends'
  const sizeBytes = readInt32(bytes, at) >>> 0
  if (sizeBytes < ENTRY_HEAD_BYTES || at + sizeBytes > bytes.length) return `bad length ${sizeBytes}`
  if (checksum(bytes, at + 8, at + sizeBytes) !== readInt32(bytes, at + 4) >>> 0) return 'bad checksum'
  return {
    number: readInt64(bytes, at + 8),
    durable: readInt64(bytes, at + 16),
    type: bytes[at + 24] as number,
    version: bytes[at + 25] as number,
    file,
    position: at,
    body: bytes.subarray(at + ENTRY_HEAD_BYTES, at + sizeBytes),
  }
}

/** Zeros behind the last entry: the journal ends here, and was not torn. */
export const END_MARK_BYTES = 32

export function isEndMark(bytes: Uint8Array, at: number): boolean {
  const end = Math.min(at + END_MARK_BYTES, bytes.length)
  for (let index = at; index < end; index += 1) if (bytes[index] !== 0) return false
  return true
}

/** Where the entry after this one begins. */
export function nextEntryPosition(entry: JournalEntry): number {
  return aligned(entry.position + ENTRY_HEAD_BYTES + entry.body.length)
}

export function aligned(position: number): number {
  return Math.ceil(position / ENTRY_ALIGNMENT) * ENTRY_ALIGNMENT
}

/** Larger staging buffers are not kept for the next block. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024

/**
 * Entries put together for one write. Copying them costs less than a system call with many small parts, and the
 * checksum then runs over bytes that lie together.
 */
export class JournalBlock {
  #buffer: Uint8Array = new Uint8Array(64 * 1024)
  #length = 0
  #entryAt = 0

  get sizeBytes(): number {
    return this.#length
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  clear(): void {
    this.#length = 0
    if (this.#buffer.length > KEPT_BYTES_MAX) this.#buffer = new Uint8Array(64 * 1024)
  }

  /** Ends the block. The next one is written over the mark. */
  putEndMark(): void {
    const at = this.reserve(END_MARK_BYTES)
    this.#buffer.fill(0, at, at + END_MARK_BYTES)
  }

  begin(number: number, durable: number, type: EntryType): void {
    this.#entryAt = this.#length
    const at = this.reserve(ENTRY_HEAD_BYTES)
    const buffer = this.#buffer
    writeInt64(buffer, at + 8, number)
    writeInt64(buffer, at + 16, durable)
    buffer[at + 24] = type
    buffer[at + 25] = ENTRY_VERSION
    buffer[at + 26] = 0
    buffer[at + 27] = 0
  }

  /** Room for `count` bytes of the body; returns where it begins in {@link buffer}. */
  reserve(count: number): number {
    const at = this.#length
    if (at + count > this.#buffer.length) this.#grow(at + count)
    this.#length = at + count
    return at
  }

  /** The bytes that `reserve` speaks of. Another one after each `reserve`. */
  get buffer(): Uint8Array {
    return this.#buffer
  }

  put(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length)
    this.#buffer.set(bytes, at)
  }

  end(): void {
    const sizeBytes = this.#length - this.#entryAt
    writeInt32(this.#buffer, this.#entryAt, sizeBytes)
    writeInt32(this.#buffer, this.#entryAt + 4, checksum(this.#buffer, this.#entryAt + 8, this.#length))
    const padding = aligned(this.#length) - this.#length
    const at = this.reserve(padding)
    this.#buffer.fill(0, at, at + padding)
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2))
    larger.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = larger
  }
}
