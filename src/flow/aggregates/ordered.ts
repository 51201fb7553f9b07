import { compareCodePoints } from '../../base/code-points.ts'
import { MillraceError } from '../../base/errors.ts'

/** What `min`, `max` and `top` put in order: numbers, or texts by their code points. */
export type Ordered = number | string

/** Numbers before texts; NaN never gets here (see `checkedOrdered`). */
export function compareOrdered(left: Ordered, right: Ordered): number {
  if (typeof left === 'number') {
    if (typeof right !== 'number') return -1
    return left < right ? -1 : left > right ? 1 : 0
  }
  return typeof right === 'number' ? 1 : compareCodePoints(left, right)
}

/** Refuses what has no place in an order, such as undefined or NaN: it would make results depend on arrival. */
export function checkedOrdered(value: unknown, kind: string): Ordered {
  if (typeof value === 'string' || (typeof value === 'number' && !Number.isNaN(value))) return value
  throw new MillraceError(
    'MILLRACE_INVALID_RECORD',
    `${kind} orders numbers or texts, but its function answered ${String(value)}; filter such values out before`,
  )
}

/** Refuses what cannot be added up. */
export function checkedNumber(value: unknown, kind: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new MillraceError(
    'MILLRACE_INVALID_RECORD',
    `${kind} adds finite numbers, but its function answered ${String(value)}; filter such values out before`,
  )
}
