import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OrderedWork } from './ordered-work.ts'

describe('ordered work', () => {
  test('a lane keeps its order and never runs two tasks; the limit holds; everything runs once', async () => {
    const lanes = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(
        lanes,
        fc.integer({ min: 1, max: 5 }),
        fc.scheduler(),
        async (list, limit, scheduler) => {
          const work = new OrderedWork(limit)
          const ended: string[] = []
          const open = new Set<string>()
          let most = 0
          for (const [index, lane] of list.entries()) {
            work.run(lane, async () => {
              expect(open).not.toContain(lane)
              open.add(lane)
              most = Math.max(most, open.size)
              await scheduler.schedule(Promise.resolve(), `${lane}${index}`)
              open.delete(lane)
              ended.push(`${lane}${index}`)
            })
          }
          await scheduler.waitFor(work.idle())
          const expected = list.map((lane, index) => `${lane}${index}`)
          expect(ended.toSorted()).toEqual(expected.toSorted())
          for (const lane of 'abcd') {
            const of = (names: string[]) => names.filter((name) => name.startsWith(lane))
            expect(of(ended)).toEqual(of(expected))
          }
          expect(most).toBeLessThanOrEqual(limit)
        },
      ),
    )
  })

  test('lanes run side by side up to the limit', async () => {
    const work = new OrderedWork(2)
    const releases: (() => void)[] = []
    const started: string[] = []
    for (const lane of ['a', 'b', 'c']) {
      work.run(lane, async () => {
        started.push(lane)
        await new Promise<void>((resolve) => releases.push(resolve))
      })
    }
    expect(started).toEqual(['a', 'b'])
    releases[1]?.()
    await Promise.resolve()
    await Promise.resolve()
    expect(started).toEqual(['a', 'b', 'c'])
    releases[0]?.()
    releases[2]?.()
    await work.idle()
  })

  test('it is full while as much waits as may run', async () => {
    const work = new OrderedWork(1)
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    work.run('a', () => held)
    expect(work.full).toBe(false)
    work.run('a', async () => {})
    expect(work.full).toBe(true)
    const room = work.room()
    release()
    await room
    expect(work.full).toBe(false)
    await work.idle()
  })
})
