import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/**
 * Of topics with durability `os` the power takes whole transactions from the end, none that a durable topic is part of,
 * and readers are told. What may not be gone at all, the checkers of what was acknowledged and read say.
 */
export class OnlyAnEndIsLost implements Checker {
  readonly name = 'only-an-end-is-lost'

  check({ lost }: Seen): string | undefined {
    return lost.problems[0]
  }
}
