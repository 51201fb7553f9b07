import { expect, test } from 'vitest'
import { simSys } from '../sim/sim-sys.ts'
import { WorkWatch } from './work-watch.ts'

test('what takes longer than the limit is told of, once, and nothing else', () => {
  const sys = simSys(1)
  const told: string[] = []
  const watch = new WorkWatch<string>(
    sys,
    100,
    () => 0,
    (item) => told.push(`${item}@${sys.clock.monotonic()}`),
  )
  watch.begin('a')
  sys.time.advance(60)
  watch.begin('b')
  watch.begin('c')
  sys.time.advance(30)
  watch.end('c')
  sys.time.advance(1_000)
  expect(told).toEqual(['a@100', 'b@160'])
})

test('what holds many records in turn is told of when one of them takes longer, at most an eighth late', () => {
  const sys = simSys(1)
  const told: string[] = []
  const tell = (item: { name: string }) => told.push(`${item.name}@${sys.clock.monotonic()}`)
  const watch = new WorkWatch<{ name: string; done: number }>(sys, 100, ({ done }) => done, tell)
  const chunk = { name: 'chunk', done: 0 }
  watch.begin(chunk)
  watch.begin({ name: 'other', done: 0 })
  // 30 records that take a tenth of the limit each: together three times as long.
  for (; chunk.done < 30; chunk.done++) sys.time.advance(10)
  expect(told).toEqual(['other@100'])
  // The record after them was begun at 300, and stays.
  sys.time.advance(99)
  expect(told).toEqual(['other@100'])
  sys.time.advance(14)
  expect(told).toEqual(['other@100', expect.stringMatching(/^chunk@(4[01]\d)$/)])
  sys.time.advance(1_000)
  expect(told).toHaveLength(2)
})

test('one timer serves all records, and none is left when nothing is watched', () => {
  const sys = simSys(1)
  const watch = new WorkWatch<number>(
    sys,
    100,
    () => 0,
    () => expect.fail('nothing takes too long'),
  )
  for (let item = 0; item < 1_000; item++) {
    watch.begin(item)
    sys.time.advance(1)
    watch.end(item)
  }
  sys.time.advance(200)
  expect(sys.time.nextDue).toBeUndefined()
  watch.begin(1)
  watch.stop()
  sys.time.advance(200)
})
