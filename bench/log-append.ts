import { join } from 'node:path'
import { encodedBatch } from './batches.ts'
import type { BenchContext } from './bench.ts'
import { openBenchLog } from './log-fixture.ts'
import { inTurns, type Measurement, measurement, timed } from './measure.ts'
import { openPlainFile } from './plain-file.ts'

const BENCH = 'log-append'

/** Durable appends: records of 100 B and 1 KB, batches of 1, 100 and 1,000, from 1, 16 and 128 callers at once. */
export async function logAppend(context: BenchContext): Promise<Measurement[]> {
  const results: Measurement[] = []
  for (const recordBytes of [100, 1_000]) {
    for (const perBatch of [1, 100, 1_000]) {
      for (const callers of [1, 16, 128]) {
        if (context.wants(caseName(recordBytes, perBatch, callers)))
          results.push(await appendCase(context, recordBytes, perBatch, callers))
      }
    }
  }
  return results
}

function caseName(recordBytes: number, perBatch: number, callers: number): string {
  return `${recordBytes} B x ${perBatch}, ${callers} callers`
}

async function appendCase(
  context: BenchContext,
  recordBytes: number,
  perBatch: number,
  callers: number,
): Promise<Measurement> {
  const log = openBenchLog(context.folder(BENCH))
  const partition = await log.makePartition('appends')
  const batch = encodedBatch(recordBytes, perBatch)
  // Each caller has bytes of its own, on both sides: they are its again when its append was answered.
  const batches = Array.from({ length: callers }, () => Uint8Array.from(batch))
  const plain = openPlainFile(join(context.folder('plain'), 'plain'))
  const appends = Math.max(4, Math.min(100, Math.floor(16e6 / batch.length / callers)))
  const large = batch.length * callers * appends > 64e6
  const { cost, limit } = await inTurns(
    context.rounds(large ? 2 : 8),
    () => timed(() => appendFrom(batches, appends, (bytes) => log.append(partition, bytes), perBatch)),
    // The same bytes; and one sync for all callers' batches, which is what a group commit can reach at best.
    () =>
      timed(async () => {
        for (let index = 0; index < appends; index++) await plain.append(batches)
        return callers * appends * perBatch
      }),
  )
  plain.close()
  await log.close()
  const name = caseName(recordBytes, perBatch, callers)
  return measurement({ bench: BENCH, case: name, unit: 'records/s' }, cost, limit)
}

async function appendFrom(
  batches: readonly Uint8Array[],
  appends: number,
  append: (bytes: Uint8Array) => Promise<void>,
  perBatch: number,
): Promise<number> {
  const caller = async (bytes: Uint8Array): Promise<void> => {
    for (let index = 0; index < appends; index++) await append(bytes)
  }
  await Promise.all(batches.map(caller))
  return batches.length * appends * perBatch
}
