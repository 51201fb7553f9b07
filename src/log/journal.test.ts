import { describe, expect, test } from 'vitest'
import { PowerLoss } from '../sim/power-loss.ts'
import { SimDisk } from '../sim/sim-disk.ts'
import { Journal, restartJournal } from './journal.ts'
import { JournalBlock } from './journal-entry.ts'
import { journalFile, journalFolder, journalNumber } from './log-paths.ts'

const LOG = '/log'
/** Each kept or lost by a lot of its own: enough of them that each combination comes. */
const SEEDS = 40

/** A journal of these files, durable. */
function diskWith(seed: number, numbers: readonly number[]): SimDisk {
  const disk = new SimDisk(seed)
  disk.makeFolder(journalFolder(LOG))
  for (const number of numbers) {
    const file = disk.open(journalFile(LOG, number), 'create')
    file.write(new Uint8Array(number), 0)
    file.syncNow()
    file.close()
  }
  disk.syncFolder(journalFolder(LOG))
  return disk
}

/** Which files are left, as `1 31`, when the power fails at any operation of `run`, and when it fails after it. */
function leftBy(numbers: readonly number[], run: (disk: SimDisk) => void) {
  const during = new Set<string>()
  const after = new Set<string>()
  for (let seed = 0; seed < SEEDS; seed += 1) {
    for (let operation = 1, ended = false; !ended; operation += 1) {
      const disk = diskWith(seed, numbers)
      disk.crashAt(disk.operations + operation)
      try {
        run(disk)
        ended = true
      } catch (error) {
        if (!(error instanceof PowerLoss)) throw error
      }
      const names = disk.restart(seed).list(journalFolder(LOG)).map(journalNumber)
      const left = names.filter((number) => number !== undefined).join(' ')
      if (ended) after.add(left)
      else during.add(left)
    }
  }
  return { during: [...during].sort(), after: [...after].sort() }
}

function restartAt(first: number): (disk: SimDisk) => void {
  const block = new JournalBlock()
  block.begin(first, first, 1)
  block.end()
  return (disk) => {
    restartJournal(disk, LOG, first, block)
  }
}

describe('whatever a power cut leaves of a journal, no file is missing in the middle', () => {
  test('when it is begun anew; and then the older files are gone for good (simulation, seed 2002554)', () => {
    const { during, after } = leftBy([1, 31, 40], restartAt(50))
    expect(during).toEqual(['1 31 40', '1 31 40 50', '31 40 50', '40 50', '50'])
    expect(after).toEqual(['50'])
  })

  test('when a checkpoint covers several files', () => {
    const { during, after } = leftBy([1], (disk) => {
      const journal = new Journal(disk, LOG, 1000, 1, 1)
      journal.rotate(31)
      // Its checkpoint was refused for a full disk, so the older file stays.
      journal.rotate(40)
      journal.dropOlder()
    })
    expect(during).toEqual(['1', '1 31', '1 31 40', '31 40'])
    // The last of them is gone for good when the journal goes on in another file.
    expect(after).toEqual(['31 40', '40'])
  })
})

test('entries behind a torn one are gone for good before the journal begins anew in front of them', () => {
  const { during, after } = leftBy([1, 31, 40], restartAt(30))
  expect(during).toEqual(['1', '1 30', '1 31 40', '1 40', '30'])
  expect(after).toEqual(['30'])
})
