import { beforeEach, expect, test } from 'vitest'
import { type SimSys, simSys } from '../sim/sim-sys.ts'
import type { DiskFile } from '../sys/disk.ts'
import type { SyncTarget } from './sync-round.ts'
import { writeInPieces } from './write-pieces.ts'

let sys: SimSys
let file: DiskFile

beforeEach(() => {
  sys = simSys(1)
  file = sys.disk.open('/file', 'create')
  file.write(Uint8Array.of(7, 7, 7), 0)
})

/** Chunks of these sizes with bytes 0, 1, 2, ... */
function chunksOf(...sizes: readonly number[]): Uint8Array[] {
  let next = 0
  return sizes.map((size) => Uint8Array.from({ length: size }, () => next++))
}

/** Sizes of the file when the pieces were told, and what it holds in the end. */
function write(chunks: readonly Uint8Array[], count: number) {
  file.truncate(3)
  const told: number[] = []
  const targets = new Set<SyncTarget>()
  const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  const written = (target: SyncTarget) => {
    told.push(file.size())
    targets.add(target)
  }
  writeInPieces(file, chunks, 3, sizeBytes, { count, written })
  const content = new Uint8Array(file.size())
  file.read(content, 0)
  expect([...content]).toEqual([7, 7, 7, ...Array.from({ length: sizeBytes }, (_, at) => at)])
  expect(targets.size).toBe(told.length)
  return told
}

test('pieces end in the middle of chunks', () => {
  expect(write(chunksOf(10), 3)).toEqual([7, 11])
  expect(write(chunksOf(5, 4, 1), 2)).toEqual([8])
  expect(write(chunksOf(2, 2, 5), 3)).toEqual([6, 9])
})

test('chunks without bytes, and fewer bytes than pieces', () => {
  expect(write(chunksOf(0, 4, 0), 2)).toEqual([5])
  expect(write(chunksOf(2), 3)).toEqual([4])
})

test('one piece is told of by nobody', () => {
  expect(write(chunksOf(3, 3), 1)).toEqual([])
})

test('a write that fails ends it: what is told of is there', () => {
  sys.disk.diskFull(5)
  const told: number[] = []
  const pieces = { count: 3, written: () => told.push(file.size()) }
  expect(() => writeInPieces(file, chunksOf(12), 3, 12, pieces)).toThrow(/the disk is full/)
  expect(told).toEqual([7])
})
