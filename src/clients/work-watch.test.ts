import { expect, test } from 'vitest'
import { simSys } from '../sim/sim-sys.ts'
import { WorkWatch } from './work-watch.ts'

test('what takes longer than the limit is told of, once, and nothing else', () => {
  const sys = simSys(1)
  const told: string[] = []
  const watch = new WorkWatch<string>(sys, 100, (item) => told.push(`${item}@${sys.clock.monotonic()}`))
  watch.begin('a')
  sys.time.advance(60)
  watch.begin('b')
  watch.begin('c')
  sys.time.advance(30)
  watch.end('c')
  sys.time.advance(1_000)
  expect(told).toEqual(['a@100', 'b@160'])
})

test('one timer serves all records, and none is left when nothing is watched', () => {
  const sys = simSys(1)
  const watch = new WorkWatch<number>(sys, 100, () => expect.fail('nothing takes too long'))
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
