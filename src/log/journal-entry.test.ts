import { describe, expect, test } from 'vitest'
import { readGroup, uuidBytes, uuidText, writeGroupHead, writeGroupPart } from './group-entry.ts'
import {
  aligned,
  END_MARK_BYTES,
  ENTRY_HEAD_BYTES,
  ENTRY_TYPE,
  isEndMark,
  JournalBlock,
  type JournalEntry,
  nextEntryPosition,
  readEntry,
} from './journal-entry.ts'

const ID = '12345678-9abc-4def-8123-456789abcdef'

function block(): JournalBlock {
  const result = new JournalBlock()
  result.begin(7, 5, ENTRY_TYPE.startMoved)
  result.put(Uint8Array.of(1, 2, 3))
  result.end()
  result.begin(8, 5, ENTRY_TYPE.group)
  writeGroupHead(result, 2)
  const part = { partition: 3, segment: 2 ** 40, position: 9, first: 2 ** 40 + 1, next: 2 ** 40 + 4 }
  writeGroupPart(result, uuidBytes(ID), {
    ...part,
    sizeBytes: 5,
    bytes: Uint8Array.of(9, 8, 7, 6, 5),
    crc: 0,
  })
  writeGroupPart(result, uuidBytes(ID), { ...part, sizeBytes: 100, bytes: undefined, crc: 0xfedcba98 })
  result.end()
  result.putEndMark()
  return result
}

describe('entries', () => {
  test('the bytes of one', () => {
    const bytes = block().bytes()
    expect(Buffer.from(bytes.subarray(0, 32)).toString('hex')).toBe(
      `0000001f${Buffer.from(bytes.subarray(4, 8)).toString('hex')}000000000000000700000000000000050401000001020300`,
    )
  })

  test('are read back, one after the other', () => {
    const bytes = block().bytes()
    const first = readEntry(bytes, 0, '/j') as JournalEntry
    expect(first).toMatchObject({ number: 7, durable: 5, type: 4, version: 1, file: '/j', position: 0 })
    expect([...first.body]).toEqual([1, 2, 3])
    const second = readEntry(bytes, nextEntryPosition(first), '/j') as JournalEntry
    expect(second.position).toBe(32)
    const parts = readGroup(second.body, '/j:32')
    expect(parts).toEqual([
      {
        topic: ID,
        partition: 3,
        segment: 2 ** 40,
        position: 9,
        sizeBytes: 5,
        first: 2 ** 40 + 1,
        next: 2 ** 40 + 4,
        bytes: Uint8Array.of(9, 8, 7, 6, 5),
        crc: 0,
      },
      {
        topic: ID,
        partition: 3,
        segment: 2 ** 40,
        position: 9,
        sizeBytes: 100,
        first: 2 ** 40 + 1,
        next: 2 ** 40 + 4,
        bytes: undefined,
        crc: 0xfedcba98,
      },
    ])
    const end = nextEntryPosition(second)
    expect(end % 8).toBe(0)
    expect(end + END_MARK_BYTES).toBe(bytes.length)
    expect(isEndMark(bytes, end)).toBe(true)
    expect(isEndMark(bytes, 0)).toBe(false)
    expect(readEntry(bytes, end, '/j')).toBe('bad length 0')
  })

  test('every flipped bit and every truncation is found', () => {
    const bytes = block().bytes().slice()
    const { body } = readEntry(bytes, 32, '/j') as JournalEntry
    const end = 32 + ENTRY_HEAD_BYTES + body.length
    for (let bit = 32 * 8; bit < end * 8; bit += 1) {
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(typeof readEntry(bytes, 32, '/j'), `bit ${bit}`).toBe('string')
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
    }
    for (let size = 32; size < end; size += 1) {
      expect(typeof readEntry(bytes.subarray(0, size), 32, '/j'), `size ${size}`).toBe('string')
    }
    expect(typeof readEntry(bytes.subarray(0, end), 32, '/j')).toBe('object')
  })

  test('a block grows, and is empty again after clear', () => {
    const large = new JournalBlock()
    large.begin(1, 1, ENTRY_TYPE.group)
    large.put(new Uint8Array(5_000_000).fill(7))
    large.end()
    expect((readEntry(large.bytes(), 0, '/j') as JournalEntry).body.length).toBe(5_000_000)
    large.clear()
    expect(large.sizeBytes).toBe(0)
    expect(large.buffer.length).toBeLessThan(100_000)
  })

  test('positions are multiples of 8', () => {
    expect([0, 1, 7, 8, 9].map(aligned)).toEqual([0, 8, 8, 8, 16])
  })
})

describe('a group', () => {
  test('whose body has another length is refused with its place', () => {
    const { body } = readEntry(block().bytes(), 32, '/j') as JournalEntry
    for (let size = 0; size < body.length; size += 1) {
      expect(() => readGroup(body.subarray(0, size), '/j:32')).toThrow(/[/]j:32 has no sense/)
    }
  })

  test('ids are 16 bytes', () => {
    expect(uuidBytes(ID)).toHaveLength(16)
    expect(uuidText(uuidBytes(ID))).toBe(ID)
  })
})
