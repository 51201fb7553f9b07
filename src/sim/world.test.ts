import { describe, expect, test } from 'vitest'
import { SeededRandom } from './seeded-random.ts'
import { restartSys, simSys } from './sim-sys.ts'
import { VirtualTime } from './virtual-time.ts'

describe('virtual time', () => {
  test('runs what is due in order of time, then of registration, never inside the call', () => {
    const time = new VirtualTime(1000)
    const seen: string[] = []
    time.after(5, () => seen.push(`b${time.now()}`))
    time.after(5, () => seen.push('c'))
    time.after(1, () => {
      seen.push(`a${time.now()}`)
      time.soon(() => seen.push('soon'))
      time.after(4, () => seen.push('d'))
    })
    time.after(2, () => seen.push('cancelled')).cancel()
    expect(seen).toEqual([])
    time.advance(4)
    expect(seen).toEqual(['a1001', 'soon'])
    time.advance(1)
    expect(seen).toEqual(['a1001', 'soon', 'b1005', 'c', 'd'])
    expect([time.now(), time.monotonic(), time.nextDue]).toEqual([1005, 5, undefined])
  })

  test('idle stops at the last timer, or at the limit', () => {
    const time = new VirtualTime()
    let count = 0
    const again = () => {
      count += 1
      time.after(10, again)
    }
    again()
    time.runUntilIdle(55)
    expect([count, time.monotonic(), time.nextDue]).toEqual([6, 50, 60])
    time.clear()
    time.runUntilIdle()
    expect(count).toBe(6)
  })
})

describe('seeded random', () => {
  test('is the same for a seed, another for another, and a fork does not depend on draws', () => {
    const row = (random: SeededRandom) => Array.from({ length: 5 }, () => random.uint32())
    expect(row(new SeededRandom(7))).toEqual(row(new SeededRandom(7)))
    expect(row(new SeededRandom(7))).not.toEqual(row(new SeededRandom(8)))
    const drawn = new SeededRandom(7)
    row(drawn)
    expect(row(drawn.fork('disk'))).toEqual(row(new SeededRandom(7).fork('disk')))
    expect(row(drawn.fork('disk'))).not.toEqual(row(drawn.fork('net')))
  })

  test('is even, and its ids are version 4', () => {
    const random = new SeededRandom(3)
    const counts = new Array<number>(10).fill(0)
    for (let draw = 0; draw < 10_000; draw += 1) {
      const value = random.below(10)
      counts[value] = (counts[value] ?? 0) + 1
    }
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150)
    expect(random.uuid()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})

test('a restarted world goes on from its clock, without old timers and unsynced files of the old one', () => {
  const before = simSys(1, { now: 500 })
  before.time.after(1, () => expect.unreachable())
  before.time.after(0, () => {})
  before.disk.makeFolder('/d')
  before.disk.open('/d/kept', 'create').syncNow()
  before.disk.syncFolder('/d')
  const after = restartSys(before, 2)
  before.time.advance(10)
  expect(after.clock.now()).toBe(500)
  expect(after.disk.list('/d')).toEqual(['kept'])
})
