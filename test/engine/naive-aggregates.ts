/** Every built-in aggregate from a plain list of values, the whole list each time. */
export interface Numbers {
  readonly count: number
  readonly sum: number
  readonly min: number | null
  readonly max: number | null
  readonly average: number | null
  readonly distinct: number
}

export function numbersOf(values: readonly number[]): Numbers {
  const sum = values.reduce((total, value) => total + value, 0)
  return {
    count: values.length,
    sum,
    min: values.length === 0 ? null : Math.min(...values),
    max: values.length === 0 ? null : Math.max(...values),
    average: values.length === 0 ? null : sum / values.length,
    distinct: new Set(values).size,
  }
}

/** The `n` greatest by `by`; equals by `ties`, the least first. */
export function topOf<V>(
  values: readonly V[],
  n: number,
  by: (value: V) => number,
  ties: (value: V) => string,
): readonly V[] {
  const order = (left: V, right: V): number => {
    if (by(left) !== by(right)) return by(right) - by(left)
    return ties(left) < ties(right) ? -1 : ties(left) > ties(right) ? 1 : 0
  }
  return [...values].sort(order).slice(0, n)
}

export function groupsOf<V>(
  values: readonly V[],
  key: (value: V) => string,
): ReadonlyMap<string, readonly V[]> {
  const groups = new Map<string, V[]>()
  for (const value of values) groups.set(key(value), [...(groups.get(key(value)) ?? []), value])
  return groups
}
