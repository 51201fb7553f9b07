import { bytes, open, type Producer, topic } from 'millrace'
import type { BenchContext } from './bench.ts'
import { type KafkaCluster, type KafkaRun, startKafka } from './kafka-cluster.ts'
import { type Cost, type Measurement, measurement, sumCosts, timed } from './measure.ts'
import type { BytesTopic } from './producer.ts'

const BENCH = 'kafka'
const PORT = 19_592
/** Sends that may be unanswered at a time. Kafka's client bounds bytes instead: 32 MiB, as ours does. */
const WINDOW = 20_000
const GROUP = 1_000
/** Batches as large as ours may become, which serves Kafka better than its default of 16 KiB. */
const KAFKA_PRODUCER = { acks: 'all', 'enable.idempotence': 'true', 'batch.size': String(512 * 1024) }
/** A run of the client that is almost only the start of its virtual machine. */
const FEW_RECORDS = 10

const CASES = [
  { durability: 'fsync', kafka: 'flush.messages=1', settings: { 'flush.messages': '1' } },
  { durability: 'os', kafka: 'default', settings: {} },
] as const

/**
 * The same records through our producer and through Apache Kafka on the same machine: 100 B and 1 KB, idempotent,
 * acknowledged by all. Kafka's CPU seconds are those of broker and client together, without the client's start.
 */
export async function kafka(context: BenchContext): Promise<Measurement[]> {
  if (context.kafka === undefined) {
    process.stderr.write(
      `\nkafka: NOT MEASURED. Name the script that runs Apache Kafka: --kafka SCRIPT, or MILLRACE_KAFKA_SH.\n\n`,
    )
    return []
  }
  const cluster = await startKafka(context.kafka, context.folder('kafka-cluster'), PORT)
  try {
    const results: Measurement[] = []
    for (const recordBytes of [100, 1_000]) {
      for (const each of CASES) {
        const name = `${recordBytes} B, ${each.durability}`
        if (context.wants(name)) results.push(...(await compare(context, cluster, name, recordBytes, each)))
      }
    }
    return results
  } finally {
    await cluster.stop()
  }
}

async function compare(
  context: BenchContext,
  cluster: KafkaCluster,
  name: string,
  recordBytes: number,
  { durability, kafka: kafkaName, settings }: (typeof CASES)[number],
): Promise<Measurement[]> {
  const records = context.rounds(recordBytes === 100 ? 3_000_000 : 500_000)
  const theirTopic = `bench-${recordBytes}-${durability}`
  await cluster.makeTopic(theirTopic, settings)
  const load = { recordBytes, records, properties: KAFKA_PRODUCER }
  const startOnly = await cluster.produce(theirTopic, { ...load, records: FEW_RECORDS })
  await using log = await open(`file:${context.folder(BENCH)}`)
  const ours: BytesTopic = topic('appends', { value: bytes(), durability })
  await using sender = log.producer()
  // The first round warms up: Java's compiler in the broker, ours in this process.
  await cluster.produce(theirTopic, { ...load, records: Math.ceil(records / 4) })
  await sendAll(sender, ours, recordBytes, Math.ceil(records / 4))
  const costs: { ours: Cost[]; theirs: Cost[] } = { ours: [], theirs: [] }
  let run: KafkaRun | undefined
  for (let round = 0; round < 2; round++) {
    costs.ours.push(await timed(() => sendAll(sender, ours, recordBytes, records)))
    run = await cluster.produce(theirTopic, load)
    costs.theirs.push({
      units: records,
      seconds: records / run.recordsPerSecond,
      cpuSeconds: run.brokerCpuSeconds + run.clientCpuSeconds - startOnly.clientCpuSeconds,
    })
  }
  return report(name, kafkaName, sumCosts(costs.ours), sumCosts(costs.theirs), run?.brokerRssBytes ?? 0)
}

function report(
  name: string,
  kafkaName: string,
  ours: Cost,
  theirs: Cost,
  kafkaRssBytes: number,
): Measurement[] {
  const unit = 'records/s'
  const perCpu = (cost: Cost): number => cost.units / cost.cpuSeconds
  return [
    {
      ...measurement({ bench: BENCH, case: `${name}: Kafka, ${kafkaName}`, unit }, theirs),
      rssBytes: kafkaRssBytes,
    },
    measurement({ bench: BENCH, case: `${name}: millrace`, unit }, ours, theirs),
    {
      ...measurement({ bench: BENCH, case: `${name}: per CPU second`, unit: 'rec/cpu s' }, ours),
      rate: perCpu(ours),
      limit: perCpu(theirs),
      ratio: perCpu(ours) / perCpu(theirs),
    },
  ]
}

/** Sends without waiting for each answer, at most `WINDOW` unanswered. */
async function sendAll(
  sender: Producer,
  target: BytesTopic,
  recordBytes: number,
  records: number,
): Promise<number> {
  const value = Buffer.alloc(recordBytes, 97)
  const groups: Promise<unknown>[] = []
  for (let sent = 0; sent < records; ) {
    const group: Promise<unknown>[] = []
    for (; group.length < GROUP && sent < records; sent++) group.push(sender.send(target, value))
    groups.push(Promise.all(group))
    if (groups.length >= WINDOW / GROUP) await groups.shift()
  }
  await Promise.all(groups)
  return records
}
