import type { Random } from '../../sys/sys.ts'

/**
 * What becomes of a commit.
 *
 * - `pass`: the inner broker decides.
 * - `unknownCommitted`: it is written, and the answer is lost.
 * - `unknownLost`: it is not written, and the answer is lost.
 * - `unknownLate`: nobody knows until the group joins again; then, before the join, it is written.
 * - `fenced`: another member joins just before.
 * - `disk`: refused, nothing written.
 */
export type CommitFate = 'pass' | 'unknownCommitted' | 'unknownLost' | 'unknownLate' | 'fenced' | 'disk'

/** The faults of a simulated broker: a script, or lots from a seed. */
export interface BrokerFaults {
  /** Asked once for each commit, in their order, from 0. */
  fate(commit: number): CommitFate
  /** How long the next answer takes, in ms; answers keep their order. Undefined: it comes within the call. */
  delayMs(): number | undefined
  /** At most so many bytes for the next fetch; 0: it comes back empty, and the reader is woken later. */
  fetchBytes(wanted: number): number
}

/** A broker without faults. */
export const NO_FAULTS: BrokerFaults = {
  fate: () => 'pass',
  delayMs: () => undefined,
  fetchBytes: (wanted) => wanted,
}

export interface FaultChances {
  /** Probability of each fate but `pass`. */
  readonly fates: Partial<Readonly<Record<Exclude<CommitFate, 'pass'>, number>>>
  /** Answers take from 0 to this many ms. */
  readonly delayMsMax: number
  /** Probability that a fetch is empty; else it is cut to a random size. */
  readonly emptyFetches: number
}

/** Faults by lot. */
export function seededFaults(
  random: Random,
  { fates, delayMsMax, emptyFetches }: FaultChances,
): BrokerFaults {
  return {
    fate() {
      let lot = random.next()
      for (const [fate, chance] of Object.entries(fates)) {
        lot -= chance
        if (lot < 0) return fate as CommitFate
      }
      return 'pass'
    },
    delayMs: () => (delayMsMax === 0 ? undefined : Math.floor(random.next() * (delayMsMax + 1))),
    fetchBytes: (wanted) => (random.next() < emptyFetches ? 0 : 1 + Math.floor(random.next() * wanted)),
  }
}
