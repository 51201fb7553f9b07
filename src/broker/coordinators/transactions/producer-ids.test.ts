import { expect, test } from 'vitest'
import { TransactionMachine } from './transaction-machine.ts'

test('an id that a transaction has is not given out again, though the write that reserved its block failed', () => {
  const first = new TransactionMachine()
  const now = 1000
  const request = { transactionalId: null, timeoutMs: 1000, version: 2 as const }
  for (const record of first.initProducer(request, now).records) first.apply(record)
  const { records } = first.initProducer({ ...request, transactionalId: 'tx' }, now)
  expect(records).toHaveLength(1)
  const rebuilt = new TransactionMachine()
  for (const record of records) rebuilt.apply(record)
  const next = rebuilt.initProducer(request, now)
  expect(next.response).toEqual({ producerId: 2, producerEpoch: 0 })
  for (const record of next.records) rebuilt.apply(record)
  expect(rebuilt.initProducer(request, now)).toMatchObject({ records: [], response: { producerId: 3 } })
})
