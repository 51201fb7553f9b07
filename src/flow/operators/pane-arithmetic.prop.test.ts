import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PaneArithmetic } from './pane-arithmetic.ts'

const specs = fc.record({
  kind: fc.constant('hopping' as const),
  sizeMs: fc.integer({ min: 1, max: 60 }),
  everyMs: fc.integer({ min: 1, max: 60 }),
  offsetMs: fc.integer({ min: -100, max: 100 }),
})
const times = fc.integer({ min: -1_000, max: 1_000 })

/** Ends of all windows that hold a time, by trying every window near it. */
function naiveEnds(spec: { sizeMs: number; everyMs: number; offsetMs: number }, time: number): number[] {
  const ends: number[] = []
  for (let index = -2_000; index <= 2_000; index += 1) {
    const start = index * spec.everyMs + spec.offsetMs
    if (start <= time && time < start + spec.sizeMs) ends.push(start + spec.sizeMs)
  }
  return ends
}

describe('panes', () => {
  test('the windows of a pane are exactly those that hold any of its times', () => {
    fc.assert(
      fc.property(specs, times, (spec, time) => {
        const panes = new PaneArithmetic(spec)
        const pane = panes.paneEnd(time)
        expect(pane - panes.paneMs <= time && time < pane).toBe(true)
        const ends: number[] = []
        const last = panes.lastWindowEnd(pane)
        for (let end = panes.windowEndFrom(pane); end <= last; end += panes.everyMs) ends.push(end)
        expect(ends).toEqual(naiveEnds(spec, time))
      }),
    )
  })

  test('tumbling windows are one pane each, also at negative times', () => {
    const panes = new PaneArithmetic({ kind: 'tumbling', sizeMs: 10, offsetMs: 3 })
    expect([-8, -7, 2, 3].map((time) => panes.paneEnd(time))).toEqual([-7, 3, 3, 13])
    expect(panes.windowEndFrom(4)).toBe(13)
    expect(panes.lastWindowEnd(13)).toBe(13)
  })
})
