import { expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { controlBatch, type MarkerKind } from '../record/control-batch.ts'
import { concernsProducers, ProducerStates } from './producer-states.ts'

const DAY = 86_400_000
const LIMITS = { producerExpirationMs: DAY, producersMax: 100 }
const MAX = 0x7fff_ffff

/** Appends batches of one partition, one after the other. */
class Writer {
  states: ProducerStates
  now = 1000
  next = 0

  constructor(limits = LIMITS) {
    this.states = new ProducerStates('t-0', limits)
  }

  data(
    producerId: number,
    baseSequence: number,
    more: { epoch?: number; records?: number; open?: boolean } = {},
  ) {
    const { epoch = 0, records = 1, open = false } = more
    const builder = new BatchBuilder(128)
    for (let record = 0; record < records; record += 1) builder.append(0, null, null)
    return this.put(
      builder.build({ producerId, producerEpoch: epoch, baseSequence, transactional: open }),
      records,
    )
  }

  mark(producerId: number, kind: MarkerKind, epoch = 0, coordinatorEpoch = 0) {
    return this.put(controlBatch(producerId, epoch, kind, coordinatorEpoch, 0), 1)
  }

  put(bytes: Uint8Array, records: number): number {
    const offset = this.states.append(bytes, 0, this.next, this.now)
    if (offset === this.next) this.next += records
    return offset
  }

  /** What a log does that is closed and opened again. */
  reopen(): void {
    const record = JSON.parse(JSON.stringify(this.states.record(this.now)))
    this.states = new ProducerStates('t-0', LIMITS, record)
  }
}

test('a batch that comes again gets its first offset, if it is one of the last five', () => {
  const writer = new Writer()
  for (let index = 0; index < 6; index += 1) expect(writer.data(7, 2 * index, { records: 2 })).toBe(2 * index)
  for (let index = 1; index < 6; index += 1) expect(writer.data(7, 2 * index, { records: 2 })).toBe(2 * index)
  expect(() => writer.data(7, 0, { records: 2 })).toThrow(/sequence 0, expected 12/)
  expect(() => writer.data(7, 2, { records: 1 })).toThrow(/sequence 2, expected 12/)
  expect(writer.data(7, 12)).toBe(12)
})

test('a gap is refused, and changes nothing', () => {
  const writer = new Writer()
  writer.data(7, 0, { records: 3 })
  expect(() => writer.data(7, 4)).toThrow(
    expect.objectContaining({ code: 'MILLRACE_OUT_OF_ORDER_SEQUENCE', remedy: 'reopen' }),
  )
  expect(writer.data(7, 3)).toBe(3)
})

test('an unknown producer may begin anywhere: what it wrote may be gone', () => {
  expect(new Writer().data(7, 1234)).toBe(0)
})

test('sequences go on with 0 after 2147483647, also in the middle of a batch', () => {
  const writer = new Writer()
  writer.data(7, MAX)
  expect(writer.data(7, 0)).toBe(1)
  writer.data(8, MAX - 1, { records: 4 })
  expect(writer.states.producers(0)[1]).toMatchObject({ producerId: 8, lastSequence: 1 })
  expect(writer.data(8, MAX - 1, { records: 4 })).toBe(2)
  expect(writer.data(8, 2)).toBe(6)
})

test('a higher epoch begins with 0 and shuts the lower one out', () => {
  const writer = new Writer()
  writer.data(7, 0)
  expect(() => writer.data(7, 1, { epoch: 1 })).toThrow(/expected 0/)
  expect(writer.data(7, 0, { epoch: 1 })).toBe(1)
  expect(() => writer.data(7, 1)).toThrow(expect.objectContaining({ code: 'MILLRACE_FENCED' }))
  // Also what was written with it: the answer would promise that the producer may go on.
  expect(() => writer.data(7, 0)).toThrow(expect.objectContaining({ code: 'MILLRACE_FENCED' }))
})

test('a transaction is open from its first batch to its marker', () => {
  const writer = new Writer()
  writer.data(1, 0)
  writer.data(7, 0, { open: true, records: 2 })
  writer.now += 5
  writer.data(7, 2, { open: true })
  expect(writer.states.openTransactions()).toEqual([
    { producerId: 7, producerEpoch: 0, firstOffset: 1, startedAt: 1000 },
  ])
  expect(writer.states.firstUnstable).toBe(1)
  expect(writer.mark(7, 'commit')).toBe(4)
  expect(writer.states.openTransactions()).toEqual([])
  // Readers know of the end when the marker is acknowledged.
  expect(writer.states.firstUnstable).toBe(1)
  expect(writer.states.placed()).toEqual([])
  writer.states.acknowledged(4)
  expect(writer.states.firstUnstable).toBe(1)
  writer.states.acknowledged(5)
  expect(writer.states.firstUnstable).toBe(Number.POSITIVE_INFINITY)
})

test('an aborted transaction is told once, with the last stable offset of that moment', () => {
  const writer = new Writer()
  writer.data(7, 0, { open: true })
  writer.data(8, 0, { open: true })
  writer.data(9, 0, { open: true })
  writer.mark(8, 'abort')
  writer.mark(7, 'abort')
  writer.mark(9, 'commit')
  const [first, second, ...others] = writer.states.placed()
  expect(first).toMatchObject({ producerId: 8, firstOffset: 1, lastOffset: 3, lastStable: 0 })
  expect(second).toMatchObject({ producerId: 7, firstOffset: 0, lastOffset: 4, lastStable: 2 })
  expect(others).toEqual([])
  expect(writer.states.placed()).toEqual([])
})

test('a marker without a transaction, or one that comes twice, ends nothing', () => {
  const writer = new Writer()
  writer.mark(7, 'abort')
  writer.data(7, 0, { open: true })
  writer.mark(7, 'abort')
  writer.mark(7, 'abort')
  expect(writer.states.placed()).toHaveLength(1)
})

test('a marker with a higher epoch fences the old one and begins at sequence 0', () => {
  const writer = new Writer()
  writer.data(7, 0, { open: true })
  writer.mark(7, 'commit', 1)
  expect(() => writer.data(7, 1, { open: true })).toThrow(
    expect.objectContaining({ code: 'MILLRACE_FENCED' }),
  )
  expect(() => writer.mark(7, 'abort')).toThrow(expect.objectContaining({ code: 'MILLRACE_FENCED' }))
  expect(() => writer.data(7, 1, { epoch: 1, open: true })).toThrow(/expected 0/)
  writer.data(7, 0, { epoch: 1, open: true })
  // Of the same epoch: sequences go on behind it.
  writer.mark(7, 'commit', 1)
  writer.data(7, 1, { epoch: 1, open: true })
})

test('a marker of an older coordinator is refused', () => {
  const writer = new Writer()
  writer.data(7, 0, { open: true })
  writer.mark(7, 'commit', 0, 4)
  expect(() => writer.mark(7, 'commit', 0, 3)).toThrow(expect.objectContaining({ code: 'MILLRACE_FENCED' }))
  expect(writer.states.producers(0)).toMatchObject([{ coordinatorEpoch: 4 }])
})

test('nothing outside of an open transaction, nor of a new epoch before its end', () => {
  const writer = new Writer()
  writer.data(7, 0, { open: true })
  const refusal = expect.objectContaining({ code: 'MILLRACE_INVALID_TRANSACTION_STATE' })
  expect(() => writer.data(7, 1)).toThrow(refusal)
  expect(() => writer.data(7, 0, { epoch: 1, open: true })).toThrow(refusal)
  writer.data(7, 1, { open: true })
})

test('what no producer may write', () => {
  const writer = new Writer()
  const one = () => {
    const builder = new BatchBuilder(128)
    builder.append(0, Uint8Array.of(0, 0, 0, 7), new Uint8Array(6))
    return builder
  }
  const refusal = expect.objectContaining({ code: 'MILLRACE_INVALID_ARGUMENT' })
  expect(() => writer.put(one().build({ transactional: true }), 1)).toThrow(refusal)
  expect(() => writer.put(one().build({ control: true }), 1)).toThrow(refusal)
  expect(() => writer.put(one().build({ producerId: 7, baseSequence: 0 }), 1)).toThrow(/epoch is -1/)
  expect(() => writer.put(one().build({ producerId: 7, producerEpoch: 0 }), 1)).toThrow(/sequence is -1/)
  const head = { producerId: 7, producerEpoch: 0, control: true }
  expect(() => writer.put(one().build(head), 1)).toThrow(/not transactional/)
  expect(() => writer.put(one().build({ ...head, transactional: true }), 1)).toThrow(
    /no end of a transaction/,
  )
  for (const high of [0x20, 0x0100, 0x7fff]) {
    const bytes = one().build({ ...head, control: false, baseSequence: 0 })
    bytes[43] = high >> 8
    bytes[44] = high
    expect(() => writer.put(bytes, 1)).toThrow(refusal)
  }
  const greatest = { producerId: Number.MAX_SAFE_INTEGER, producerEpoch: 0, baseSequence: 0 }
  expect(writer.states.producers(0)).toEqual([])
  writer.put(one().build(greatest), 1)
  expect(writer.states.producers(0)).toMatchObject([{ producerId: Number.MAX_SAFE_INTEGER }])
})

test('one look tells batches that have a producer', () => {
  const build = (settings: Parameters<BatchBuilder['build']>[0]) => {
    const builder = new BatchBuilder(128)
    builder.append(0, null, null)
    return builder.build(settings)
  }
  expect(concernsProducers(build({}), 0)).toBe(false)
  expect(concernsProducers(build({ compression: 'zstd', timestampType: 'logAppendTime' }), 0)).toBe(false)
  expect(concernsProducers(build({ producerId: 0, producerEpoch: 0, baseSequence: 0 }), 0)).toBe(true)
  expect(concernsProducers(build({ producerId: Number.MAX_SAFE_INTEGER, producerEpoch: 0 }), 0)).toBe(true)
  expect(concernsProducers(build({ transactional: true }), 0)).toBe(true)
  expect(concernsProducers(build({ control: true }), 0)).toBe(true)
})

test('what a failed flush had is taken back, and comes again as if it were new', () => {
  const writer = new Writer()
  writer.data(7, 0, { open: true })
  writer.data(8, 0, { open: true })
  writer.states.placed()
  const next = writer.next
  writer.mark(7, 'abort')
  writer.data(7, 1)
  writer.data(9, 0, { open: true })
  writer.mark(9, 'abort')
  writer.mark(8, 'commit', 3)
  writer.states.backTo(0)
  writer.next = next
  expect(writer.states.openTransactions().map(({ producerId }) => producerId)).toEqual([7, 8])
  expect(writer.states.producers(0).map(({ producerId }) => producerId)).toEqual([7, 8])
  expect(writer.states.firstUnstable).toBe(0)
  expect(writer.states.placed()).toEqual([])
  // Not taken for what comes twice.
  expect(writer.data(7, 1, { open: true })).toBe(next)
  writer.mark(7, 'abort')
  expect(writer.states.placed()).toMatchObject([{ producerId: 7, firstOffset: 0, lastOffset: next + 1 }])
})

test('a call is taken back without what came before it', () => {
  const writer = new Writer()
  writer.data(7, 0, { open: true })
  writer.mark(7, 'abort')
  const { waiting } = writer.states
  writer.data(7, 1, { open: true })
  writer.mark(7, 'abort')
  writer.states.backTo(waiting)
  expect(writer.states.placed()).toMatchObject([{ firstOffset: 0, lastOffset: 1 }])
  expect(writer.states.producers(0)).toMatchObject([{ lastSequence: 0, transactionStart: undefined }])
})

test('a record holds what is in the segments, not what waits', () => {
  const writer = new Writer()
  writer.data(7, 0, { records: 3 })
  writer.data(8, 0, { open: true })
  writer.mark(9, 'commit', 2, 6)
  writer.states.placed()
  writer.data(7, 3)
  writer.mark(8, 'commit')
  writer.data(10, 0)
  writer.reopen()
  expect(writer.states.producers(0)).toMatchObject([
    { producerId: 7, lastSequence: 2, transactionStart: undefined },
    { producerId: 8, lastSequence: 0, transactionStart: 3 },
    { producerId: 9, lastSequence: -1, producerEpoch: 2, coordinatorEpoch: 6 },
  ])
  expect(writer.states.firstUnstable).toBe(3)
  expect(writer.data(7, 0, { records: 3 })).toBe(0)
})

test('replay leads to the state that appending led to', () => {
  const writer = new Writer()
  const replayed = new ProducerStates('t-0', LIMITS)
  const put = writer.put.bind(writer)
  writer.put = (bytes, records) => {
    const offset = put(bytes, records)
    replayed.replay(bytes, 0, offset, writer.now)
    return offset
  }
  writer.data(7, 5, { records: 2, open: true })
  writer.data(8, MAX, { records: 2 })
  writer.mark(7, 'abort', 2)
  writer.data(9, 0, { open: true })
  expect(replayed.placed()).toEqual(writer.states.placed())
  expect(replayed.record(0)).toEqual(writer.states.record(0))
  expect(replayed.firstUnstable).toBe(writer.states.firstUnstable)
})

test('a producer is forgotten after its time, not while its transaction is open', () => {
  const writer = new Writer()
  writer.data(7, 0)
  writer.data(8, 0, { open: true })
  writer.states.placed()
  writer.now += DAY - 1
  expect(() => writer.data(7, 9)).toThrow(/expected 1/)
  writer.now += 1
  expect(writer.states.producers(writer.now).map(({ producerId }) => producerId)).toEqual([8])
  expect(writer.states.record(writer.now)).toHaveLength(1)
  expect(writer.data(7, 9)).toBe(2)
  expect(() => writer.data(8, 9, { open: true })).toThrow(/expected 1/)
})

test('the number of producers is bounded: the longest idle go, open transactions stay', () => {
  const writer = new Writer({ producerExpirationMs: DAY, producersMax: 20 })
  writer.data(1000, 0, { open: true })
  for (let producer = 0; producer < 200; producer += 1) {
    writer.now += 1
    writer.data(producer, 0)
    expect(writer.states.producers(writer.now).length).toBeLessThanOrEqual(20)
    // Who is busy is not forgotten.
    if (producer % 2 === 0) writer.data(5000, producer / 2)
  }
  expect(writer.data(199, 1)).toBe(writer.next - 1)
  expect(writer.states.openTransactions()).toHaveLength(1)
  // What was forgotten comes back with the flush that failed.
  writer.states.backTo(0)
  expect(writer.states.producers(0)).toEqual([])
})
