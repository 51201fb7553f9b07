import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/** The position of a group never falls behind what was acknowledged or seen of it, except by a reset. */
export class PositionsNeverGoBack implements Checker {
  readonly name = 'positions-never-go-back'

  check(seen: Seen): string | undefined {
    for (const { group, positions, floors } of seen.positions) {
      for (const [place, floor] of floors ?? []) {
        const view = seen.views.get(place)
        if (view === undefined) continue
        const position = positions.get(place)
        if (position !== undefined && position.offset >= floor) continue
        return `group ${group} had position ${floor} in ${view.name}, and has ${position?.offset ?? 'none'}`
      }
    }
    return undefined
  }
}
