/**
 * The stream that Java's snappy library puts around its blocks, and that Kafka's batches hold:
 *
 *   82 "SNAPPY" 00 | version i32 | lowest compatible version i32 | (length i32 | raw snappy block)*
 *
 * Other clients write one raw block without a frame; a reader takes both (a raw block cannot begin like a frame: 0x82
 * 0x53 would say 10,626 bytes and then a copy of bytes that are not there yet).
 * A block begins with its decompressed length as a varint, so its size is known before memory is asked for.
 */
import snappy from 'snappyjs'
import { readInt32, writeInt32 } from '../base/int64.ts'

const MAGIC = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00)
const HEAD_BYTES = MAGIC.length + 8
const VERSION = 1
/** What Java's writer puts into a block. */
const BLOCK_BYTES = 32 * 1024
/** A copy of 64 bytes takes two at least. */
const RATIO_MAX = 64

export function compressSnappy(records: Uint8Array): Uint8Array {
  const head = Buffer.alloc(HEAD_BYTES)
  head.set(MAGIC)
  writeInt32(head, MAGIC.length, VERSION)
  writeInt32(head, MAGIC.length + 4, VERSION)
  const pieces: Uint8Array[] = [head]
  for (let at = 0; at < records.length; at += BLOCK_BYTES) {
    const block = snappy.compress(records.subarray(at, at + BLOCK_BYTES))
    const length = Buffer.alloc(4)
    writeInt32(length, 0, block.length)
    pieces.push(length, block)
  }
  return Buffer.concat(pieces)
}

/** @throws Error in words, where the bytes are no snappy, or would become more than `bytesMax`. */
export function decompressSnappy(blob: Uint8Array, bytesMax: number): Uint8Array {
  if (!MAGIC.every((byte, index) => blob[index] === byte)) return decompressBlock(blob, bytesMax)
  if (blob.length < HEAD_BYTES) throw new Error(`the head is cut off at byte ${blob.length}`)
  const pieces: Uint8Array[] = []
  let total = 0
  for (let at = HEAD_BYTES; at < blob.length; ) {
    const length = at + 4 > blob.length ? -1 : readInt32(blob, at)
    at += 4
    if (length < 0 || at + length > blob.length)
      throw new Error(`the block at byte ${at} of ${blob.length} is cut off`)
    const piece = decompressBlock(blob.subarray(at, at + length), bytesMax - total)
    pieces.push(piece)
    total += piece.length
    at += length
  }
  return Buffer.concat(pieces, total)
}

function decompressBlock(block: Uint8Array, bytesMax: number): Uint8Array {
  const expected = decompressedBytes(block)
  if (expected > bytesMax)
    throw new Error(`it would become ${expected} bytes, at most ${bytesMax} are allowed`)
  if (expected > block.length * RATIO_MAX)
    throw new Error(`${block.length} bytes cannot become the ${expected} that they promise`)
  return snappy.uncompress(block)
}

/** The unsigned varint at the begin of a block. */
function decompressedBytes(block: Uint8Array): number {
  let value = 0
  for (let at = 0; at < 5; at++) {
    const byte = block[at]
    if (byte === undefined) break
    value += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) return value
  }
  throw new Error('it does not begin with a length')
}
