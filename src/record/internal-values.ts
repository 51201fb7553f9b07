import type { Serde } from './serde.ts'
import { json } from './serdes.ts'

/**
 * The serde of values in internal topics: changelogs, repartitioned records, positions. The one place that chooses it
 * (docs/decisions/0004-internal-values.md); its `format` belongs to a plan's identity, so that a change is noticed.
 *
 * JSON has no form for NaN, infinities and undefined: state that may hold them must write them in another way.
 */
export function internalValues<T>(): Serde<T> {
  return json() as Serde<T>
}
