/**
 * A sum that does not depend on the order of its terms, and is rounded once.
 *
 * State: partials in the manner of Shewchuk: doubles that do not overlap, smallest first, whose exact sum is the exact
 * sum of all terms. Nearly always there is one or none: then it is a plain number, which costs what a sum costs.
 * Invariant: no partial is 0. Cost: linear in the partials, at most about 40, one or two for ordinary numbers.
 *
 * Why: panes and retractions add the same numbers in other groups; with rounding in between, 0.1 + 0.2 - 0.2 would
 * leave 0.10000000000000003 behind, and a hopping window would differ from a tumbling one.
 */
export type ExactSum = number | number[]

export function addExactly(sum: ExactSum, term: number): ExactSum {
  if (typeof sum === 'number') {
    const high = sum + term
    // Integers below 2^53 are exact; this is the case that has to be fast.
    if (Number.isSafeInteger(high) && Number.isInteger(sum) && Number.isInteger(term)) return high
    return normal(grow(sum === 0 ? [] : [sum], term))
  }
  return normal(grow(sum, term))
}

export function mergeExactly(left: ExactSum, right: ExactSum): ExactSum {
  if (typeof right === 'number') return addExactly(left, right)
  let sum = left
  for (const term of right) sum = addExactly(sum, term)
  return sum
}

export function negated(sum: ExactSum): ExactSum {
  return typeof sum === 'number' ? 0 - sum : sum.map((partial) => -partial)
}

/** The exact sum, rounded once to the nearest double, ties to even. */
export function roundedSum(sum: ExactSum): number {
  if (typeof sum === 'number') return sum
  let index = sum.length - 1
  if (index < 0) return 0
  let high = sum[index] as number
  let low = 0
  while (index > 0) {
    index -= 1
    const term = sum[index] as number
    const total = high + term
    low = term - (total - high)
    high = total
    if (low !== 0) break
  }
  // What is left below decides a tie: the double step that follows lies on its side.
  const below = index > 0 ? (sum[index - 1] as number) : 0
  if (below !== 0 && low !== 0 && below < 0 === low < 0) {
    const twice = low * 2
    const next = high + twice
    if (next - high === twice) return next
  }
  return high
}

function grow(partials: readonly number[], term: number): number[] {
  const grown: number[] = []
  let carried = term
  for (const partial of partials) {
    const total = carried + partial
    // The rounding error of a sum of two doubles is itself a double; the larger one must stand first.
    const error =
      Math.abs(carried) >= Math.abs(partial) ? partial - (total - carried) : carried - (total - partial)
    if (error !== 0) grown.push(error)
    carried = total
  }
  if (carried !== 0) grown.push(carried)
  return grown
}

function normal(partials: number[]): ExactSum {
  if (partials.length === 0) return 0
  return partials.length === 1 ? (partials[0] as number) : partials
}
