import { expect, test } from 'vitest'
import { MillraceError } from '../base/errors.ts'
import { SyncRound, type SyncTarget } from './sync-round.ts'

type Done = (error: Error | undefined) => void

/** Ends its syncs when it is told to. */
class Target implements SyncTarget {
  readonly under: Done[] = []

  sync(done: Done): void {
    this.under.push(done)
  }

  end(error?: Error): void {
    this.under.shift()?.(error)
  }
}

function told(round: SyncRound): (Error | undefined)[] {
  const outcomes: (Error | undefined)[] = []
  round.close((error) => outcomes.push(error))
  return outcomes
}

test('the outcome is told once, when the last sync has ended', () => {
  const round = new SyncRound()
  const [first, second] = [new Target(), new Target()]
  round.start(first)
  round.start(second)
  const outcomes = told(round)
  second.end()
  expect(outcomes).toEqual([])
  first.end()
  expect(outcomes).toEqual([undefined])
})

test('a round whose syncs have ended is not over before it is closed', () => {
  const round = new SyncRound()
  const [early, late] = [new Target(), new Target()]
  round.start(early)
  early.end()
  round.start(late)
  const outcomes = told(round)
  expect(outcomes).toEqual([])
  late.end()
  expect(outcomes).toEqual([undefined])
})

test('an empty round ends when it is closed', () => {
  const round = new SyncRound()
  expect(round.isEmpty).toBe(true)
  expect(told(round)).toEqual([undefined])
})

test('a target is synced once, as it was when it joined', () => {
  const round = new SyncRound()
  const target = new Target()
  round.start(target)
  round.start(target)
  expect(target.under).toHaveLength(1)
})

test('the first failure is the outcome, and the others are waited for', () => {
  const round = new SyncRound()
  const [first, second] = [new Target(), new Target()]
  round.start(first)
  round.start(second)
  const outcomes = told(round)
  const failure = new Error('the first')
  first.end(failure)
  expect(outcomes).toEqual([])
  second.end(new Error('the second'))
  expect(outcomes).toEqual([failure])
})

test('a sync that cannot begin is a failure of the disk, any other fault is passed on', () => {
  const disk = new MillraceError('MILLRACE_DISK', 'too many open files')
  const broken = (error: Error): SyncTarget => ({
    sync() {
      throw error
    },
  })
  const round = new SyncRound()
  round.start(broken(disk))
  expect(told(round)).toEqual([disk])
  expect(() => new SyncRound().start(broken(new Error('a fault')))).toThrow('a fault')
})
