import type { Model } from '../model/model.ts'
import type { Seen } from '../seen.ts'

/** One invariant. It is asked after every step, and may remember what it saw; a run has its own. */
export interface Checker {
  readonly name: string
  /** What does not hold; undefined: all is well. */
  check(seen: Seen, model: Model): string | undefined
}
