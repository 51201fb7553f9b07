import { describe, expect, test } from 'vitest'
import { isMillraceError } from '../base/errors.ts'
import type { TopicDescription } from '../broker/broker.ts'
import { ClientsWorld } from './clients-test-world.ts'
import { type StartPolicy, startOffset } from './start-offset.ts'

/** A partition that holds the offsets 4 to 10: what was before is deleted. */
function world(): { readonly world: ClientsWorld; readonly topic: TopicDescription } {
  const world = new ClientsWorld()
  const topic = world.topic('t', { partitions: 1 })
  for (let at = 0; at < 10; at++) {
    world.sys.time.advance(1_000 - (world.sys.clock.now() % 1_000))
    world.append(topic, 0, [`r${at}`])
  }
  world.now((answer) => world.broker.admin.deleteRecords(topic.id, 0, 4, answer))
  return { world, topic }
}

const POLICY: StartPolicy = { group: 'g', from: 'committed', ifNone: 'earliest', ifOutOfRange: 'fail' }

function start(policy: Partial<StartPolicy>, committed?: number): number | string {
  const { world: here, topic } = world()
  try {
    return here.now<number>((answer) =>
      startOffset(here.broker, { ...POLICY, ...policy }, topic, 0, committed, answer),
    )
  } catch (error) {
    return isMillraceError(error) ? `${error.code}: ${error.message}` : String(error)
  }
}

describe('where a consumer begins', () => {
  test('at its position, also at the very start and at the very end', () => {
    expect([start({}, 7), start({}, 4), start({}, 10)]).toEqual([7, 4, 10])
  })

  test('without a position where ifNone says', () => {
    expect([start({ ifNone: 'earliest' }), start({ ifNone: 'latest' })]).toEqual([4, 10])
    expect(start({ ifNone: 'fail' })).toMatch(
      /^MILLRACE_NO_POSITION: group g has no position in t-0.*reset g/,
    )
  })

  test('a position below the start of the log is never passed silently', () => {
    expect(start({}, 3)).toMatch(
      /^MILLRACE_OFFSET_OUT_OF_RANGE: the position of group g in t-0 is 3, but the log holds 4 to 10/,
    )
    expect(start({ ifOutOfRange: 'earliest' }, 3)).toBe(4)
    expect(start({ ifOutOfRange: 'latest' }, 3)).toBe(10)
  })

  test('a position behind the end, as after a topic was made anew, fails as well', () => {
    expect(start({}, 11)).toMatch(/^MILLRACE_OFFSET_OUT_OF_RANGE/)
    expect(start({ ifOutOfRange: 'earliest' }, 11)).toBe(4)
  })

  test('ifNone is not asked when there is a position that the log does not have', () => {
    expect(start({ ifNone: 'latest' }, 3)).toMatch(/^MILLRACE_OFFSET_OUT_OF_RANGE/)
  })

  test('where `from` says, whatever was committed', () => {
    expect([
      start({ from: 'earliest' }, 7),
      start({ from: 'latest' }, 7),
      start({ from: { offset: 5 } }, 7),
    ]).toEqual([4, 10, 5])
    expect(start({ from: { offset: 99 } })).toMatch(
      /^MILLRACE_OFFSET_OUT_OF_RANGE: the wanted offset in t-0 is 99/,
    )
  })

  test('at a time: the first record of it or after it', () => {
    const { world: here, topic } = world()
    const reader = here.broker.read(topic.id, 0, 6, () => undefined)
    reader.close()
    const at = (time: number): number =>
      here.now<number>((answer) =>
        startOffset(here.broker, { ...POLICY, from: { time } }, topic, 0, undefined, answer),
      )
    expect(at(0)).toBe(4)
    expect(at(Number.MAX_SAFE_INTEGER)).toBe(10)
    const middle = at(6_500)
    expect(middle).toBeGreaterThan(4)
    expect(middle).toBeLessThan(10)
    expect(at(6_500 + 1_000)).toBe(middle + 1)
  })
})
