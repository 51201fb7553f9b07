/**
 * LZ4's frame format, as Kafka's batches hold it; the blocks inside are the library's work.
 *
 *   04 22 4d 18 | flags | block size code << 4 | content size 8? | dictionary 4? | checksum of the head
 *   (length u32 little-endian, top bit: stored as it is | block | checksum 4?)* | 0 | checksum 4?
 *
 * We write blocks of 64 KiB that do not refer to each other, without sizes and checksums: the batch has its own. The head
 * is then always the same. A reader takes every frame; how large it becomes is bounded by the heads of its blocks,
 * before memory is asked for.
 */
import { compressBlock, decompressBlock } from 'lz4js'

const MAGIC = 0x18_4d_22_04
const HEAD = Buffer.from('04224d18604082', 'hex')
const BLOCK_BYTES = 64 * 1024
const BLOCK_CHECKSUM_BIT = 0x10
const CONTENT_SIZE_BIT = 0x08
const DICTIONARY_BIT = 0x01
const STORED_BIT = 0x8000_0000
/** A byte of a block stands for so many at most. */
const RATIO_MAX = 255
const HASH_TABLE_ENTRIES = 1 << 16

export function compressLz4(records: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [HEAD]
  const hashTable = new Uint32Array(HASH_TABLE_ENTRIES)
  for (let at = 0; at < records.length; at += BLOCK_BYTES) {
    const plain = records.subarray(at, at + BLOCK_BYTES)
    // Bytes that do not compress grow a little; the codec does not look whether its target ends.
    const block = new Uint8Array(plain.length + (plain.length >> 7) + 64)
    const packedBytes = compressBlock(plain, block, 0, plain.length, hashTable.fill(0))
    const packed = packedBytes > 0 && packedBytes < plain.length
    pieces.push(
      packed ? lengthOf(packedBytes) : lengthOf(plain.length + STORED_BIT),
      packed ? block.subarray(0, packedBytes) : plain,
    )
  }
  pieces.push(lengthOf(0))
  return Buffer.concat(pieces)
}

/** @throws Error in words, where the bytes are no LZ4 frame, or could become more than `bytesMax`. */
export function decompressLz4(blob: Uint8Array, bytesMax: number): Uint8Array {
  const frame = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength)
  const blocks = blocksOf(frame)
  const bound = blocks.reduce((total, { bytesMax: ofBlock }) => total + ofBlock, 0)
  if (bound > bytesMax) throw new Error(`it may become ${bound} bytes, at most ${bytesMax} are allowed`)
  const target = new Uint8Array(bound)
  let end = 0
  for (const { at, length, stored } of blocks) {
    if (stored) {
      target.set(frame.subarray(at, at + length), end)
      end += length
    } else {
      // Later blocks may refer to earlier ones, which lie before them in the target.
      end = decompressBlock(frame, target, at, length, end)
    }
    if (!(end <= bound)) throw new Error(`the block at byte ${at} becomes more than it may`)
  }
  return target.subarray(0, end)
}

interface Block {
  readonly at: number
  readonly length: number
  readonly stored: boolean
  readonly bytesMax: number
}

function blocksOf(frame: Buffer): Block[] {
  if (frame.length < HEAD.length || frame.readUInt32LE(0) !== MAGIC) throw new Error('it is no LZ4 frame')
  const flags = frame[4] as number
  const code = ((frame[5] as number) >> 4) & 0x07
  if (code < 4) throw new Error(`its block size code is ${code}, expected 4 to 7`)
  if ((flags & DICTIONARY_BIT) !== 0) throw new Error('it needs a dictionary')
  // Codes 4 to 7 are 64 KiB, 256 KiB, 1 MiB and 4 MiB.
  const blockMax = 1 << (8 + 2 * code)
  const behindBlock = (flags & BLOCK_CHECKSUM_BIT) === 0 ? 0 : 4
  const blocks: Block[] = []
  let at = HEAD.length + ((flags & CONTENT_SIZE_BIT) === 0 ? 0 : 8)
  for (;;) {
    if (at + 4 > frame.length) throw new Error(`the frame is cut off at byte ${at} of ${frame.length}`)
    const head = frame.readUInt32LE(at)
    if (head === 0) return blocks
    const stored = head >= STORED_BIT
    const length = stored ? head - STORED_BIT : head
    at += 4
    if (length > blockMax) throw new Error(`the block at byte ${at} has ${length} bytes, at most ${blockMax}`)
    const bytesMax = stored ? length : Math.min(blockMax, length * RATIO_MAX)
    blocks.push({ at, length, stored, bytesMax })
    at += length + behindBlock
  }
}

function lengthOf(length: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(length)
  return bytes
}
