import { crc32 } from 'node:zlib'
import { MillraceError } from '../../base/errors.ts'
import type { SourcePosition } from '../../flow/graph/connector.ts'

/** Bytes at the beginning of a file by which it is recognised. */
export const HEAD_BYTES = 256

/** A position in a file, as the source's text in a commit says it: 'v1:BYTE:LINES:HEAD'. */
export interface FilePositionParts {
  /** In the content, decompressed. */
  readonly byte: number
  /** Lines before it. */
  readonly linesBefore: number
  /** CRC-32 of the first `min(byte, HEAD_BYTES)` bytes of the content: another file of that name has another one. */
  readonly head: number
}

const METADATA = /^v1:(0|[1-9]\d{0,15}):(0|[1-9]\d{0,15}):([0-9a-f]{1,8})$/

/**
 * The position behind a record. Its text is made when a commit asks for it: of a thousand records one is the last of
 * its commit.
 */
export class FilePosition implements SourcePosition {
  readonly offset: number
  readonly #byte: number
  readonly #linesBefore: number
  readonly #head: FileHead

  constructor(offset: number, byte: number, linesBefore: number, head: FileHead) {
    this.offset = offset
    this.#byte = byte
    this.#linesBefore = linesBefore
    this.#head = head
  }

  get metadata(): string {
    return `v1:${this.#byte}:${this.#linesBefore}:${this.#head.crc(this.#byte).toString(16)}`
  }
}

/** @throws MillraceError MILLRACE_CORRUPT for a text that no file source wrote. */
export function parseFilePosition(path: string, position: SourcePosition): FilePositionParts {
  const match = METADATA.exec(position.metadata)
  if (match === null) {
    throw new MillraceError(
      'MILLRACE_CORRUPT',
      `the committed position ${JSON.stringify(position.metadata)} of ${path} is none of a file: it was written by ` +
        'another source, or by a newer version; give the app another name to read the file again',
    )
  }
  return { byte: Number(match[1]), linesBefore: Number(match[2]), head: Number.parseInt(match[3] ?? '', 16) }
}

/** The first bytes of a file's content, as far as they were read. */
export class FileHead {
  readonly #bytes = new Uint8Array(HEAD_BYTES)
  #length = 0
  #whole: number | undefined

  /** Takes the bytes that follow those it has. */
  add(bytes: Uint8Array): void {
    const part = bytes.subarray(0, HEAD_BYTES - this.#length)
    this.#bytes.set(part, this.#length)
    this.#length += part.length
  }

  get missing(): number {
    return HEAD_BYTES - this.#length
  }

  /** CRC-32 of the first `min(byte, HEAD_BYTES)` bytes. */
  crc(byte: number): number {
    if (byte < HEAD_BYTES) return crc32(this.#bytes.subarray(0, Math.min(byte, this.#length)))
    this.#whole ??= crc32(this.#bytes.subarray(0, this.#length))
    return this.#whole
  }
}
