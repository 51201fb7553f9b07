import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { faultsOf, OperationHistory } from './history.ts'
import type { Command, Stored } from './message.ts'
import { runJepsen } from './run.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-jepsen-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** As long as it is short; `npm run jepsen` goes on for as many minutes as wanted. */
test('a process that is killed every few seconds loses, doubles, reorders and tears nothing', async () => {
  const { faults, troubles, ...figures } = await runJepsen(folder, { seconds: 20, killMs: 2500 })
  console.log(figures)
  expect(faults).toEqual([])
  expect(troubles).toEqual([])
  expect(figures.kills).toBeGreaterThan(3)
  expect(figures.acknowledged).toBeGreaterThan(100)
}, 120_000)

describe('what a history cannot be', () => {
  const send: Command = { id: 1, kind: 'send', write: { topic: 'in', value: '1.0' } }
  const later: Command = { id: 2, kind: 'send', write: { topic: 'in', value: '2.0' } }
  const pair: Command = {
    id: 3,
    kind: 'markers',
    end: 'commit',
    writes: [
      { topic: 'left', value: '3.0' },
      { topic: 'right', value: '3.1' },
    ],
  }
  const stored = (topic: Stored['topic'], value: string, offset: number): Stored => {
    return { topic, value, partition: 0, offset }
  }
  const both = (value: string, offset: number): Stored[] => [
    stored('in', value, offset),
    stored('out', value, offset),
  ]

  test.each<[string, readonly [Command, 'done' | 'unknown'][], readonly Stored[]]>([
    ['lost: in 1.0', [[send, 'done']], []],
    ['moved: in 1.0', [[send, 'done']], both('1.0', 7)],
    ['duplicated: in has 1.0', [[send, 'unknown']], [...both('1.0', 0), stored('in', '1.0', 4)]],
    ['phantom: in has 9.9', [], both('9.9', 0)],
    [
      'reordered: in-0',
      [
        [send, 'unknown'],
        [later, 'unknown'],
      ],
      [...both('2.0', 0), ...both('1.0', 1)],
    ],
    ['torn: transaction 3', [[pair, 'unknown']], [stored('left', '3.0', 0)]],
    ['lost: transaction 3', [[pair, 'done']], []],
    ['aborted read: transaction 3', [[{ ...pair, end: 'abort' }, 'done']], [stored('left', '3.0', 0)]],
    ['not copied: 1.0', [[send, 'done']], [stored('in', '1.0', 0)]],
    ['copied from nowhere: 1.0', [], [stored('out', '1.0', 0)]],
    [
      'not read by the group: 5.0',
      [[{ ...send, write: { topic: 'in', value: '5.0' } }, 'done']],
      both('5.0', 0),
    ],
  ])('%s', (fault, operations, records) => {
    const history = new OperationHistory()
    for (const value of ['1.0', '2.0', '9.9']) history.read.add(value)
    for (const [command, outcome] of operations) {
      const operation = history.invoke(command)
      operation.outcome = outcome
      operation.places = [{ partition: 0, offset: 0 }]
    }
    expect(faultsOf(history, records)[0]).toContain(fault)
  })

  test('one that can be', () => {
    const history = new OperationHistory()
    history.invoke(send).outcome = 'unknown'
    history.invoke({ ...pair, end: 'abort' }).outcome = 'done'
    history.read.add('1.0')
    expect(faultsOf(history, both('1.0', 3))).toEqual([])
    expect(faultsOf(history, [])).toEqual([])
  })
})
