import { join } from 'node:path'
import { type OpenLog, open } from 'millrace'
import { BatchBuilder } from '../src/record/batch-builder.ts'
import { batchSizeBytes, verifyBatch } from '../src/record/batch-header.ts'
import { BatchReader } from '../src/record/batch-reader.ts'
import { json } from '../src/record/serdes.ts'
import type { BenchContext } from './bench.ts'
import { event } from './events.ts'
import { openBenchLog } from './log-fixture.ts'
import { type Cost, inTurns, type Measurement, measurement, timed } from './measure.ts'
import { partitionedEvents } from './pipelines.ts'

const BENCH = 'group-read'
const RECORDS = 400_000
const PARTITIONS = 4
const PER_BATCH = 500

const WAYS = ['run', 'batches', 'iterate'] as const

/** A consumer group reads 400,000 events from 4 partitions: 1 and 4 members in this process, by record and by batch. */
export async function groupRead(context: BenchContext): Promise<Measurement[]> {
  const folder = context.folder(BENCH)
  await fill(folder)
  const results: Measurement[] = []
  for (const way of WAYS) {
    for (const members of [1, 4]) {
      const name = `${way}, ${members} ${members === 1 ? 'member' : 'members'}`
      if (context.wants(name)) results.push(await readCase(context, folder, name, way, members))
    }
  }
  return results
}

async function readCase(
  context: BenchContext,
  folder: string,
  name: string,
  way: (typeof WAYS)[number],
  members: number,
): Promise<Measurement> {
  // Opened in turns: one at a time has the folder. Opening and joining are not what is measured.
  const ours = async (round: number): Promise<Cost> => {
    const log = await open(`file:${folder}`)
    const cost = await readInGroup(log, `${name}-${round}`, way, members)
    await log.close()
    return cost
  }
  const { cost, limit } = await inTurns(context.rounds(4), ours, () => readPlainly(folder))
  return measurement({ bench: BENCH, case: name, unit: 'records/s' }, cost, limit)
}

/** From the first record to the last one: members join before, which is no part of reading. */
async function readInGroup(
  log: OpenLog,
  group: string,
  way: (typeof WAYS)[number],
  members: number,
): Promise<Cost> {
  let records = 0
  let users = 0
  const take = ({ value }: { readonly value: { readonly user: string } }): void => {
    users += value.user.length
    records++
  }
  const consumers = Array.from({ length: members }, () =>
    log.consumer({ group, topics: [partitionedEvents], from: 'earliest' }),
  )
  const assigned = (): number => consumers.reduce((sum, each) => sum + each.assignment().length, 0)
  const isBalanced = (): boolean =>
    consumers.every((each) => each.assignment().length === PARTITIONS / members)
  while (assigned() < PARTITIONS || !isBalanced()) await new Promise((resolve) => setTimeout(resolve, 5))
  const cost = await timed(async () => {
    const runs = consumers.map(async (consumer) => {
      if (way === 'run') await consumer.run(take)
      else if (way === 'batches') {
        for await (const batch of consumer.batches()) for (const record of batch) take(record)
      } else for await (const record of consumer) take(record)
    })
    while (records < RECORDS) await new Promise((resolve) => setTimeout(resolve, 1))
    await Promise.all(consumers.map((consumer) => consumer.close()))
    await Promise.all(runs)
    return records
  })
  if (records !== RECORDS || users === 0) throw new Error(`${records} records were read, not ${RECORDS}`)
  return cost
}

/** The limit, as in log-read: the same batches verified and every value decoded as JSON, partition after partition. */
async function readPlainly(folder: string): Promise<Cost> {
  const log = openBenchLog(join(folder, 'log'))
  const serde = json()
  const reader = new BatchReader()
  const cost = await timed(() => {
    let records = 0
    let users = 0
    for (const partition of log.partitions(partitionedEvents.name)) {
      for (const chunk of log.readAll(partition)) {
        for (let at = 0; at < chunk.length; at += batchSizeBytes(chunk, at)) {
          const problem = verifyBatch(chunk, at, chunk.length)
          if (problem !== undefined) throw new Error(problem)
          reader.open(chunk, at)
          while (reader.next()) {
            users += (serde.decode(reader, reader.valueStart, reader.valueEnd) as { user: string }).user
              .length
            records++
          }
        }
      }
    }
    if (users === 0) throw new Error('nothing was decoded')
    return records
  })
  await log.close()
  return cost
}

async function fill(folder: string): Promise<void> {
  const log = openBenchLog(join(folder, 'log'))
  const partitions = await log.makePartitions(partitionedEvents.name, { partitions: PARTITIONS })
  const builder = new BatchBuilder()
  for (let written = 0, batch = 0; written < RECORDS; written += PER_BATCH, batch++) {
    for (let index = 0; index < PER_BATCH; index++)
      builder.append(written, null, Buffer.from(event(written + index, 1_000)))
    const partition = partitions[batch % PARTITIONS]
    if (partition !== undefined) await log.append(partition, builder.build())
    builder.reset()
  }
  await log.close()
}
