import { openBroker } from '../src/broker/open.ts'
import { BatchBuilder } from '../src/record/batch-builder.ts'
import { nodeSys } from '../src/sys/node/node-sys.ts'
import { event } from './events.ts'

/** Fills the topic `events` of a data directory, so that a bench starts with a log that is already there. */
export async function fill(folder: string, records: number, keys: number, perSecond = 500): Promise<void> {
  const broker = openBroker(nodeSys(), `file:${folder}`)
  const topic = await new Promise<string>((resolve, reject) => {
    broker.createTopic('events', { partitions: 1 }, (error, made) => {
      if (made === undefined) reject(error ?? new Error('no topic'))
      else resolve(made.id)
    })
  })
  const builder = new BatchBuilder()
  for (let index = 0; index < records; ) {
    for (let inBatch = 0; inBatch < 1_000 && index < records; inBatch++, index++) {
      builder.append(index, null, Buffer.from(event(index, keys, perSecond)))
    }
    const bytes = builder.build()
    builder.reset()
    await new Promise<void>((resolve, reject) => {
      broker.append([{ topic, partition: 0, bytes }], (error) =>
        error === undefined ? resolve() : reject(error),
      )
    })
  }
  await new Promise<void>((resolve, reject) =>
    broker.close((error) => (error === undefined ? resolve() : reject(error))),
  )
}
