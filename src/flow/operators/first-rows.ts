import type { StoreKey } from '../../state/keyed-store.ts'
import type { Aggregates } from '../graph/plan.ts'
import type { Window } from '../graph/window-spec.ts'

type Filter = (row: unknown) => boolean

/**
 * Keeps back, in the task that closes a window, the rows that cannot be among the first n of their group: of all the
 * pages of an hour only some dozens reach the group that keeps the best ten.
 *
 * State: per group the ranks of the first n rows of this window, while it fires; after a restart in between they begin
 * anew, and some more rows pass. A row that is kept back has n better ones before it, so it changes no result, ties
 * included. Only where no row is ever taken out again: with `updates()` the next one would have to take its place.
 */
export class FirstRows {
  readonly #make: readonly (() => Filter)[]
  readonly #groups = new Map<StoreKey, readonly Filter[]>()
  #start = Number.NaN
  #end = Number.NaN

  private constructor(make: readonly (() => Filter)[]) {
    this.#make = make
  }

  /** Undefined where some aggregate needs every row. */
  static of(aggregates: Aggregates): FirstRows | undefined {
    const make = Object.values(aggregates).map(({ firstOnly }) => firstOnly as (() => Filter) | undefined)
    return make.every((one) => one !== undefined) ? new FirstRows(make) : undefined
  }

  mayCount(window: Window, group: StoreKey, row: unknown): boolean {
    if (window.end !== this.#end || window.start !== this.#start) {
      this.#groups.clear()
      this.#end = window.end
      this.#start = window.start
    }
    let filters = this.#groups.get(group)
    if (filters === undefined) {
      filters = this.#make.map((one) => one())
      this.#groups.set(group, filters)
    }
    let may = false
    try {
      // All of them: each has to know of the rows that are its own.
      for (const filter of filters) if (filter(row)) may = true
      return may
    } catch {
      // The group will fail at it too, and say so. Until then some filters have taken it for one of the first.
      this.#groups.delete(group)
      return true
    }
  }
}
