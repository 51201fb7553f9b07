import type { PartitionView } from '../observation.ts'
import type { Seen } from '../seen.ts'
import type { Checker } from './checker.ts'

/**
 * From the start to the end every offset is there, and of every producer id and epoch every number; compaction apart,
 * which makes holes. Offsets ascend in any case.
 */
export class NoGap implements Checker {
  readonly name = 'no-gap'

  check(seen: Seen): string | undefined {
    for (const view of seen.changed) {
      if (view.error !== undefined) continue
      const problem = offsetsOf(view) ?? (view.compacted ? undefined : numbersOf(view))
      if (problem !== undefined) return `${view.name}: ${problem}`
    }
    return undefined
  }
}

function offsetsOf({ batches, start, end, compacted }: PartitionView): string | undefined {
  let next = compacted ? -1 : Math.min(start, batches[0]?.base ?? start)
  for (const { base, last } of batches) {
    if (compacted ? base < next : base !== next) return `a batch begins at ${base}, expected ${next}`
    if (last < base) return `the batch at ${base} ends at ${last}`
    next = last + 1
  }
  if (next > end || (!compacted && next !== end)) return `the batches end at ${next}, the end is ${end}`
  return undefined
}

function numbersOf({ batches }: PartitionView): string | undefined {
  const next = new Map<string, number>()
  for (const { producerId, producerEpoch, baseSequence, count, base, control } of batches) {
    if (producerId < 0 || control) continue
    const producer = `${producerId}/${producerEpoch}`
    // What came before may have been deleted, or refused: a first number is taken as it is.
    const expected = next.get(producer) ?? baseSequence
    if (baseSequence !== expected)
      return `the batch at ${base} of producer ${producer} has number ${baseSequence}, expected ${expected}`
    next.set(producer, baseSequence + count)
  }
  return undefined
}
