import type { BenchContext } from './bench.ts'
import { type Measurement, measurement } from './measure.ts'
import { pipeApp } from './pipelines.ts'
import { measureApp } from './window-count.ts'

/** JSON of ~180 B: parse, filter, map, encode, exactly once into another topic. */
export async function pipe(context: BenchContext): Promise<Measurement[]> {
  const { cost, limit } = await measureApp(context, pipeApp, {
    rounds: context.rounds(3),
    records: 1_000_000,
    keys: 1_000,
  })
  return [measurement({ bench: 'pipe', case: 'parse, filter, map, encode', unit: 'records/s' }, cost, limit)]
}
