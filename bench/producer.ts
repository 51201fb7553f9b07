import { join } from 'node:path'
import { bytes, open, type Producer, type Topic, topic } from 'millrace'
import { encodedBatch } from './batches.ts'
import type { BenchContext } from './bench.ts'
import { inTurns, type Measurement, measurement, timed } from './measure.ts'
import { openPlainFile } from './plain-file.ts'

const BENCH = 'producer'
const RECORD_BYTES = 100
const CALLERS = 1_000

export type BytesTopic = Topic<null, Uint8Array, Uint8Array>

/** Durable sends through the public producer: 1,000 callers that each await their record, to 1, 10 and 1,000 partitions. */
export async function producer(context: BenchContext): Promise<Measurement[]> {
  const results: Measurement[] = []
  for (const partitions of [1, 10, 1_000]) {
    const name = `100 B, ${CALLERS} callers, ${partitions} partitions`
    if (context.wants(name)) results.push(await producerCase(context, name, partitions))
  }
  return results
}

async function producerCase(context: BenchContext, name: string, partitions: number): Promise<Measurement> {
  await using log = await open(`file:${context.folder(BENCH)}`)
  const target: BytesTopic = topic('appends', { value: bytes(), partitions })
  await using sender = log.producer()
  const plain = openPlainFile(join(context.folder('plain'), 'plain'))
  const batch = encodedBatch(RECORD_BYTES, CALLERS)
  const sends = partitions > 100 ? 30 : 100
  const { cost, limit } = await inTurns(
    context.rounds(8),
    () => timed(() => sendFromAll(sender, target, partitions, sends)),
    // The same records as one batch, and one sync, for each time that every caller has sent one.
    () =>
      timed(async () => {
        for (let index = 0; index < sends; index++) await plain.append([batch])
        return CALLERS * sends
      }),
  )
  plain.close()
  return measurement({ bench: BENCH, case: name, unit: 'records/s' }, cost, limit)
}

async function sendFromAll(
  sender: Producer,
  target: BytesTopic,
  partitions: number,
  sends: number,
): Promise<number> {
  const value = Buffer.alloc(RECORD_BYTES, 97)
  const caller = async (first: number): Promise<void> => {
    // Explicit partitions, so that every append meets all of them: without a key one partition is filled at a time.
    for (let index = 0; index < sends; index++)
      await sender.send(target, value, { partition: (first + index) % partitions })
  }
  await Promise.all(Array.from({ length: CALLERS }, (_, first) => caller(first)))
  return CALLERS * sends
}
