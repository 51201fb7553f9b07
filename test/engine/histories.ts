import fc from 'fast-check'
import type { Event } from './naive-time.ts'

/** Times around zero, so that windows at negative times and across zero are as common as others. */
const WIDTH = 60

/**
 * Histories of a few keys: a clock that mostly goes forward, and events that lie up to `backMax` behind it, within the
 * bound of a source and beyond it.
 */
export function histories(options: {
  readonly lengthMax: number
  readonly backMax: number
  readonly keys?: readonly string[]
}): fc.Arbitrary<Event[]> {
  const step = fc.record({
    key: fc.constantFrom(...(options.keys ?? ['a', 'b', 'c'])),
    forward: fc.oneof({ weight: 4, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.nat(25) }),
    back: fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      { weight: 2, arbitrary: fc.nat(options.backMax) },
    ),
    amount: fc.integer({ min: -5, max: 9 }),
  })
  return fc
    .tuple(
      fc.integer({ min: -WIDTH, max: WIDTH }),
      fc.array(step, { maxLength: options.lengthMax, size: 'max' }),
    )
    .map(([begin, steps]) => {
      let clock = begin
      return steps.map(({ key, forward, back, amount }) => {
        clock += forward
        return { key, at: clock - back, amount }
      })
    })
}
