import { MillraceError } from './errors.ts'

const LINE_FEED = 10
const CARRIAGE_RETURN = 13
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])
/** A longer line is most likely no line but something else than text. */
const LINE_BYTES_MAX = 100 * 1024 * 1024

/**
 * Cuts bytes that come in pieces into lines. A line ends with LF or CR LF, the last one with the end; a byte order mark at
 * the very beginning is none of the first line's. Everything else stays as it is: U+2028 or a lone CR, at which a reader
 * of text may break lines, can be inside of a JSON text.
 */
export class LineCutter {
  /** Pieces of the line that is not complete yet. */
  #begun: Buffer[] = []
  #begunBytes = 0
  #count = 0

  /** Lines that were given. */
  get count(): number {
    return this.#count
  }

  /** @returns the lines that end in this piece; they may be parts of it. @throws MillraceError MILLRACE_RECORD_TOO_LARGE. */
  push(piece: Buffer): Buffer[] {
    const lines: Buffer[] = []
    let from = 0
    for (let end = piece.indexOf(LINE_FEED); end !== -1; end = piece.indexOf(LINE_FEED, from)) {
      lines.push(this.#line(piece.subarray(from, end)))
      from = end + 1
    }
    this.#begin(piece.subarray(from))
    return lines
  }

  /** @returns the last line, if it had no end. */
  end(): Buffer[] {
    return this.#begunBytes === 0 ? [] : [this.#line(Buffer.alloc(0))]
  }

  #begin(rest: Buffer): void {
    if (rest.length === 0) return
    this.#begun.push(rest)
    this.#begunBytes += rest.length
    if (this.#begunBytes <= LINE_BYTES_MAX) return
    const problem = `line ${this.#count + 1} does not end within ${LINE_BYTES_MAX} bytes`
    throw new MillraceError('MILLRACE_RECORD_TOO_LARGE', problem)
  }

  #line(end: Buffer): Buffer {
    let line = this.#begunBytes === 0 ? end : Buffer.concat([...this.#begun, end])
    this.#begun = []
    this.#begunBytes = 0
    if (line.at(-1) === CARRIAGE_RETURN) line = line.subarray(0, -1)
    if (this.#count === 0 && line.subarray(0, 3).equals(BYTE_ORDER_MARK)) line = line.subarray(3)
    this.#count += 1
    return line
  }
}
