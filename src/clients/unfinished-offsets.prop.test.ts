import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { UnfinishedOffsets } from './unfinished-offsets.ts'

/** Steps: take the next record after so many holes; finish the n-th of those under way; read over holes. */
const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const), number: fc.nat(3) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('finish' as const), number: fc.nat(50) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('read' as const), number: fc.nat(5) }) },
  ),
  { maxLength: 300 },
)

describe('the unfinished offsets', () => {
  test('the position is the lowest unfinished offset, else behind all that was read', () => {
    fc.assert(
      fc.property(fc.nat(1000), steps, (start, list) => {
        const offsets = new UnfinishedOffsets(start)
        const under = new Map<number, number>()
        let next = start
        for (const { kind, number } of list) {
          if (kind === 'take') {
            under.set(offsets.take(next + number), next + number)
            next += number + 1
          } else if (kind === 'read') {
            offsets.readTo(next + number)
            next += number
          } else {
            const ticket = [...under.keys()][number % Math.max(1, under.size)]
            if (ticket === undefined) continue
            offsets.finish(ticket)
            under.delete(ticket)
          }
          expect(offsets.position).toBe(Math.min(next, ...under.values()))
          expect(offsets.count).toBe(under.size)
        }
      }),
    )
  })

  test('finishing twice counts once', () => {
    const offsets = new UnfinishedOffsets(0)
    const [first, second] = [offsets.take(0), offsets.take(1)]
    offsets.finish(first)
    offsets.finish(first)
    expect(offsets).toMatchObject({ position: 1, count: 1 })
    offsets.finish(second)
    offsets.finish(second)
    expect(offsets).toMatchObject({ position: 2, count: 0 })
  })

  test('a record is finished with all before it', () => {
    const offsets = new UnfinishedOffsets(0)
    const tickets = [0, 1, 2, 3].map((offset) => offsets.take(offset))
    offsets.finish(tickets[1] as number)
    offsets.finishTo(tickets[2] as number)
    expect(offsets).toMatchObject({ position: 3, count: 1 })
    offsets.finishTo(tickets[0] as number)
    expect(offsets).toMatchObject({ position: 3, count: 1 })
  })

  test('records that were taken together count one by one as work on them goes on', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 20 }), (gaps) => {
        const offsets = new UnfinishedOffsets(7)
        let last = 7
        const taken = gaps.map((gap) => (last += gap))
        const ticket = offsets.takeAll(taken[0] as number, last)
        const later = offsets.take(last + 3)
        for (const offset of taken) {
          offsets.moveTo(ticket, offset)
          expect(offsets).toMatchObject({ position: offset, count: 2 })
        }
        offsets.finish(ticket)
        expect(offsets).toMatchObject({ position: last + 3, count: 1 })
        // What is finished already does not come back.
        offsets.moveTo(ticket, last)
        offsets.finish(later)
        expect(offsets).toMatchObject({ position: last + 4, count: 0 })
      }),
    )
  })

  test('records that were taken together move forward, and not into what was taken behind them', () => {
    const offsets = new UnfinishedOffsets(0)
    const ticket = offsets.takeAll(2, 5)
    offsets.take(6)
    offsets.moveTo(ticket, 4)
    expect(() => offsets.moveTo(ticket, 3)).toThrow(/moves from 4 to 3/)
    expect(() => offsets.moveTo(ticket, 6)).toThrow(/moves from 4 to 6/)
    expect(() => offsets.takeAll(9, 8)).toThrow(/offsets 9 to 8 are no records/)
  })

  test('a million records that end in turns keep memory and time small', () => {
    const offsets = new UnfinishedOffsets(0)
    let earlier = offsets.take(0)
    for (let offset = 1; offset < 1_000_000; offset++) {
      const ticket = offsets.take(offset)
      offsets.finish(earlier)
      earlier = ticket
    }
    expect(offsets).toMatchObject({ position: 999_999, count: 1 })
  })

  test('an offset below what was read is a fault of the program', () => {
    const offsets = new UnfinishedOffsets(5)
    expect(() => offsets.take(4)).toThrow(/offset 4 is taken after 5/)
    expect(() => offsets.finish(0)).toThrow(/ticket 0 was never given out/)
  })
})
