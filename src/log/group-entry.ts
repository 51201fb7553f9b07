import type { Offset, PartitionId, TopicId } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import { readInt32, readInt64, writeInt32, writeInt64 } from '../base/int64.ts'
import type { JournalBlock } from './journal-entry.ts'

/*
 * The body of a `group` entry: u32 number of parts, then per part
 *
 *    0 topic id, 16 bytes | 16 partition u32 | 20 place u32 (0: the bytes follow; 1: they are in the segment)
 *   24 segment i64 (its base offset) | 32 position u32 in the segment | 36 sizeBytes u32
 *   40 first offset i64 | 48 next offset i64 (behind the last record) | 56 crc u32 of the bytes, 0 where they follow
 */
const PART_HEAD_BYTES = 60

export interface GroupPart {
  readonly topic: TopicId
  readonly partition: PartitionId
  readonly segment: Offset
  readonly position: number
  readonly sizeBytes: number
  readonly first: Offset
  readonly next: Offset
  /** Undefined: they are in the segment, and `crc` must be theirs. */
  readonly bytes: Uint8Array | undefined
  readonly crc: number
}

/** Appends the number of parts; as many calls of `writeGroupPart` must follow. */
export function writeGroupHead(block: JournalBlock, parts: number): void {
  const at = block.reserve(4)
  writeInt32(block.buffer, at, parts)
}

/** @param id the topic's id as 16 bytes. */
export function writeGroupPart(block: JournalBlock, id: Uint8Array, part: Omit<GroupPart, 'topic'>): void {
  const at = block.reserve(PART_HEAD_BYTES)
  const buffer = block.buffer
  buffer.set(id, at)
  writeInt32(buffer, at + 16, part.partition)
  writeInt32(buffer, at + 20, part.bytes === undefined ? 1 : 0)
  writeInt64(buffer, at + 24, part.segment)
  writeInt32(buffer, at + 32, part.position)
  writeInt32(buffer, at + 36, part.sizeBytes)
  writeInt64(buffer, at + 40, part.first)
  writeInt64(buffer, at + 48, part.next)
  writeInt32(buffer, at + 56, part.crc)
  if (part.bytes !== undefined) block.put(part.bytes)
}

/** @param where file and position of the entry, for messages. */
export function readGroup(body: Uint8Array, where: string): GroupPart[] {
  const parts: GroupPart[] = []
  const count = body.length < 4 ? -1 : readInt32(body, 0)
  let at = 4
  for (let index = 0; index < count; index += 1) {
    if (at + PART_HEAD_BYTES > body.length) throw malformed(where)
    const place = readInt32(body, at + 20)
    const sizeBytes = readInt32(body, at + 36)
    const bytesAt = at + PART_HEAD_BYTES
    at = place === 0 ? bytesAt + sizeBytes : bytesAt
    if (sizeBytes < 0 || at > body.length || place > 1) throw malformed(where)
    const head = bytesAt - PART_HEAD_BYTES
    parts.push({
      topic: uuidText(body.subarray(head, head + 16)),
      partition: readInt32(body, head + 16),
      segment: readInt64(body, head + 24),
      position: readInt32(body, head + 32) >>> 0,
      sizeBytes,
      first: readInt64(body, head + 40),
      next: readInt64(body, head + 48),
      bytes: place === 0 ? body.subarray(bytesAt, at) : undefined,
      crc: readInt32(body, head + 56) >>> 0,
    })
  }
  if (at !== body.length) throw malformed(where)
  return parts
}

export function uuidBytes(uuid: string): Uint8Array {
  return Uint8Array.from(Buffer.from(uuid.replaceAll('-', ''), 'hex'))
}

export function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

function malformed(where: string): MillraceError {
  return new MillraceError('MILLRACE_CORRUPT', `the group entry of the journal at ${where} has no sense`)
}
