import type { Parameters } from 'fast-check'

/** Repeat a failure with the seed that its describe block shows: `MILLRACE_SEED=123 npx vitest run test/engine`. */
export const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000)

/** How often a property is tried (times MILLRACE_TRIES); fast-check prints the seed and the path of what fails. */
export function tries(numRuns: number): Parameters<unknown> {
  return { seed, numRuns: numRuns * Number(process.env['MILLRACE_TRIES'] ?? 1) }
}
