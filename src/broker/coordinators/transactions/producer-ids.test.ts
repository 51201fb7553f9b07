import { expect, test } from 'vitest'
import { isMillraceError } from '../../../base/errors.ts'
import type { CoordinatorRecord } from '../coordinator.ts'
import { TransactionMachine } from './transaction-machine.ts'

const NOW = 1000
const PLAIN = { transactionalId: null, timeoutMs: 1000, version: 2 as const }
const TRANSACTIONAL = { ...PLAIN, transactionalId: 'tx' }

/** The id that a request gets, and the records of its write, applied as the runtime does. */
function init(machine: TransactionMachine, request: typeof PLAIN | typeof TRANSACTIONAL) {
  const { records, response } = machine.initProducer(request, NOW)
  if (isMillraceError(response)) throw response
  for (const record of records) machine.apply(record)
  return { id: response.producerId, records }
}

function replayed(...records: readonly CoordinatorRecord[]): TransactionMachine {
  const machine = new TransactionMachine()
  for (const record of records) machine.apply(record)
  return machine
}

test('a block is reserved once for many ids without a transaction', () => {
  const machine = new TransactionMachine()
  expect(init(machine, PLAIN).records).toHaveLength(1)
  for (let index = 1; index < 1000; index++) expect(init(machine, PLAIN)).toEqual({ id: index, records: [] })
  expect(init(machine, PLAIN)).toMatchObject({ id: 1000, records: [{ key: '["producers"]' }] })
})

test('a write that gives a transaction its id reserves it too: the one that reserved the block may have failed', () => {
  const first = new TransactionMachine()
  init(first, PLAIN)
  const { id, records } = init(first, TRANSACTIONAL)
  expect(init(replayed(...records), PLAIN).id).toBeGreaterThan(id)
})

test('an id is not given out again when writes fail and the state is read again', () => {
  const machine = new TransactionMachine()
  const ids = [init(machine, PLAIN).id, init(machine, TRANSACTIONAL).id]
  machine.clear()
  ids.push(init(machine, PLAIN).id, init(machine, TRANSACTIONAL).id)
  expect(new Set(ids).size).toBe(4)
})

test('nor when the transaction that had it is forgotten, and the topic was written anew without it', () => {
  const machine = new TransactionMachine()
  init(machine, PLAIN)
  const { id, records } = init(machine, TRANSACTIONAL)
  machine.clear()
  for (const record of records) machine.apply(record)
  machine.apply({ key: '["transaction","tx"]', value: null })
  expect(init(replayed(...machine.snapshot()), PLAIN).id).toBeGreaterThan(id)
})

test('after a restart the rest of a block is left out', () => {
  const before = new TransactionMachine()
  const { records } = init(before, PLAIN)
  init(before, PLAIN)
  expect(init(replayed(...records), PLAIN).id).toBe(1000)
})
