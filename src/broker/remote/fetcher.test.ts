import { beforeEach, expect, test } from 'vitest'
import { MillraceError } from '../../base/errors.ts'
import { BatchBuilder } from '../../record/batch-builder.ts'
import { simSys } from '../../sim/sim-sys.ts'
import type { Answer } from '../broker.ts'
import { Fetcher } from './fetcher.ts'
import type { FetchedPart, FetchRequest, FetchResponse } from './protocol.ts'
import { RemoteReader } from './remote-reader.ts'

interface Asked {
  readonly request: FetchRequest
  readonly answer: Answer<FetchResponse>
  cancelled: boolean
}

let sys: ReturnType<typeof simSys>
let asked: Asked[]
let fetcher: Fetcher
let woken: number[]

beforeEach(() => {
  sys = simSys(1)
  asked = []
  woken = []
  fetcher = new Fetcher({
    timers: sys.timers,
    fetch: (request, answer) => {
      const one: Asked = { request, answer, cancelled: false }
      asked.push(one)
      return { cancel: () => (one.cancelled = true) }
    },
    learned: () => undefined,
  })
})

function reader(partition: number, patienceMs = 1_000): RemoteReader {
  const host = {
    want: (one: RemoteReader) => fetcher.want(one),
    drop: (one: RemoteReader) => fetcher.drop(one),
    end: () => 100,
    patienceMs,
    now: () => sys.clock.monotonic(),
  }
  const place = { topic: 't', partition, isolation: 'read_committed' } as const
  return new RemoteReader(host, place, 0, () => woken.push(partition))
}

/** Two records, offsets 0 and 1. */
function part(): FetchedPart {
  const builder = new BatchBuilder()
  builder.appendText(0, null, 'a')
  builder.appendText(0, null, 'b')
  const bounds = { start: 0, lastStable: 9, end: 9, leaderEpoch: 0 }
  return { batches: { bytes: builder.build(), from: 0, aborted: [] }, bounds }
}

const partitionsOf = ({ request }: Asked) => request.wants.map(({ partition }) => partition)
const lost = () => new MillraceError('MILLRACE_CONNECTION', 'lost')

test('what is wanted in one turn goes in one request; what comes is wanted on from its end', () => {
  const [a, b] = [reader(0), reader(1)]
  expect([a.poll(500), b.poll(700)]).toEqual([undefined, undefined])
  sys.time.advance(1)
  expect(asked.map(({ request }) => request.wants)).toEqual([
    [
      expect.objectContaining({ partition: 0, from: 0, bytesMax: 500 }),
      expect.objectContaining({ partition: 1, from: 0, bytesMax: 700 }),
    ],
  ])
  asked[0]?.answer(undefined, { parts: [part(), {}] })
  expect(woken).toEqual([0])
  expect(a.atEnd()).toBe(false)
  expect(a.poll(600)?.from).toBe(0)
  sys.time.advance(1)
  expect(asked[1]?.request.wants.map(({ partition, from, bytesMax }) => [partition, from, bytesMax])).toEqual(
    [
      [1, 0, 700],
      [0, 2, 600],
    ],
  )
})

test('more requests than four are not under way: the oldest is called back, its wants go on', () => {
  const readers = [0, 1, 2, 3, 4].map((partition) => reader(partition))
  for (const one of readers) {
    one.poll(100)
    sys.time.advance(1)
  }
  expect(asked.map(({ cancelled }) => cancelled)).toEqual([true, false, false, false, false])
  expect(partitionsOf(asked[4] as Asked)).toEqual([4, 0])
})

test('a request that only closed readers wait for is called back', () => {
  const [a, b] = [reader(0), reader(1)]
  a.poll(100)
  b.poll(100)
  sys.time.advance(1)
  a.close()
  expect(asked[0]?.cancelled).toBe(false)
  b.close()
  expect(asked[0]?.cancelled).toBe(true)
  sys.time.advance(1_000)
  expect(asked).toHaveLength(1)
})

test('a lost fetch is tried again after a pause, and fails when that goes on for too long', () => {
  const one = reader(0, 250)
  one.poll(100)
  sys.time.advance(1)
  asked[0]?.answer(lost(), undefined)
  sys.time.advance(50)
  expect(asked).toHaveLength(1)
  sys.time.advance(60)
  expect(asked).toHaveLength(2)
  asked[1]?.answer(lost(), undefined)
  sys.time.advance(200)
  expect(one.poll(100)).toBeUndefined()
  asked[2]?.answer(lost(), undefined)
  expect(woken).toEqual([0])
  expect(() => one.poll(100)).toThrow('lost')
  sys.time.advance(1_000)
  expect(asked).toHaveLength(3)
})

test('an answer between two losses begins the patience anew', () => {
  const one = reader(0, 250)
  one.poll(100)
  for (let round = 0; round < 6; round += 1) {
    sys.time.advance(120)
    asked.at(-1)?.answer(round % 2 === 0 ? lost() : undefined, round % 2 === 0 ? undefined : { parts: [{}] })
  }
  sys.time.advance(120)
  expect(one.poll(100)).toBeUndefined()
})

test("an error of the log itself is the reader's at once, and every time", () => {
  const one = reader(0)
  one.poll(100)
  sys.time.advance(1)
  const error = new MillraceError('MILLRACE_OFFSET_OUT_OF_RANGE', 'no offset 7')
  asked[0]?.answer(undefined, { parts: [{ error }] })
  expect(() => one.poll(100)).toThrow('no offset 7')
  expect(() => one.poll(100)).toThrow('no offset 7')
})
