import { MillraceError } from '../../base/errors.ts'
import type { ByteSource } from './byte-source.ts'
import { type Framing, lineFraming } from './framing.ts'

const LINE_FEED = 10
const CARRIAGE_RETURN = 13
const BUFFER_BYTES = 256 * 1024
/** A longer record is most likely no record but a file of another format. */
const RECORD_BYTES_MAX = 100 * 1024 * 1024

/** A record in the reader's buffer: bytes [start, end) without the line's end, which is before `next`. */
export interface Frame {
  readonly start: number
  readonly end: number
  readonly next: number
  /** Number of its first line, from 1. */
  readonly line: number
}

/** Records that lie in the buffer together. Valid until the next read. */
export interface FrameBatch {
  readonly bytes: Buffer
  readonly frames: readonly Frame[]
  /** Position in the content of the first byte of `bytes`. */
  readonly base: number
}

export interface FrameReaderOptions {
  readonly source: ByteSource
  readonly framing: Framing
  /** For messages. */
  readonly path: string
  /** Where the source stands. */
  readonly byte: number
  /** Lines before it. */
  readonly linesBefore: number
  /** The end is only the end for now: a record without its line feed is not complete yet. */
  readonly follow: boolean
  /** Default 100 MiB. */
  readonly recordBytesMax?: number
  /** Default 256 KiB. */
  readonly bufferBytes?: number
}

/**
 * Cuts content into records.
 *
 * State: a buffer with what was read and not yet given, and where it stands in the content. A record that is not
 * complete moves to the front and the rest of the buffer is filled; a buffer full of one record doubles.
 * Rules: a record ends with LF or CR LF; the last one may have neither; a byte order mark at the very beginning is no
 * part of the first record. How the source cuts its reads changes nothing.
 */
export class FrameReader {
  readonly #options: FrameReaderOptions
  readonly #recordBytesMax: number
  readonly #bufferBytes: number
  #buffer: Buffer
  #start = 0
  #end = 0
  #base: number
  #linesBefore: number
  #sourceEnded = false

  constructor(options: FrameReaderOptions) {
    this.#options = options
    this.#recordBytesMax = options.recordBytesMax ?? RECORD_BYTES_MAX
    this.#bufferBytes = options.bufferBytes ?? BUFFER_BYTES
    this.#buffer = Buffer.allocUnsafe(this.#bufferBytes)
    this.#base = options.byte
    this.#linesBefore = options.linesBefore
  }

  /** Everything was given. Stays false while the file is followed. */
  get ended(): boolean {
    return this.#sourceEnded && !this.#options.follow && this.#start === this.#end
  }

  /** Position in the content behind the last record that was given. */
  get byte(): number {
    return this.#base + this.#start
  }

  /** Lines before that position. */
  get linesBefore(): number {
    return this.#linesBefore
  }

  /** The next records, at most `max`; undefined: none now. */
  read(max: number): FrameBatch | undefined {
    let frames = this.#cut(max)
    while (frames.length === 0 && this.#refill()) frames = this.#cut(max)
    return frames.length === 0 ? undefined : { bytes: this.#buffer, frames, base: this.#base }
  }

  #cut(max: number): Frame[] {
    const frames: Frame[] = []
    const { framing } = this.#options
    while (frames.length < max && this.#start < this.#end) {
      const lineFeed = framing(this.#buffer, this.#start, this.#end)
      if (lineFeed === -1 && !this.#lastMayEnd()) break
      const next = lineFeed === -1 ? this.#end : lineFeed + 1
      let end = lineFeed === -1 ? this.#end : lineFeed
      if (end > this.#start && this.#buffer[end - 1] === CARRIAGE_RETURN) end--
      const start = this.#start + this.#markBytes()
      if (start < end || lineFeed !== -1) frames.push({ start, end, next, line: this.#linesBefore + 1 })
      this.#linesBefore += framing === lineFraming ? 1 : linesIn(this.#buffer, this.#start, next)
      this.#start = next
    }
    return frames
  }

  /** The record at the end of the content needs no line feed. */
  #lastMayEnd(): boolean {
    return this.#sourceEnded && !this.#options.follow
  }

  /** Bytes of a byte order mark, which only the very first record can have. */
  #markBytes(): number {
    const at = this.#start
    if (this.#base + at !== 0 || this.#end - at < 3) return 0
    return this.#buffer[at] === 0xef && this.#buffer[at + 1] === 0xbb && this.#buffer[at + 2] === 0xbf ? 3 : 0
  }

  /** Fills the buffer; false: nothing new, and nothing left that could be cut. */
  #refill(): boolean {
    this.#makeRoom()
    const before = this.#end
    while (this.#end < this.#buffer.length) {
      const count = this.#options.source.read(this.#buffer.subarray(this.#end))
      this.#sourceEnded = count === 0
      if (this.#sourceEnded) break
      this.#end += count
    }
    return this.#end > before || (this.#lastMayEnd() && this.#start < this.#end)
  }

  #makeRoom(): void {
    const rest = this.#end - this.#start
    if (rest > this.#recordBytesMax) throw this.#tooLong()
    let target = this.#buffer
    if (rest > this.#buffer.length / 2) target = Buffer.allocUnsafe(this.#buffer.length * 2)
    else if (this.#buffer.length > this.#bufferBytes && rest < this.#bufferBytes / 2) {
      target = Buffer.allocUnsafe(this.#bufferBytes)
    }
    this.#buffer.copy(target, 0, this.#start, this.#end)
    this.#buffer = target
    this.#base += this.#start
    this.#start = 0
    this.#end = rest
  }

  #tooLong(): MillraceError {
    const where = `${this.#options.path}:${this.#linesBefore + 1}`
    return new MillraceError(
      'MILLRACE_RECORD_TOO_LARGE',
      `${where} (byte ${this.byte}): a record does not end within ${this.#recordBytesMax} bytes: ` +
        'check that the file is of this format, and in CSV for a quote that is never closed',
    )
  }
}

/** The record's own lines: one, unless quotes hold line feeds. */
function linesIn(bytes: Buffer, start: number, next: number): number {
  let lines = 0
  for (
    let at = bytes.indexOf(LINE_FEED, start);
    at !== -1 && at < next;
    at = bytes.indexOf(LINE_FEED, at + 1)
  )
    lines++
  return Math.max(1, lines)
}
