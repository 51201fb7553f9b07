import {
  Z_BUF_ERROR,
  Z_NO_FLUSH,
  Z_OK,
  Z_STREAM_END,
  ZStream,
  zlibInflate,
  zlibInflateInit2,
  zlibInflateReset,
} from 'pako'
import { assert } from '../../base/assert.ts'
import { MillraceError } from '../../base/errors.ts'
import type { DiskFile } from '../../sys/disk.ts'
import type { ByteSource } from './byte-source.ts'

const INPUT_BYTES = 64 * 1024
/** What one `skip` decompresses at most: some 4 ms of work. */
const SKIP_BYTES = 1024 * 1024
/** zlib's code for a window of 2^15 bytes and a gzip header that must be there. */
const GZIP_WINDOW_BITS = 15 + 16

/**
 * The content of a gzip file, decompressed slice by slice into the caller's memory.
 *
 * Node's zlib decompresses either all at once (not bounded) or on other threads (not synchronous, so not for the test
 * driver and the simulator); pako is zlib's own algorithm with its streaming face, synchronous, about as fast, and
 * checks length and CRC of each member. Several members one after the other are one content, as in `cat a.gz b.gz`;
 * zeros behind the last one are padding.
 * Memory: 64 KiB of input and zlib's window of 32 KiB, whatever the file says it holds.
 */
export class GzipBytes implements ByteSource {
  readonly #file: DiskFile
  readonly #input = new Uint8Array(INPUT_BYTES)
  readonly #stream = new ZStream()
  #skipped: Uint8Array | undefined
  #filePosition = 0
  #contentPosition = 0
  #members = 0
  /** Between two members: the input may end here, unless there was none yet. */
  #between = true

  constructor(file: DiskFile) {
    this.#file = file
    const status = zlibInflateInit2(this.#stream, GZIP_WINDOW_BITS)
    assert(status === Z_OK, 'zlib starts')
  }

  read(target: Uint8Array): number {
    if (target.length === 0) return 0
    const stream = this.#stream
    stream.output = target as Uint8Array<ArrayBuffer>
    stream.next_out = 0
    stream.avail_out = target.length
    // A step that gives nothing (a header, the end of a member) is followed by the next one.
    while (stream.next_out === 0) if (!this.#step()) break
    this.#contentPosition += stream.next_out
    return stream.next_out
  }

  skip(bytes: number): number {
    this.#skipped ??= new Uint8Array(INPUT_BYTES)
    let skipped = 0
    while (skipped < Math.min(bytes, SKIP_BYTES)) {
      const count = this.read(this.#skipped.subarray(0, Math.min(bytes - skipped, INPUT_BYTES)))
      if (count === 0) break
      skipped += count
    }
    return skipped
  }

  progress(): { readonly done: number; readonly total: number } {
    return { done: this.#filePosition - this.#stream.avail_in, total: this.#file.size() }
  }

  close(): void {
    this.#file.close()
  }

  /** Decompresses what fits; false: the file has ended where it may. */
  #step(): boolean {
    if (this.#stream.avail_in === 0 && !this.#fill()) {
      if (this.#between && this.#members > 0) return false
      throw this.#corrupt('the file ends within the compressed data: it was cut, or is still being written')
    }
    if (this.#between && !this.#beginMember()) return true
    const status = zlibInflate(this.#stream, Z_NO_FLUSH)
    if (status === Z_STREAM_END) this.#between = true
    else if (status !== Z_OK && status !== Z_BUF_ERROR)
      throw this.#corrupt(this.#stream.msg || `zlib status ${status}`)
    return true
  }

  /** False: only padding so far. */
  #beginMember(): boolean {
    const stream = this.#stream
    if (this.#members > 0) {
      while (stream.avail_in > 0 && stream.input[stream.next_in] === 0) {
        stream.next_in++
        stream.avail_in--
      }
      if (stream.avail_in === 0) return false
    }
    zlibInflateReset(stream)
    this.#members++
    this.#between = false
    return true
  }

  #fill(): boolean {
    const count = this.#file.read(this.#input, this.#filePosition)
    this.#filePosition += count
    this.#stream.input = this.#input
    this.#stream.next_in = 0
    this.#stream.avail_in = count
    return count > 0
  }

  #corrupt(problem: string): MillraceError {
    const where = `byte ${this.#filePosition - this.#stream.avail_in}, after ${this.#contentPosition} bytes of content`
    return new MillraceError(
      'MILLRACE_CORRUPT',
      `${this.#file.path} is no whole gzip file (${where}): ${problem}; get the file again and go on with the same name`,
    )
  }
}
