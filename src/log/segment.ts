import { assert } from '../base/assert.ts'
import type { LeaderEpoch, Offset, Timestamp } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchAttributes,
  batchBaseOffset,
  batchLastOffset,
  batchLeaderEpoch,
  batchMaxTimestamp,
  batchSizeBytes,
} from '../record/batch-header.ts'
import { isDiskError } from './disk-error.ts'
import type { IndexCache } from './index-cache.ts'
import type { OpenFiles } from './open-files.ts'
import { OFFSET_ENTRY_BYTES, SegmentIndex, TIME_ENTRY_BYTES } from './segment-index.ts'
import { SegmentTransactions } from './segment-transactions.ts'
import { type WritePieces, writeInPieces } from './write-pieces.ts'

/** Of the files of a segment. The last one is there only where something was aborted. */
export const SEGMENT_SUFFIXES = ['.log', '.index', '.timeindex', '.txnindex']

/** What all segments of a log share. */
export interface SegmentHost {
  readonly files: OpenFiles
  readonly indexes: IndexCache
}

/** How much is read at once when the heads of many batches are looked at. */
const SCAN_BYTES = 64 * 1024

export interface BatchPlace {
  readonly position: number
  readonly sizeBytes: number
  readonly first: Offset
  readonly last: Offset
  readonly maxTimestamp: number
  readonly leaderEpoch: LeaderEpoch
  readonly attributes: number
}

/**
 * One segment of a partition: a file of record batches, and its indexes.
 *
 * State: `sizeBytes` and `next` are what was written (perhaps not durable); `syncedBytes` is the part that is known to
 * be on the platter. The index is loaded at the first use: files of a crash may hold anything, so what they say is
 * checked, and made again from the batches where it does not hold.
 */
export class Segment {
  readonly base: Offset
  /** Without suffix. */
  readonly path: string
  sizeBytes: number
  next: Offset
  syncedBytes: number
  /** The file is there. */
  exists: boolean
  removed = false
  /** How often bytes were taken back. */
  #cuts = 0
  /** The third index: what was aborted. */
  readonly transactions: SegmentTransactions
  readonly #files: OpenFiles
  readonly #indexes: IndexCache
  #index: SegmentIndex | undefined
  /** Entries of both indexes that are in their files. */
  #savedOffsets = -1
  #savedTimes = -1
  #sealed = false
  #firstTimestamp: Timestamp | undefined
  /** Kept when the index goes: nothing comes to a sealed segment. */
  #maxTimestamp: Timestamp | undefined

  constructor(host: SegmentHost, path: string, base: Offset, sizeBytes = 0, next = base) {
    const { files } = host
    this.#files = files
    this.#indexes = host.indexes
    this.path = path
    this.base = base
    this.sizeBytes = sizeBytes
    this.next = next
    this.syncedBytes = sizeBytes
    this.exists = sizeBytes > 0
    this.transactions = new SegmentTransactions(files, path)
  }

  get file(): string {
    return `${this.path}.log`
  }

  /** Makes the empty file. Its folder is not synced. */
  create(): void {
    assert(this.sizeBytes === 0, () => `${this.file} is made empty, not with ${this.sizeBytes} bytes`)
    this.#files.create(this.file)
    this.exists = true
    this.#index = new SegmentIndex(this.base)
    this.#savedOffsets = -1
    this.#savedTimes = -1
  }

  /** Writes behind what is there. If it throws, nothing is taken note of. */
  write(chunks: readonly Uint8Array[], sizeBytes: number, pieces?: WritePieces): void {
    const file = this.#files.use(this.file)
    if (pieces !== undefined && pieces.count > 1)
      writeInPieces(file, chunks, this.sizeBytes, sizeBytes, pieces)
    else if (chunks.length === 1) file.write(chunks[0] as Uint8Array, this.sizeBytes)
    else file.writeAll(chunks, this.sizeBytes)
    const index = this.index()
    let position = this.sizeBytes
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) {
        const batchBytes = batchSizeBytes(chunk, at)
        index.add(position, batchBytes, batchLastOffset(chunk, at), batchMaxTimestamp(chunk, at))
        this.next = batchLastOffset(chunk, at) + 1
        position += batchBytes
        at += batchBytes
      }
    }
    this.sizeBytes += sizeBytes
    assert(
      position === this.sizeBytes,
      () => `${this.file}: batches end at ${position}, not ${this.sizeBytes}`,
    )
  }

  /** Of the first batch; undefined while there is none, or where its head is damaged: a read will say so. */
  get firstTimestamp(): Timestamp | undefined {
    if (this.#firstTimestamp === undefined && this.sizeBytes >= BATCH_HEADER_BYTES) {
      try {
        const head = new Uint8Array(BATCH_HEADER_BYTES)
        this.read(head, 0)
        this.#firstTimestamp = batchMaxTimestamp(head, 0)
      } catch {
        return undefined
      }
    }
    return this.#firstTimestamp
  }

  /** The greatest timestamp of any batch; MIN_SAFE_INTEGER while it is empty. */
  get maxTimestamp(): Timestamp {
    return this.#maxTimestamp ?? this.index().maxTimestamp
  }

  /** Index files that lack something get it first; they can be made again, so an error is no harm. */
  releaseIndex(): void {
    try {
      this.saveIndexes()
    } catch (error) {
      if (!isDiskError(error)) throw error
    }
    if (this.#sealed) this.#maxTimestamp = this.#index?.maxTimestamp
    this.#index = undefined
    this.transactions.release()
  }

  /** Puts the segment back to an earlier state; the index is made again at its next use. */
  truncate(sizeBytes: number, next: Offset): void {
    this.#cuts += 1
    this.#files.use(this.file).truncate(sizeBytes)
    this.sizeBytes = sizeBytes
    this.next = next
    this.#firstTimestamp = undefined
    this.syncedBytes = Math.min(this.syncedBytes, sizeBytes)
    this.#index = undefined
    this.#savedOffsets = -1
    this.#savedTimes = -1
  }

  /** The file that `create` made does not count: the write after it failed. */
  reset(): void {
    this.#cuts += 1
    this.#files.forget(this.file)
    this.exists = false
    this.sizeBytes = 0
    this.next = this.base
    this.syncedBytes = 0
    this.#firstTimestamp = undefined
    this.#index = undefined
  }

  /** The files are about to be removed: nothing is written or synced any more. */
  abandon(): void {
    this.removed = true
    this.#indexes.forget(this)
  }

  /** Closes and removes the files. */
  remove(remove: (path: string) => void): void {
    this.abandon()
    for (const suffix of SEGMENT_SUFFIXES) {
      this.#files.forget(this.path + suffix)
      remove(this.path + suffix)
    }
  }

  sync(done: (error: Error | undefined) => void): void {
    if (this.removed) {
      done(undefined)
      return
    }
    const { sizeBytes } = this
    const cuts = this.#cuts
    this.#files.use(this.file).sync((error) => {
      // Bytes that were taken back meanwhile may lie there anew.
      if (error === undefined && cuts === this.#cuts) this.syncedBytes = Math.max(this.syncedBytes, sizeBytes)
      done(error)
    })
  }

  /** Reads into `target`; everything asked for must be there. */
  read(target: Uint8Array, position: number): void {
    const count = this.#files.use(this.file).read(target, position)
    if (count < target.length) {
      throw this.damage(position + count, `the file ends, but ${this.sizeBytes} bytes were written to it`)
    }
  }

  /**
   * The batches from `position` to `end`, by their heads: each one checked to follow the one before. Stops when
   * `visit` returns true.
   */
  scan(position: number, end: number, visit: (batch: BatchPlace) => boolean): void {
    let at = position
    let buffer: Uint8Array = new Uint8Array(0)
    let bufferAt = position
    let expected = position === 0 ? this.base : -1
    while (at < end) {
      if (at + BATCH_HEADER_BYTES > bufferAt + buffer.length) {
        if (end - at < BATCH_HEADER_BYTES) throw this.damage(at, 'a batch is cut off')
        buffer = new Uint8Array(Math.min(SCAN_BYTES, end - at))
        bufferAt = at
        this.read(buffer, at)
      }
      const batch = this.head(buffer, at - bufferAt, at, end, expected)
      if (visit(batch)) return
      expected = batch.last + 1
      at += batch.sizeBytes
    }
  }

  /** The head at `at` of `bytes`, which is at `position` of the file; checked. `expected` -1: any base offset. */
  head(bytes: Uint8Array, at: number, position: number, end: number, expected: Offset): BatchPlace {
    const magic = bytes[at + 16] as number
    if (magic !== BATCH_MAGIC) throw this.damage(position, `magic is ${magic}, expected ${BATCH_MAGIC}`)
    const sizeBytes = batchSizeBytes(bytes, at)
    if (sizeBytes < BATCH_HEADER_BYTES || position + sizeBytes > end) {
      throw this.damage(position, `a batch says that it has ${sizeBytes} bytes; ${end - position} are left`)
    }
    let first: Offset
    let last: Offset
    let maxTimestamp: number
    try {
      first = batchBaseOffset(bytes, at)
      last = batchLastOffset(bytes, at)
      maxTimestamp = batchMaxTimestamp(bytes, at)
    } catch {
      throw this.damage(position, 'a number in the batch head is out of range')
    }
    if (expected >= 0 && first !== expected)
      throw this.damage(position, `the base offset is ${first}, expected ${expected}`)
    if (last < first || first < this.base || last >= this.next) {
      throw this.damage(
        position,
        `offsets ${first} to ${last} do not belong between ${this.base} and ${this.next}`,
      )
    }
    const leaderEpoch = batchLeaderEpoch(bytes, at)
    return {
      position,
      sizeBytes,
      first,
      last,
      maxTimestamp,
      leaderEpoch,
      attributes: batchAttributes(bytes, at),
    }
  }

  damage(position: number, what: string): MillraceError {
    return new MillraceError(
      'MILLRACE_CORRUPT',
      `the log segment is damaged at ${this.file}:${position}: ${what}; restore the file from a copy, or read from a later offset`,
    )
  }

  /** The index, loaded or made if need be. */
  index(): SegmentIndex {
    this.#index ??= this.#loadIndex()
    this.#indexes.use(this, this.#index.memoryBytes + this.transactions.memoryBytes)
    return this.#index
  }

  get indexesUnsaved(): boolean {
    if (this.transactions.unsaved) return true
    const index = this.#index
    if (index === undefined || this.sizeBytes === 0 || this.removed) return false
    return this.#savedOffsets !== index.offsetCount || this.#savedTimes !== index.timeCount
  }

  /** Of a segment whose file was just put in its place: no need to read it again. */
  adoptIndex(index: SegmentIndex): void {
    assert(this.#sealed, () => `${this.file} gets no more batches`)
    this.#index = index
    this.#indexes.use(this, index.memoryBytes)
  }

  /** What the files say was found wrong: makes the index from the batches, and later the files from it. */
  rebuildIndex(): SegmentIndex {
    const index = new SegmentIndex(this.base)
    this.#addBatches(index, 0)
    if (this.#sealed) index.seal()
    this.#savedOffsets = -1
    this.#savedTimes = -1
    this.#index = index
    return index
  }

  /** No batch comes any more. The indexes get their last entry at the next `saveIndexes`. */
  seal(): void {
    this.#sealed = true
    this.#index?.seal()
  }

  /** Where an index file says something else than the batches; undefined if nowhere. Reads the whole segment. */
  indexFault(): { readonly file: string; readonly position: number; readonly what: string } | undefined {
    const index = new SegmentIndex(this.base)
    this.#addBatches(index, 0)
    if (this.#sealed) index.seal()
    return (
      this.#firstDifference('.index', index.offsetBytes()) ??
      this.#firstDifference('.timeindex', index.timeBytes())
    )
  }

  /** A file may be missing or end early: it is completed when it is needed. */
  #firstDifference(suffix: string, expected: Uint8Array): ReturnType<Segment['indexFault']> {
    const actual = this.#readWhole(suffix) ?? new Uint8Array(0)
    for (let position = 0; position < actual.length; position += 1) {
      if (actual[position] === expected[position]) continue
      const what =
        position >= expected.length
          ? 'there is more than the batches have'
          : 'it does not agree with the batches'
      return { file: this.path + suffix, position, what: `${what}; remove the file, it is made again` }
    }
    return undefined
  }

  /** Appends to the index files what they lack. They are not synced: they can be made again. */
  saveIndexes(): void {
    this.transactions.save()
    const index = this.#index
    if (index === undefined || this.removed) return
    if (this.#savedOffsets !== index.offsetCount) {
      this.#save('.index', index.offsetBytes(Math.max(0, this.#savedOffsets)), this.#savedOffsets * 8)
      this.#savedOffsets = index.offsetCount
    }
    if (this.#savedTimes !== index.timeCount) {
      this.#save('.timeindex', index.timeBytes(Math.max(0, this.#savedTimes)), this.#savedTimes * 12)
      this.#savedTimes = index.timeCount
    }
  }

  /** @param position negative: the file is made anew. */
  #save(suffix: string, bytes: Uint8Array, position: number): void {
    const path = this.path + suffix
    const file = position < 0 ? this.#files.create(path) : this.#files.use(path)
    if (bytes.length > 0) file.write(bytes, Math.max(0, position))
  }

  #loadIndex(): SegmentIndex {
    if (this.sizeBytes === 0) return new SegmentIndex(this.base)
    const offsets = this.#readWhole('.index')
    const times = this.#readWhole('.timeindex')
    if (offsets === undefined || times === undefined) return this.rebuildIndex()
    const index = new SegmentIndex(this.base)
    const from = index.load(offsets, times, this.sizeBytes)
    if (!this.#resume(index, from)) return this.rebuildIndex()
    this.#addBatches(index, from, from > 0)
    if (this.#sealed) index.seal()
    // Files that hold something else are written anew, others get what they lack.
    this.#savedOffsets = savedEntries(offsets, index.offsetBytes(), OFFSET_ENTRY_BYTES)
    this.#savedTimes = savedEntries(times, index.timeBytes(), TIME_ENTRY_BYTES)
    return index
  }

  /** Whether the index's last entry is true; its batch counts as noted. */
  #resume(index: SegmentIndex, from: number): boolean {
    if (from === 0) return true
    try {
      let holds = false
      this.scan(from, this.sizeBytes, (batch) => {
        holds = index.resume(batch.sizeBytes, batch.last, batch.maxTimestamp)
        return true
      })
      return holds
    } catch {
      // No batch begins where the entry points to. If the segment itself is damaged there, the rebuild says so.
      return false
    }
  }

  #addBatches(index: SegmentIndex, from: number, skipFirst = false): void {
    let skip = skipFirst
    this.scan(from, this.sizeBytes, (batch) => {
      if (!skip) index.add(batch.position, batch.sizeBytes, batch.last, batch.maxTimestamp)
      skip = false
      return false
    })
  }

  #readWhole(suffix: string): Uint8Array | undefined {
    try {
      const file = this.#files.use(this.path + suffix)
      const bytes = new Uint8Array(file.size())
      file.read(bytes, 0)
      return bytes
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'MILLRACE_FILE') return undefined
      throw error
    }
  }
}

/** How many entries of the whole index the file has; -1: it has something else. */
function savedEntries(file: Uint8Array, whole: Uint8Array, entryBytes: number): number {
  if (file.length > whole.length || file.length % entryBytes !== 0) return -1
  return Buffer.compare(file, whole.subarray(0, file.length)) === 0 ? file.length / entryBytes : -1
}
