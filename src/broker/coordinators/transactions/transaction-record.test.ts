import { describe, expect, test } from 'vitest'
import {
  producersRecord,
  readTransactionRecord,
  type StoredTransaction,
  transactionRecord,
} from './transaction-record.ts'

const STORED: StoredTransaction = {
  producerId: 7,
  producerEpoch: 3,
  state: 'Ongoing',
  clientVersion: 2,
  timeoutMs: 60_000,
  previous: { producerId: 7, producerEpoch: 2 },
  expired: false,
  startedAt: 1_700_000_000_000,
  updatedAt: 1_700_000_000_001,
  partitions: [{ topic: '3f0b6b1e-0000-4000-8000-000000000000', partition: 1 }],
  groups: ['billing'],
}

describe('a record of the transactions topic', () => {
  test('is read as it was written', () => {
    expect(readTransactionRecord(transactionRecord('tx', STORED))).toEqual({
      kind: 'transaction',
      id: 'tx',
      value: STORED,
    })
    expect(readTransactionRecord(transactionRecord('tx', undefined))).toMatchObject({ value: undefined })
    expect(readTransactionRecord(producersRecord(2_000))).toEqual({ kind: 'producers', next: 2_000 })
  })

  test.each([
    ['no JSON', '{}', 'MILLRACE_CORRUPT'],
    ['{"a":1}', '{"version":1}', 'MILLRACE_CORRUPT'],
    ['["transaction","tx"]', 'null', 'MILLRACE_CORRUPT'],
    ['["transaction","tx"]', '{', 'MILLRACE_CORRUPT'],
    ['["transaction","tx"]', '{"version":1}', 'MILLRACE_CORRUPT'],
    ['["transaction","tx"]', '{"version":1,"producerId":"7"}', 'MILLRACE_CORRUPT'],
    ['["transaction"]', '{"version":1}', 'MILLRACE_CORRUPT'],
    ['["something","tx"]', '{"version":1}', 'MILLRACE_CORRUPT'],
    ['["producers"]', null, 'MILLRACE_CORRUPT'],
    ['["producers"]', '{"version":1,"next":"many"}', 'MILLRACE_CORRUPT'],
    ['["producers"]', '{"version":2,"next":1}', 'MILLRACE_NEWER_FORMAT'],
    ['["transaction","tx"]', '{"version":9}', 'MILLRACE_NEWER_FORMAT'],
  ])('%s %s is %s', (key, value, code) => {
    expect(() => readTransactionRecord({ key, value })).toThrow(expect.objectContaining({ code }))
  })

  test.each(['state', 'partitions', 'groups', 'producerEpoch', 'timeoutMs', 'updatedAt'])(
    'without %s it is refused, and named',
    (field) => {
      const { key, value } = transactionRecord('tx', STORED)
      const rest = { ...(JSON.parse(value ?? '{}') as Record<string, unknown>) }
      Reflect.deleteProperty(rest, field)
      expect(() => readTransactionRecord({ key, value: JSON.stringify(rest) })).toThrow(
        /\["transaction","tx"\]/,
      )
    },
  )
})
