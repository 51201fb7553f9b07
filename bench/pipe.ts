import { run } from 'millrace'
import type { BenchContext } from './bench.ts'
import { fill } from './fill.ts'
import { type Measurement, measurement, timed } from './measure.ts'
import { pipeApp } from './pipelines.ts'
import { untilRead } from './until.ts'
import { parseOnly } from './window-count.ts'

/** JSON of ~180 B: parse, filter, map, encode, exactly once into another topic. */
export async function pipe(context: BenchContext): Promise<Measurement[]> {
  const records = 1_000_000 * context.rounds(1)
  const folder = context.folder('pipe')
  await fill(folder, records, 1_000)
  const limit = await parseOnly(folder)
  const cost = await timed(async () => {
    await using running = await run(pipeApp, { at: `file:${folder}` })
    await untilRead(running, records)
    await running.close()
    return records
  })
  return [measurement({ bench: 'pipe', case: 'parse, filter, map, encode', unit: 'records/s' }, cost, limit)]
}
