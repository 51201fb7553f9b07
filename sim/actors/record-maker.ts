import type { PartitionId } from '../../src/base/brands.ts'
import type { TopicDescription } from '../../src/broker/broker.ts'
import { BatchBuilder, type BatchSettings } from '../../src/record/batch-builder.ts'
import { COMPRESSION_NAMES } from '../../src/record/batch-header.ts'
import { recordData, type SentRecord } from '../model/sent-record.ts'
import type { SentTransaction } from '../model/sent-transaction.ts'
import type { World } from '../world.ts'

const KEYS = 8

/** Draws records for a partition and tells the model. */
export function drawRecords(
  world: World,
  writer: string,
  topic: TopicDescription,
  partition: PartitionId | undefined,
  count: number,
  transaction?: SentTransaction,
): SentRecord[] {
  const { random, model, sys } = world
  return Array.from({ length: count }, () => {
    const keyed = topic.name.startsWith('compact') || random.chance(0.5)
    return model.send({
      writer,
      topic: topic.id,
      partition,
      key: keyed ? `k${random.below(KEYS)}` : null,
      tombstone: keyed && random.chance(0.15),
      bytes: 8 + random.below(random.chance(0.1) ? 900 : 60),
      timestamp: sys.time.now() - random.below(50),
      ...(transaction === undefined ? {} : { transaction }),
    })
  })
}

export function buildBatch(
  world: World,
  records: readonly SentRecord[],
  settings: BatchSettings = {},
): Uint8Array {
  const builder = new BatchBuilder(1024)
  for (const sent of records) {
    const { timestamp, key, value, headers } = recordData(sent)
    builder.append(timestamp, key, value, headers)
  }
  const { random } = world
  const compression = random.chance(0.2) ? COMPRESSION_NAMES[random.below(5)] : undefined
  return builder.build(compression === undefined ? settings : { ...settings, compression })
}

/** A topic that users write to, one of these or any; undefined: there is none now. */
export function drawTopic(world: World, names?: readonly string[]): TopicDescription | undefined {
  return draw(world, ({ name }) => (names === undefined ? name !== 'out' : names.includes(name)))
}

/** One that keeps what was acknowledged, for those who are on other machines and go on when the power comes back. */
export function drawDurableTopic(world: World): TopicDescription | undefined {
  return draw(world, ({ name, durability }) => name !== 'out' && durability === 'fsync')
}

function draw(world: World, fits: (topic: TopicDescription) => boolean): TopicDescription | undefined {
  const own = world.broker.topics().filter((topic) => !topic.internal && fits(topic))
  return own[world.random.below(own.length)]
}
