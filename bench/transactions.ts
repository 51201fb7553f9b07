import { join } from 'node:path'
import { bytes, type OpenLog, open, topic } from 'millrace'
import { encodedBatch } from './batches.ts'
import type { BenchContext } from './bench.ts'
import { inTurns, type Measurement, measurement, timed } from './measure.ts'
import { openPlainFile } from './plain-file.ts'
import type { BytesTopic } from './producer.ts'

const BENCH = 'transactions'
const RECORD_BYTES = 100
const RECORDS = 100

/** Does one transaction of 100 records; resolves when it is durable. */
type Transact = (caller: number, index: number) => Promise<void>

/** Durable transactions of 100 records, gathered (one append) and by markers, to 1, 10 and 1,000 partitions. */
export async function transactions(context: BenchContext): Promise<Measurement[]> {
  const results: Measurement[] = []
  for (const kind of ['gathered', 'markers'] as const) {
    for (const partitions of [1, 10, 1_000]) {
      for (const callers of [1, 16]) {
        const name = `${kind}, ${partitions} partitions, ${callers} callers`
        if (context.wants(name))
          results.push(await transactionsCase(context, name, kind, partitions, callers))
      }
    }
  }
  return results
}

async function transactionsCase(
  context: BenchContext,
  name: string,
  kind: 'gathered' | 'markers',
  partitions: number,
  callers: number,
): Promise<Measurement> {
  await using log = await open(`file:${context.folder(BENCH)}`)
  const target: BytesTopic = topic('appends', { value: bytes(), partitions })
  // Made before: all partitions are there.
  await log.send(target, Buffer.alloc(RECORD_BYTES))
  const transact =
    kind === 'gathered'
      ? gathered(log, target, partitions)
      : await byMarkers(log, target, partitions, callers)
  const plain = openPlainFile(join(context.folder('plain'), 'plain'))
  const batches = Array.from({ length: callers }, () => encodedBatch(RECORD_BYTES, RECORDS))
  const perRound = partitions > 100 ? 10 : 50
  const { cost, limit } = await inTurns(
    context.rounds(8),
    () => timed(() => transactFromAll(transact, callers, perRound)),
    // Each transaction's records as one batch, and one sync for all callers: no markers, no second sync.
    () =>
      timed(async () => {
        for (let index = 0; index < perRound; index++) await plain.append(batches)
        return callers * perRound * RECORDS
      }),
  )
  plain.close()
  return measurement({ bench: BENCH, case: name, unit: 'records/s' }, cost, limit)
}

async function transactFromAll(transact: Transact, callers: number, perRound: number): Promise<number> {
  const caller = async (number: number): Promise<void> => {
    for (let index = 0; index < perRound; index++) await transact(number, index)
  }
  await Promise.all(Array.from({ length: callers }, (_, number) => caller(number)))
  return callers * perRound * RECORDS
}

function gathered(log: OpenLog, target: BytesTopic, partitions: number): Transact {
  const value = Buffer.alloc(RECORD_BYTES, 97)
  return (caller, index) =>
    log.transaction((transaction) => {
      for (let record = 0; record < RECORDS; record++)
        transaction.send(target, value, { partition: partitionOf(caller, index, record, partitions) })
    })
}

async function byMarkers(
  log: OpenLog,
  target: BytesTopic,
  partitions: number,
  callers: number,
): Promise<Transact> {
  const value = Buffer.alloc(RECORD_BYTES, 97)
  const producers = await Promise.all(
    Array.from({ length: callers }, (_, caller) => log.transactional(`caller-${caller}`)),
  )
  return async (caller, index) => {
    const producer = producers[caller]
    if (producer === undefined) throw new Error(`there is no caller ${caller}`)
    producer.begin()
    const sends: Promise<unknown>[] = []
    for (let record = 0; record < RECORDS; record++)
      sends.push(producer.send(target, value, { partition: partitionOf(caller, index, record, partitions) }))
    await Promise.all(sends)
    await producer.commit()
  }
}

/** A transaction goes to as many partitions as it can: 100 of 1,000, and others each time. */
function partitionOf(caller: number, index: number, record: number, partitions: number): number {
  return ((caller + index) * RECORDS + record) % partitions
}
