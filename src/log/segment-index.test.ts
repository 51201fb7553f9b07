import { describe, expect, test } from 'vitest'
import { SegmentIndex } from './segment-index.ts'

/** Batches of 1000 bytes with two records each; every fifth batch is due for an entry. */
function filled(batches: number, timeOf = (batch: number) => batch * 10): SegmentIndex {
  const index = new SegmentIndex(100)
  for (let batch = 0; batch < batches; batch += 1)
    index.add(batch * 1000, 1000, 101 + batch * 2, timeOf(batch))
  return index
}

function int32s(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer)
  return Array.from({ length: bytes.length / 4 }, (_, at) => view.getInt32(at * 4))
}

describe('the bytes', () => {
  test('offset entries: relative last offset and position, more than 4096 bytes apart', () => {
    expect(int32s(filled(12).offsetBytes())).toEqual([11, 5000, 21, 10_000])
    expect(int32s(filled(12).offsetBytes(1))).toEqual([21, 10_000])
  })

  test('time entries: greatest timestamp so far and its last offset, left out where it did not grow', () => {
    expect(int32s(filled(12).timeBytes())).toEqual([0, 50, 11, 0, 100, 21])
    const falling = filled(12, (batch) => 1000 - batch)
    expect(int32s(falling.timeBytes())).toEqual([0, 1000, 1])
    falling.seal()
    expect(falling.timeCount).toBe(1)
  })

  test('a closed segment ends with its greatest timestamp', () => {
    const index = filled(8)
    index.seal()
    index.seal()
    expect(int32s(index.timeBytes())).toEqual([0, 50, 11, 0, 70, 15])
    const empty = new SegmentIndex(0)
    empty.seal()
    expect(empty.timeCount).toBe(0)
  })

  test('timestamps before 1970 and beyond 32 bits', () => {
    expect(int32s(filled(6, (batch) => -5 + batch).timeBytes())).toEqual([0, 0, 11])
    expect(int32s(filled(6, () => -1).timeBytes())).toEqual([-1, -1, 1])
    expect(int32s(filled(6, () => 2 ** 40).timeBytes())).toEqual([256, 0, 1])
  })
})

describe('looking up', () => {
  test('an offset: at or before its batch', () => {
    const index = filled(40)
    for (let offset = 100; offset < 180; offset += 1) {
      const position = index.positionOf(offset)
      const batchAt = Math.floor((offset - 100) / 2) * 1000
      expect(position).toBeLessThanOrEqual(batchAt)
      expect(batchAt - position).toBeLessThanOrEqual(5000)
      expect(index.lastOffsetAt(offset)).toBe(position === 0 ? undefined : 101 + (position / 1000) * 2)
    }
  })

  test('a timestamp: everything up to there is earlier', () => {
    const index = filled(40)
    for (let timestamp = -1; timestamp < 420; timestamp += 1) {
      const entry = index.lastBefore(timestamp)
      if (timestamp <= 50) expect(entry).toBeUndefined()
      else expect(entry?.timestamp).toBe(Math.min(350, Math.floor((timestamp - 1) / 50) * 50))
      expect(entry?.offset).toBe(entry && 101 + (entry.timestamp / 10) * 2)
    }
  })
})

describe('loading', () => {
  test('takes what was saved and goes on as if never away', () => {
    const whole = filled(30)
    const half = filled(17)
    const index = new SegmentIndex(100)
    const from = index.load(half.offsetBytes(), half.timeBytes(), 17_000)
    expect(from).toBe(15_000)
    expect(index.resume(1000, 131, 150)).toBe(true)
    for (let batch = 16; batch < 30; batch += 1) index.add(batch * 1000, 1000, 101 + batch * 2, batch * 10)
    expect(index.offsetBytes()).toEqual(whole.offsetBytes())
    expect(index.timeBytes()).toEqual(whole.timeBytes())
  })

  test('leaves out what lies beyond the segment', () => {
    const saved = filled(40)
    expect(new SegmentIndex(100).load(saved.offsetBytes(), saved.timeBytes(), 12_000)).toBe(10_000)
    expect(new SegmentIndex(100).load(saved.offsetBytes(), saved.timeBytes(), 3000)).toBe(0)
  })

  test('stops at an entry that makes no sense, and finds a wrong last one', () => {
    const saved = filled(40)
    const bytes = saved.offsetBytes()
    bytes[20] = 0xff
    expect(new SegmentIndex(100).load(bytes, saved.timeBytes(), 40_000)).toBe(10_000)
    expect(new SegmentIndex(100).load(new Uint8Array(64), new Uint8Array(0), 40_000)).toBe(0)
    const index = new SegmentIndex(100)
    index.load(saved.offsetBytes(), saved.timeBytes(), 40_000)
    expect(index.resume(1000, 999, 0)).toBe(false)
    expect(index.resume(1000, 171, 10_000)).toBe(false)
  })

  test('any truncation of the files is survived', () => {
    const saved = filled(40)
    for (let size = 0; size <= saved.offsetBytes().length; size += 1) {
      const index = new SegmentIndex(100)
      const from = index.load(saved.offsetBytes().slice(0, size), saved.timeBytes(), 40_000)
      expect(from).toBe(Math.floor(size / 8) * 5000)
    }
  })
})
