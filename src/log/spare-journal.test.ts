import { beforeEach, expect, test } from 'vitest'
import { type SimSys, simSys } from '../sim/sim-sys.ts'
import { SpareJournal } from './spare-journal.ts'

const FOLDER = '/log/journal'
/** A made file has as many bytes as a journal file at most. */
const WHOLE = 9600
const STEPS = 16

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

/** A step is on its way to the disk for 10 ms. */
function makeSteps(count: number): void {
  for (let step = 0; step < count; step += 1) {
    spare.make()
    sys.time.advance(10)
  }
}

test('is made step by step, one sync after the other, and counts when it is whole and durable', () => {
  spare.make()
  spare.make()
  expect([names(), sys.disk.size(`${FOLDER}/making`)]).toEqual([['making'], WHOLE / STEPS])
  sys.time.advance(10)
  makeSteps(STEPS - 2)
  spare.make()
  sys.time.advance(9)
  expect(sys.disk.size(`${FOLDER}/making`)).toBe(WHOLE)
  expect([spare.isLarge, spare.moveTo(`${FOLDER}/1`)]).toEqual([false, false])
  sys.time.advance(1)
  expect(spare.isLarge).toBe(true)
  expect(names()).toEqual(['spare'])
  const bytes = new Uint8Array(WHOLE + 1).fill(1)
  expect(sys.disk.open(`${FOLDER}/spare`, 'read').read(bytes, 0)).toBe(WHOLE)
  expect(bytes.subarray(0, WHOLE).every((byte) => byte === 0)).toBe(true)
})

test('is not made while there is a large one, and again when that was taken', () => {
  makeSteps(STEPS)
  spare.make()
  expect(names()).toEqual(['spare'])
  expect(spare.moveTo(`${FOLDER}/1`)).toBe(true)
  expect(spare.isLarge).toBe(false)
  spare.make()
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
  sys.disk.diskFull(1000)
  makeSteps(2)
  expect(names()).toEqual([])
  sys.disk.diskFull(Number.POSITIVE_INFINITY)
  makeSteps(STEPS)
  expect([names(), spare.isLarge]).toEqual([[], false])
})

test('a failed sync of any step: there is none', () => {
  makeSteps(2)
  sys.disk.failSync(1)
  makeSteps(STEPS)
  expect([names(), spare.isLarge]).toEqual([[], false])
})

test('a sync that ends after the journal was closed changes nothing', () => {
  makeSteps(STEPS - 1)
  spare.make()
  spare.close()
  sys.disk.remove(`${FOLDER}/making`)
  sys.time.advance(10)
  expect(names()).toEqual([])
})
