import { isAbsolute, join } from 'node:path'
import { assert } from '../../base/assert.ts'
import type { PartitionId } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type {
  ConnectorContext,
  Source,
  SourceItem,
  SourcePosition,
  SourceReader,
} from '../../flow/graph/connector.ts'
import type { Timer } from '../../sys/sys.ts'
import type { ByteSource } from './byte-source.ts'
import type { FileDecoder, FileFormat } from './file-format.ts'
import {
  FileHead,
  FilePosition,
  type FilePositionParts,
  HEAD_BYTES,
  parseFilePosition,
} from './file-position.ts'
import { type FrameBatch, FrameReader } from './frame-reader.ts'
import { openBytes } from './open-bytes.ts'

/** How often a followed file is looked at when it has nothing new. */
const FOLLOW_MS = 200

const BEGINNING: FilePositionParts = { byte: 0, linesBefore: 0, head: 0 }

/** The records of a file, one partition. Describing one touches nothing. */
export function fileSource(path: string, format: FileFormat, follow: boolean): Source {
  if (follow && path.endsWith('.gz')) {
    const problem = `${path} cannot be followed: compressed data has no end until it is complete`
    throw new MillraceError('MILLRACE_INVALID_ARGUMENT', `${problem}; read it without follow`)
  }
  return Object.freeze({
    id: `file:${path}`,
    partitions: 1,
    open: (context: ConnectorContext, partition: PartitionId, position: SourcePosition | undefined) => {
      assert(partition === 0, 'a file is one partition')
      return new FileReader(context, resolvePath(context.baseFolder, path), format, follow, position)
    },
  })
}

export function resolvePath(baseFolder: string, path: string): string {
  return isAbsolute(path) ? path : join(baseFolder, path)
}

/**
 * Reads the records of a file from a position on.
 *
 * Exactly once: a record's position is the byte behind it in the (decompressed) content, which the engine commits
 * together with what the record did; reading goes on there. The position also knows the file's first bytes, so that
 * another file under the same name is refused instead of being read from the middle.
 * The time of a record is that of its reading, until the pipeline says where its event time is.
 * Work: a poll reads and decodes at most one buffer (256 KiB, more only for a longer record), or skips a slice.
 */
class FileReader implements SourceReader {
  readonly #context: ConnectorContext
  readonly #path: string
  readonly #follow: boolean
  readonly #source: ByteSource
  readonly #head = new FileHead()
  readonly #frames: FrameReader
  readonly #format: FileFormat
  #decoder: FileDecoder | undefined
  #offset: number
  #toSkip: number
  #checkAgain: Timer | undefined

  constructor(
    context: ConnectorContext,
    path: string,
    format: FileFormat,
    follow: boolean,
    committed: SourcePosition | undefined,
  ) {
    const at = committed === undefined ? BEGINNING : parseFilePosition(path, committed)
    this.#context = context
    this.#path = path
    this.#follow = follow
    this.#format = format
    this.#offset = committed?.offset ?? 0
    this.#toSkip = at.byte
    if (at.byte > 0) this.#recognise(at)
    this.#source = openBytes(context.sys.disk, path)
    const source = at.byte >= HEAD_BYTES ? this.#source : watched(this.#source, this.#head, at.byte)
    const { byte, linesBefore } = at
    this.#frames = new FrameReader({ source, framing: format.framing, path, byte, linesBefore, follow })
    if (at.byte > 0) this.#decoder = format.decoder(format.header ? this.#headerAgain() : undefined, path)
  }

  poll(max: number): readonly SourceItem[] {
    if (this.#toSkip > 0 && !this.#skip()) return []
    if (this.#follow) this.#mustNotShrink()
    if (this.#decoder === undefined) this.#begin()
    const batch = this.#decoder === undefined ? undefined : this.#frames.read(Math.max(1, max))
    if (batch === undefined) {
      if (this.#follow) this.#lookAgainLater()
      return []
    }
    return this.#items(batch)
  }

  position(): SourcePosition {
    const byte = this.#frames.byte
    return new FilePosition(this.#offset, byte, this.#frames.linesBefore, this.#head)
  }

  ended(): boolean {
    return this.#toSkip === 0 && this.#frames.ended
  }

  progress(): { readonly done: number; readonly total: number } {
    return this.#source.progress()
  }

  close(): void {
    this.#checkAgain?.cancel()
    this.#source.close()
  }

  #items(batch: FrameBatch): readonly SourceItem[] {
    const decoded = this.#decoder?.(batch) ?? []
    const timestamp = this.#context.sys.clock.now()
    const items: SourceItem[] = []
    batch.frames.forEach((frame, index) => {
      const outcome = decoded[index]
      if (outcome === undefined) return
      this.#offset++
      const after = batch.frames[index + 1]
      const linesBefore = after === undefined ? this.#frames.linesBefore : after.line - 1
      const position = new FilePosition(this.#offset, batch.base + frame.next, linesBefore, this.#head)
      const { line } = frame
      const base = { key: null, timestamp, where: `${this.#path}:${line}`, line, position }
      if ('value' in outcome) items.push({ value: outcome.value, ...base })
      else {
        const raw = new Uint8Array(batch.bytes.subarray(frame.start, frame.end))
        items.push({ value: undefined, ...base, failure: { error: outcome.error, raw } })
      }
    })
    // Nothing but blank lines: there may be more behind them.
    if (items.length === 0) this.#context.wake()
    return items
  }

  /** Reads the header at the very beginning of the file. */
  #begin(): void {
    if (!this.#format.header) {
      this.#decoder = this.#format.decoder(undefined, this.#path)
      return
    }
    const header = this.#frames.read(1)
    if (header !== undefined) this.#decoder = this.#format.decoder(bytesOfFirst(header), this.#path)
  }

  /** The header, when reading goes on behind it. */
  #headerAgain(): Buffer | undefined {
    const source = openBytes(this.#context.sys.disk, this.#path)
    try {
      const { framing } = this.#format
      const frames = new FrameReader({
        source,
        framing,
        path: this.#path,
        byte: 0,
        linesBefore: 0,
        follow: false,
      })
      const batch = frames.read(1)
      return batch === undefined ? undefined : bytesOfFirst(batch)
    } finally {
      source.close()
    }
  }

  /** True when the committed position is reached. */
  #skip(): boolean {
    const skipped = this.#source.skip(this.#toSkip)
    this.#toSkip -= skipped
    if (this.#toSkip === 0) return true
    if (skipped === 0) throw this.#tooShort()
    this.#context.wake()
    return false
  }

  /** Compares the file's first bytes with those of the file that was read before. */
  #recognise(at: FilePositionParts): void {
    const source = openBytes(this.#context.sys.disk, this.#path)
    try {
      const bytes = new Uint8Array(Math.min(at.byte, HEAD_BYTES))
      let length = 0
      for (let count = -1; count !== 0 && length < bytes.length; length += count) {
        count = source.read(bytes.subarray(length))
      }
      this.#head.add(bytes.subarray(0, length))
      if (length < bytes.length) throw this.#tooShort()
    } finally {
      source.close()
    }
    if (this.#head.crc(at.byte) === at.head) return
    throw new MillraceError(
      'MILLRACE_FILE',
      `${this.#path} is not the file that was read before, up to byte ${at.byte}: it begins with other bytes. Put the ` +
        'old file back, or give the source another file name or the app another name to read this one from its beginning',
    )
  }

  #tooShort(): MillraceError {
    return new MillraceError(
      'MILLRACE_FILE',
      `${this.#path} ends before the position that was read and committed: it was cut or replaced. Put the old file ` +
        'back, or give the source another file name or the app another name',
    )
  }

  #mustNotShrink(): void {
    const size = this.#context.sys.disk.size(this.#path)
    if (size === undefined || size < this.#frames.byte) throw this.#tooShort()
  }

  #lookAgainLater(): void {
    this.#checkAgain?.cancel()
    this.#checkAgain = this.#context.sys.timers.after(FOLLOW_MS, () => this.#context.wake())
  }
}

function bytesOfFirst(batch: FrameBatch): Buffer {
  const frame = batch.frames[0]
  assert(frame !== undefined, 'a batch has a record')
  return Buffer.from(batch.bytes.subarray(frame.start, frame.end))
}

/** The same source, whose first bytes are noted on their way. */
function watched(source: ByteSource, head: FileHead, from: number): ByteSource {
  assert(head.missing === HEAD_BYTES - from, 'the head is known up to where reading begins')
  return {
    read: (target) => {
      const count = source.read(target)
      if (head.missing > 0) head.add(target.subarray(0, count))
      return count
    },
    skip: (bytes) => source.skip(bytes),
    progress: () => source.progress(),
    close: () => source.close(),
  }
}
