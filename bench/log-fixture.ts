import { closeSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Log, LogPartition } from '../src/log/log.ts'
import { openLog } from '../src/log/open.ts'
import type { TopicSettings } from '../src/record/topic-settings.ts'
import { nodeSys } from '../src/sys/node/node-sys.ts'

/** A log on a real disk, with promises where a bench waits. */
export interface BenchLog {
  readonly folder: string
  makePartition(topic: string): Promise<LogPartition>
  makePartitions(topic: string, settings: TopicSettings): Promise<readonly LogPartition[]>
  /** Those of a topic that is there. */
  partitions(topic: string): readonly LogPartition[]
  /** Resolves when the batch is durable. */
  append(partition: LogPartition, batch: Uint8Array): Promise<void>
  /** Does what is due of retention and compaction. */
  housekeep(): Promise<void>
  /** Everything in a partition, in big chunks of whole batches. */
  readAll(partition: LogPartition): Iterable<Uint8Array>
  close(): Promise<void>
}

export function openBenchLog(folder: string): BenchLog {
  const log: Log = openLog(nodeSys(), folder)
  const makePartitions = (topic: string, settings: TopicSettings): Promise<readonly LogPartition[]> =>
    new Promise((resolve, reject) => {
      log.createTopic(topic, settings, (error, made) => {
        if (made === undefined) reject(error ?? new Error(`no topic ${topic}`))
        else resolve(made.partitions)
      })
    })
  return {
    folder,
    makePartitions,
    async makePartition(topic) {
      const [partition] = await makePartitions(topic, { partitions: 1 })
      if (partition === undefined) throw new Error(`no partition of ${topic}`)
      return partition
    },
    partitions: (topic) => log.topic(topic)?.partitions ?? [],
    append: (partition, batch) =>
      new Promise((resolve, reject) => {
        log.append([{ topic: partition.topic.id, partition: partition.index, bytes: batch }], (error) =>
          error === undefined ? resolve() : reject(error),
        )
      }),
    housekeep: () =>
      new Promise((resolve, reject) => {
        log.housekeeping.runOnce((error, report) => {
          const failed = report?.work.find((work) => work.error !== undefined)?.error
          if (error === undefined && failed === undefined) resolve()
          else reject(error ?? new Error(failed))
        })
      }),
    *readAll(partition) {
      for (let from = partition.start; from < partition.end; ) {
        const read = partition.read(from, 1024 * 1024)
        if (read === undefined) return
        yield read.bytes
        from = read.next
      }
    },
    close: () =>
      new Promise((resolve, reject) => {
        log.close((error) => (error === undefined ? resolve() : reject(error)))
      }),
  }
}

/** The segment files of all topics below a folder, in order. */
export function segmentFilesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.log') && /\d{20}\.log$/.test(name))
    .map((name) => join(folder, name))
    .sort()
}

export function withOpenFile(path: string, use: (descriptor: number) => void): void {
  const descriptor = openSync(path, 'r')
  try {
    use(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
