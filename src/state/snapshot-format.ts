/**
 * The file of a snapshot. Numbers are little-endian: only this machine's processes read it, and only until the next one.
 *
 *   file      magic 'MRSN', version u32, then blocks
 *   block     bytes u32 (of the body), crc32 u32 (of the body), body
 *   body      kind u8, then by kind:
 *     head    JSON: what the snapshot is of, and the changelog's position when it began
 *     entries keysAscii u8, two spare bytes, count u32, keyBytes u32, namespace f64,
 *             keyEnds u32 x count, valueEnds u32 x count, keys, values
 *     end     JSON: how many entries there are, and the changelog's position when it was done
 *
 * Keys and values lie apart. Where all keys are ASCII text (`keysAscii` 1) they lie bare, else as in the changelog,
 * without namespace.
 *
 * A file is whole exactly if it ends with an `end` block and every checksum holds.
 */
import { crc32 } from 'node:zlib'
import type { LeaderEpoch, Offset } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import type { DiskFile } from '../sys/disk.ts'
import { asciiKeyStart, decodeChangeKey } from './changelog-codec.ts'
import type { StoreKey } from './keyed-store.ts'
import type { SnapshotSource } from './snapshot-source.ts'
import { asBuffer } from './store-codec.ts'

export const SNAPSHOT_VERSION = 1
export const FILE_HEAD_BYTES = 8
export const BLOCK_HEAD_BYTES = 8
/** Kind, keysAscii, spare, count, keyBytes, namespace. */
export const ENTRIES_HEAD_BYTES = 20
const MAGIC = 'MRSN'

export const BLOCK_HEAD = 1
export const BLOCK_ENTRIES = 2
export const BLOCK_END = 3

/** A place in the changelog: the next offset, in the reign that wrote it. */
export interface ChangelogPosition {
  readonly offset: Offset
  readonly leaderEpoch: LeaderEpoch
}

export interface SnapshotHead {
  /** What the snapshot is of: a store's name, its codec, topic and partition of its changelog. Compared as a whole. */
  readonly identity: string
  readonly begin: ChangelogPosition
}

export interface SnapshotEnd {
  readonly entries: number
  readonly end: ChangelogPosition
}

export type Block =
  | { readonly kind: 'head'; readonly head: SnapshotHead }
  | { readonly kind: 'entries'; readonly body: Uint8Array }
  | { readonly kind: 'end'; readonly end: SnapshotEnd }

export function encodeFileHead(): Uint8Array {
  const bytes = Buffer.alloc(FILE_HEAD_BYTES)
  bytes.write(MAGIC, 'latin1')
  bytes.writeUInt32LE(SNAPSHOT_VERSION, 4)
  return bytes
}

export function encodeTextBlock(
  kind: typeof BLOCK_HEAD | typeof BLOCK_END,
  value: SnapshotHead | SnapshotEnd,
): Uint8Array {
  const text = JSON.stringify(value)
  const block = Buffer.alloc(BLOCK_HEAD_BYTES + 1 + Buffer.byteLength(text))
  block[BLOCK_HEAD_BYTES] = kind
  block.write(text, BLOCK_HEAD_BYTES + 1)
  sealBlock(block)
  return block
}

/** Fills in the length and the checksum of a block whose body stands behind its head. */
export function sealBlock(block: Buffer): void {
  block.writeUInt32LE(block.length - BLOCK_HEAD_BYTES, 0)
  block.writeUInt32LE(crc32(block.subarray(BLOCK_HEAD_BYTES)), 4)
}

/** Reads a snapshot's file block by block. Every fault is MILLRACE_CORRUPT with file and position. */
export class SnapshotFileReader {
  readonly #file: DiskFile
  readonly sizeBytes: number
  #position = FILE_HEAD_BYTES

  constructor(file: DiskFile) {
    this.#file = file
    this.sizeBytes = file.size()
    const head = this.#bytes(0, FILE_HEAD_BYTES)
    if (head.toString('latin1', 0, 4) !== MAGIC) throw this.#damaged(0, 'it is no snapshot')
    const version = head.readUInt32LE(4)
    if (version !== SNAPSHOT_VERSION) {
      throw new MillraceError(
        'MILLRACE_NEWER_FORMAT',
        `${file.path} has format ${version}, expected ${SNAPSHOT_VERSION}`,
      )
    }
  }

  get position(): number {
    return this.#position
  }

  /** The next block; undefined at the end of the file. */
  next(): Block | undefined {
    const at = this.#position
    if (at === this.sizeBytes) return undefined
    const head = this.#bytes(at, BLOCK_HEAD_BYTES)
    const body = this.#bytes(at + BLOCK_HEAD_BYTES, head.readUInt32LE(0))
    const expected = head.readUInt32LE(4)
    const actual = crc32(body)
    if (actual !== expected) throw this.#damaged(at, `checksum ${expected} expected, ${actual} found`)
    this.#position = at + BLOCK_HEAD_BYTES + body.length
    switch (body[0]) {
      case BLOCK_HEAD:
        return { kind: 'head', head: JSON.parse(body.toString('utf8', 1)) as SnapshotHead }
      case BLOCK_ENTRIES:
        return { kind: 'entries', body }
      case BLOCK_END:
        return { kind: 'end', end: JSON.parse(body.toString('utf8', 1)) as SnapshotEnd }
      default:
        throw this.#damaged(at, `a block of kind ${body[0]} is not known`)
    }
  }

  #bytes(position: number, length: number): Buffer {
    if (position + length > this.sizeBytes) {
      throw this.#damaged(
        position,
        `${length} bytes are wanted, ${Math.max(0, this.sizeBytes - position)} are there`,
      )
    }
    const bytes = Buffer.allocUnsafeSlow(length)
    const read = this.#file.read(bytes, position)
    if (read !== length) throw this.#damaged(position, `${length} bytes are wanted, ${read} could be read`)
    return bytes
  }

  #damaged(position: number, what: string): MillraceError {
    return new MillraceError('MILLRACE_CORRUPT', `${this.#file.path}:${position} is damaged: ${what}`)
  }
}

/** Gives every entry of a checked block to a source that is restored. Returns how many there were. */
export function restoreEntries(body: Uint8Array, source: SnapshotSource): number {
  const buffer = asBuffer(body)
  const keysAscii = buffer[1] === 1
  const count = buffer.readUInt32LE(4)
  const keyBytes = buffer.readUInt32LE(8)
  const namespace = buffer.readDoubleLE(12)
  const ends = ENTRIES_HEAD_BYTES
  const keysStart = ends + count * 8
  const valuesStart = keysStart + keyBytes
  let keyStart = keysStart
  let valueStart = valuesStart
  for (let index = 0; index < count; index += 1) {
    const keyEnd = keysStart + buffer.readUInt32LE(ends + index * 4)
    const valueEnd = valuesStart + buffer.readUInt32LE(ends + (count + index) * 4)
    const text = keysAscii ? keyStart : asciiKeyStart(buffer, keyStart, keyEnd)
    if (text >= 0) {
      source.restoreText(namespace, buffer, text, keyEnd, valueStart, valueEnd)
    } else {
      const { key } = decodeChangeKey(buffer, keyStart, keyEnd)
      source.restoreEntry(namespace, key as StoreKey, buffer, valueStart, valueEnd)
    }
    keyStart = keyEnd
    valueStart = valueEnd
  }
  return count
}
