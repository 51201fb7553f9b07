import { beforeEach, expect, test } from 'vitest'
import { type SimSys, simSys } from '../sim/sim-sys.ts'
import { SpareJournal } from './spare-journal.ts'

const FOLDER = '/log/journal'
/** A made file has as many bytes as a journal file at most. */
const WHOLE = 10_000

let sys: SimSys
let spare: SpareJournal

const names = () => sys.disk.list(FOLDER)

function file(name: string, sizeBytes: number): string {
  const path = `${FOLDER}/${name}`
  const made = sys.disk.open(path, 'create')
  made.write(new Uint8Array(sizeBytes).fill(7), 0)
  made.close()
  return path
}

/** Syncs take 10 ms. */
beforeEach(() => {
  sys = simSys(1)
  sys.disk.makeFolder(FOLDER)
  spare = new SpareJournal(sys.disk, '/log', WHOLE)
  sys.disk.delaySync(10)
})

test('is made piece by piece, and counts when it is whole and durable', () => {
  spare.make(6000)
  expect(names()).toEqual(['making'])
  spare.make(6000)
  sys.time.advance(9)
  expect([spare.isLarge, spare.moveTo(`${FOLDER}/1`)]).toEqual([false, false])
  sys.time.advance(1)
  expect(spare.isLarge).toBe(true)
  expect(names()).toEqual(['spare'])
  const bytes = new Uint8Array(WHOLE + 1).fill(1)
  expect(sys.disk.open(`${FOLDER}/spare`, 'read').read(bytes, 0)).toBe(WHOLE)
  expect(bytes.subarray(0, WHOLE).every((byte) => byte === 0)).toBe(true)
})

test('is not made while there is a large one, and again when that was taken', () => {
  spare.make(WHOLE)
  sys.time.advance(10)
  spare.make(100)
  expect(names()).toEqual(['spare'])
  expect(spare.moveTo(`${FOLDER}/1`)).toBe(true)
  expect(spare.isLarge).toBe(false)
  spare.make(100)
  expect(names()).toEqual(['1', 'making'])
})

test('the larger of two files that are not needed stays', () => {
  spare.take(file('1', 500))
  expect(names()).toEqual(['spare'])
  spare.take(file('2', 400))
  expect([names(), sys.disk.size(`${FOLDER}/spare`)]).toEqual([['spare'], 500])
  spare.take(file('3', WHOLE))
  expect([names(), spare.isLarge]).toEqual([['spare'], true])
})

test('a full disk: there is none, and it takes up no room', () => {
  sys.disk.diskFull(7000)
  spare.make(6000)
  spare.make(6000)
  expect(names()).toEqual([])
  sys.disk.diskFull(Number.POSITIVE_INFINITY)
  spare.make(WHOLE)
  sys.time.advance(10)
  expect([names(), spare.isLarge]).toEqual([[], false])
})

test('a failed sync: there is none', () => {
  sys.disk.failSync(1)
  spare.make(WHOLE)
  sys.time.advance(10)
  expect([names(), spare.isLarge]).toEqual([[], false])
})

test('a sync that ends after the journal was closed changes nothing', () => {
  spare.make(WHOLE)
  spare.close()
  sys.disk.remove(`${FOLDER}/making`)
  sys.time.advance(10)
  expect(names()).toEqual([])
})
