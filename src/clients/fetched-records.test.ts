import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FetchedBatches } from '../broker/broker.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import { assignBatch, batchPositions } from '../record/batch-header.ts'
import { decodeCommitted } from '../record/committed-filter.ts'
import { controlBatch } from '../record/control-batch.ts'
import { FetchedRecords } from './fetched-records.ts'

const bounds = { start: 0, lastStable: 0, end: 0, leaderEpoch: 0 }

interface Step {
  readonly what: 'plain' | 'open' | 'abort' | 'commit'
  readonly records: number
}

/** Plain batches, and those of a producer whose first transaction was aborted at the end of it. */
function fetchOf(steps: readonly Step[]): FetchedBatches {
  let offset = 0
  const aborted: { producerId: number; firstOffset: number }[] = []
  let openSince: number | undefined
  const batches = steps.map(({ what, records }) => {
    const builder = new BatchBuilder()
    for (let index = 0; index < records; index++) builder.appendText(0, null, `r${offset + index}`)
    const transactional = what === 'open'
    const identity = transactional ? { producerId: 1, producerEpoch: 0, baseSequence: 0, transactional } : {}
    const isMarker = what === 'abort' || what === 'commit'
    const bytes = isMarker ? controlBatch(1, 0, what, 0, 0) : builder.build(identity)
    if (transactional) openSince ??= offset
    if (what === 'abort' && openSince !== undefined) aborted.push({ producerId: 1, firstOffset: openSince })
    if (isMarker) openSince = undefined
    assignBatch(bytes, 0, offset, 0)
    offset += isMarker ? 1 : records
    return bytes
  })
  return { bytes: Buffer.concat(batches), from: 0, bounds, aborted }
}

function valuesOf(records: FetchedRecords): string[] {
  const values: string[] = []
  while (records.more && records.seek()) {
    const { reader } = records
    values.push(`${reader.offset}:${reader.text(reader.valueStart, reader.valueEnd)}`)
    records.pass()
  }
  return values
}

const steps = fc.array(
  fc.record({
    what: fc.constantFrom('plain', 'plain', 'open', 'abort', 'commit'),
    records: fc.integer({ min: 1, max: 4 }),
  }),
  { maxLength: 12 },
)

describe('the cursor over what was fetched', () => {
  test('shows what is committed, from the wanted offset on, in order', () => {
    fc.assert(
      fc.property(steps, fc.nat(12), (list, from) => {
        const fetched = fetchOf(list)
        const records = new FetchedRecords('orders-0')
        const end = records.open(fetched, from)
        const expected = decodeCommitted(fetched.bytes, fetched.aborted)
          .filter(({ offset }) => offset >= from)
          .map(({ offset, value }) => `${offset}:${Buffer.from(value ?? []).toString()}`)
        expect(valuesOf(records)).toEqual(expected)
        expect(records.seek()).toBe(false)
        const behind = list.reduce(
          (sum, { what, records: count }) => sum + (what.endsWith('t') ? 1 : count),
          0,
        )
        expect(end).toBe(list.length === 0 ? from : behind)
      }),
    )
  })

  test('has nothing more behind its last visible record, though markers follow', () => {
    const records = new FetchedRecords('orders-0')
    records.open(
      fetchOf([
        { what: 'open', records: 1 },
        { what: 'commit', records: 1 },
      ]),
      0,
    )
    expect(records.seek()).toBe(true)
    records.pass()
    expect(records.more).toBe(false)
  })

  test('stands on a record until it is passed', () => {
    const records = new FetchedRecords('orders-0')
    records.open(fetchOf([{ what: 'plain', records: 2 }]), 0)
    expect([records.seek(), records.seek(), records.reader.offset]).toEqual([true, true, 0])
    records.pass()
    expect([records.seek(), records.reader.offset]).toEqual([true, 1])
  })

  test('what is damaged stays damaged: nothing behind it is shown', () => {
    const fetched = fetchOf([
      { what: 'plain', records: 2 },
      { what: 'plain', records: 2 },
    ])
    const second = [...batchPositions(fetched.bytes)][1] as number
    // The length of the second batch's first record, right behind its head.
    fetched.bytes[second + 61] = 0x7e
    const records = new FetchedRecords('orders-0')
    records.open(fetched, 0)
    for (let index = 0; index < 2; index++) {
      expect(records.seek()).toBe(true)
      records.pass()
    }
    for (let index = 0; index < 3; index++)
      expect(() => records.seek()).toThrow(/the record batch at orders-0@2: record 1 of 2/)
  })
})
