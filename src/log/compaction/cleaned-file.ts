import type { LeaderEpoch, Offset } from '../../base/brands.ts'
import { BATCH_HEADER_BYTES, batchMaxTimestamp } from '../../record/batch-header.ts'
import { writeEmptyBatch } from '../../record/empty-batch.ts'
import type { OpenFiles } from '../open-files.ts'
import type { BatchPlace } from '../segment.ts'
import { SegmentIndex } from '../segment-index.ts'

const BUFFER_BYTES = 1024 * 1024
/** Positions in index files are signed 32-bit numbers. */
const POSITION_MAX = 0x7fff_ffff

/**
 * The file of a cleaned segment while it is written. Batches come in the order of their offsets; the place of one or
 * several that went gets one empty batch, so that a reader finds every offset, and damage to one shows.
 */
export class CleanedFile {
  readonly path: string
  readonly index: SegmentIndex
  readonly #files: OpenFiles
  readonly #buffer = new Uint8Array(BUFFER_BYTES)
  #buffered = 0
  /** In the file. */
  #written = 0
  /** Behind the last batch that was written. */
  #next: Offset
  #holeEpoch: LeaderEpoch | undefined

  constructor(files: OpenFiles, path: string, base: Offset) {
    this.#files = files
    this.path = path
    this.index = new SegmentIndex(base)
    this.#next = base
    files.create(path)
  }

  get sizeBytes(): number {
    return this.#written + this.#buffered
  }

  get tooLarge(): boolean {
    return this.sizeBytes > POSITION_MAX - 2 * BUFFER_BYTES
  }

  /** A batch that stays, in `bytes[start, end)`. */
  add(bytes: Uint8Array, start: number, end: number, batch: BatchPlace): void {
    this.#fillHole(batch.first)
    this.index.add(this.sizeBytes, end - start, batch.last, batchMaxTimestamp(bytes, start))
    this.#put(bytes, start, end)
    this.#next = batch.last + 1
  }

  /** A batch that goes. */
  drop(batch: BatchPlace): void {
    this.#holeEpoch ??= batch.leaderEpoch
  }

  /** All batches up to offset `next` were seen. The file is not synced. */
  end(next: Offset): void {
    this.#fillHole(next)
    this.#flush()
    this.index.seal()
  }

  #fillHole(next: Offset): void {
    if (this.#holeEpoch === undefined) return
    const empty = new Uint8Array(BATCH_HEADER_BYTES)
    writeEmptyBatch(empty, this.#next, next - 1, this.#holeEpoch)
    this.index.add(this.sizeBytes, empty.length, next - 1, batchMaxTimestamp(empty, 0))
    this.#put(empty, 0, empty.length)
    this.#next = next
    this.#holeEpoch = undefined
  }

  #put(bytes: Uint8Array, start: number, end: number): void {
    if (end - start > BUFFER_BYTES - this.#buffered) this.#flush()
    if (end - start > BUFFER_BYTES) {
      this.#files.use(this.path).write(bytes.subarray(start, end), this.#written)
      this.#written += end - start
      return
    }
    this.#buffer.set(bytes.subarray(start, end), this.#buffered)
    this.#buffered += end - start
  }

  #flush(): void {
    if (this.#buffered === 0) return
    this.#files.use(this.path).write(this.#buffer.subarray(0, this.#buffered), this.#written)
    this.#written += this.#buffered
    this.#buffered = 0
  }
}
