import { expect, test } from 'vitest'
import { BatchBuilder } from './batch-builder.ts'
import { assignBatch, readBatchHeader, verifyBatch } from './batch-header.ts'
import { controlBatch, readEndMarker } from './control-batch.ts'

/** Made by Kafka 4.3.1: MemoryRecords.withEndTransactionMarker(7, 1700000000123, 3, 4097, 5, marker of epoch 9). */
const KAFKA = {
  abort:
    '0000000000000007000000420000000302345664d30030000000000000018bcfe5687b0000018bcfe5687b00000000000010010005ffffffff000000012000000008000000000c00000000000900',
  commit:
    '0000000000000007000000420000000302c068b29b0030000000000000018bcfe5687b0000018bcfe5687b00000000000010010005ffffffff000000012000000008000000010c00000000000900',
} as const

test.each(['abort', 'commit'] as const)('the %s marker is byte for byte that of Kafka', (kind) => {
  const batch = controlBatch(4097, 5, kind, 9, 1_700_000_000_123)
  assignBatch(batch, 0, 7, 3)
  expect(Buffer.from(batch).toString('hex')).toBe(KAFKA[kind])
  expect(readEndMarker(batch, 0)).toEqual({ kind, coordinatorEpoch: 9 })
  expect(verifyBatch(batch, 0, batch.length)).toBeUndefined()
  expect(readBatchHeader(batch, 0)).toMatchObject({
    producerId: 4097,
    producerEpoch: 5,
    baseSequence: -1,
    control: true,
    transactional: true,
  })
})

test("Kafka's marker is read, wherever it lies", () => {
  const bytes = Buffer.from(`${KAFKA.commit}${KAFKA.abort}`, 'hex')
  expect([0, 78].map((at) => readEndMarker(bytes, at)?.kind)).toEqual(['commit', 'abort'])
})

test('what ends no transaction is no marker', () => {
  const control = (key: Uint8Array | null, value: Uint8Array | null) => {
    const builder = new BatchBuilder()
    builder.append(0, key, value)
    return builder.build({ producerId: 1, producerEpoch: 0, transactional: true, control: true })
  }
  const value = new Uint8Array(6)
  // A leader's change, another control record of Kafka's.
  expect(readEndMarker(control(Uint8Array.of(0, 0, 0, 2), value), 0)).toBeUndefined()
  expect(readEndMarker(control(Uint8Array.of(0, 0, 0), value), 0)).toBeUndefined()
  expect(readEndMarker(control(null, value), 0)).toBeUndefined()
  expect(readEndMarker(control(Uint8Array.of(0, 0, 0, 1), null), 0)).toBeUndefined()
  expect(readEndMarker(control(Uint8Array.of(0, 0, 0, 1), new Uint8Array(5)), 0)).toBeUndefined()
  // A later version says more, behind what is known.
  expect(readEndMarker(control(Uint8Array.of(0, 1, 0, 1, 9), new Uint8Array(8)), 0)?.kind).toBe('commit')
  const data = new BatchBuilder()
  data.append(0, Uint8Array.of(0, 0, 0, 1), value)
  expect(readEndMarker(data.build(), 0)).toBeUndefined()
})
