import type { Offset } from '../base/brands.ts'
import { readInt64, writeInt64 } from '../base/int64.ts'
import { checksum } from './checksum.ts'
import type { AbortedTransaction } from './producers.ts'

/*
 * The transaction index of a segment, byte for byte Kafka's `.txnindex`; numbers are big-endian. An entry for each
 * abort marker of the segment, in their order:
 *
 *    0 version i16 = 0 | 2 producerId i64 | 10 firstOffset i64 | 18 lastOffset i64 (of the marker)
 *   26 lastStableOffset i64: what it was when the marker was there. All transactions below it had ended.
 *
 * The first offset may lie in an earlier segment, so the entries cannot be made from their segment alone.
 */
export const ABORTED_ENTRY_BYTES = 34

export interface AbortedEntry extends AbortedTransaction {
  readonly lastStable: Offset
}

/** How much of the index a checkpoint vouches for. */
export interface AbortedSummary {
  readonly count: number
  /** Of the entries' bytes. */
  readonly crc: number
}

/**
 * The aborted transactions of one segment in memory, and what of them is in the file.
 *
 * The file is not synced: a checkpoint says how many entries it has and their checksum. A file for which that does not
 * hold is not believed; the partition's batches then say what was aborted.
 */
export class AbortedIndex {
  readonly #entries: AbortedEntry[]
  /** Entries in the file; negative: it is to be made anew. */
  #saved: number
  #summary: AbortedSummary | undefined

  constructor(entries: AbortedEntry[] = [], saved = -1) {
    this.#entries = entries
    this.#saved = saved
  }

  get entries(): readonly AbortedEntry[] {
    return this.#entries
  }

  get unsaved(): boolean {
    return this.#saved !== this.#entries.length
  }

  add(entry: AbortedEntry): void {
    this.#entries.push(entry)
    this.#summary = undefined
  }

  /** Computed again only after a change. */
  summary(): AbortedSummary {
    if (this.#summary === undefined) {
      const bytes = encodeAborted(this.#entries)
      this.#summary = { count: this.#entries.length, crc: checksum(bytes, 0, bytes.length) }
    }
    return this.#summary
  }

  /** What the file lacks, and where it goes; a negative position: make the file anew. */
  unsavedBytes(): { readonly bytes: Uint8Array; readonly position: number } {
    const from = Math.max(0, this.#saved)
    return { bytes: encodeAborted(this.#entries.slice(from)), position: this.#saved * ABORTED_ENTRY_BYTES }
  }

  /** The file has all of them. */
  markSaved(): void {
    this.#saved = this.#entries.length
  }
}

export function encodeAborted(entries: readonly AbortedEntry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * ABORTED_ENTRY_BYTES)
  for (const [index, { producerId, firstOffset, lastOffset, lastStable }] of entries.entries()) {
    const at = index * ABORTED_ENTRY_BYTES
    writeInt64(bytes, at + 2, producerId)
    writeInt64(bytes, at + 10, firstOffset)
    writeInt64(bytes, at + 18, lastOffset)
    writeInt64(bytes, at + 26, lastStable)
  }
  return bytes
}

/** The index that the bytes of a file hold; undefined if they do not begin with what the summary says. */
export function decodeAborted(bytes: Uint8Array, { count, crc }: AbortedSummary): AbortedIndex | undefined {
  const end = count * ABORTED_ENTRY_BYTES
  if (bytes.length < end || checksum(bytes, 0, end) !== crc) return undefined
  const entries = Array.from({ length: count }, (_, index) => {
    const at = index * ABORTED_ENTRY_BYTES
    return {
      producerId: readInt64(bytes, at + 2),
      firstOffset: readInt64(bytes, at + 10),
      lastOffset: readInt64(bytes, at + 18),
      lastStable: readInt64(bytes, at + 26),
    }
  })
  // Entries behind those may be of markers that a power cut took back.
  return new AbortedIndex(entries, bytes.length === end ? count : -1)
}
