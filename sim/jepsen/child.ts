/**
 * The process that has the log, until it is killed. It does what the parent asks by the public API, and runs two readers
 * and two copiers of its own.
 */
import { isMillraceError, type OpenLog, open, text, topic } from '../../src/index.ts'
import type { Command, Report, Stored, TopicName, Write } from './message.ts'

const topics = {
  in: topic('in', { value: text(), partitions: 3 }),
  out: topic('out', { value: text(), partitions: 3 }),
  left: topic('left', { value: text(), partitions: 2 }),
  right: topic('right', { value: text(), partitions: 2 }),
} as const
const PART = 2000
const BATCH = 100

/** Resolves when the parent's pipe has it: it is read also when this process is killed at once. */
function tell(report: Report): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(report, () => resolve())
  })
}

const log = await open(`file:${process.argv[2] ?? ''}`)
for (const each of Object.values(topics)) await log.send(each, 'begin')
let producer = await log.transactional('jepsen', { timeout: '5s' })
/** Transactions of one producer come one after the other. */
let last: Promise<unknown> = Promise.resolve()

process.on('message', (command: Command) => void work(command))
process.on('disconnect', () => process.exit())
for (const group of ['readers', 'readers', 'copiers', 'copiers'] as const) {
  const run = group === 'readers' ? read : copy
  void again(() => run(log))
}
await tell({ kind: 'ready' })

async function work(command: Command): Promise<void> {
  const { id } = command
  try {
    if (command.kind === 'dump') await dump(id)
    else if (command.kind === 'lag') await tell({ kind: 'done', id, places: [], count: lag() })
    else if (command.kind === 'send') {
      const { partition, offset } = await log.send(topics[command.write.topic], command.write.value)
      await tell({ kind: 'done', id, places: [{ partition, offset }] })
    } else if (command.kind === 'whole') {
      await log.transaction((transaction) => {
        for (const { topic: name, value } of command.writes) transaction.send(topics[name], value)
      })
      await tell({ kind: 'done', id, places: [] })
    } else {
      const done = last.then(() => withMarkers(command.writes, command.end))
      last = done.catch(() => undefined)
      await done
      await tell({ kind: 'done', id, places: [] })
    }
  } catch (error) {
    const code = isMillraceError(error) ? error.code : ''
    await tell({ kind: 'failed', id, code, message: String(error) })
  }
}

async function withMarkers(writes: readonly Write[], end: 'commit' | 'abort'): Promise<void> {
  try {
    producer.begin()
    await Promise.all(writes.map(({ topic: name, value }) => producer.send(topics[name], value)))
    await producer[end]()
  } catch (error) {
    // A new owner of the id aborts what is open.
    producer = await log.transactional('jepsen', { timeout: '5s' })
    throw error
  }
}

/** At least once: whoever was told of a record has it, before its position is committed. */
async function read(source: OpenLog): Promise<void> {
  const consumer = source.consumer({ group: 'readers', topics: [topics.in], commitInterval: '50ms' })
  for await (const batch of consumer.batches({ records: BATCH })) {
    await tell({ kind: 'read', values: batch.map(({ value }) => value) })
  }
}

/** Exactly once: copies and positions are one transaction. */
async function copy(source: OpenLog): Promise<void> {
  const consumer = source.consumer({ group: 'copiers', topics: [topics.in], commit: 'manual' })
  for await (const batch of consumer.batches({ records: BATCH })) {
    await source.transaction((transaction) => {
      for (const record of batch) {
        transaction.send(topics.out, record.value, { partition: record.partition })
        transaction.commit(record)
      }
    })
  }
}

async function again(run: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await run()
    } catch (error) {
      // A partition that went to the other member: it goes on with what it has now.
      const expected = isMillraceError(error) && error.remedy === 'rejoin'
      if (!expected) await tell({ kind: 'trouble', message: String(error) })
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function lag(): number {
  const { positions = [] } = log.groups.describe('copiers') ?? {}
  const ends = log.describe(topics.in).partitions.reduce((sum, { end }) => sum + end, 0)
  // Behind the last record there may be a marker, which no position is behind.
  return positions.length < 3 ? ends : positions.reduce((sum, { lag }) => sum + lag, 0)
}

async function dump(id: number): Promise<void> {
  for (const name of Object.keys(topics) as TopicName[]) {
    let records: Stored[] = []
    for await (const { partition, offset, value } of log.read(topics[name])) {
      records.push({ topic: name, partition, offset, value })
      if (records.length < PART) continue
      await tell({ kind: 'part', id, records })
      records = []
    }
    await tell({ kind: 'part', id, records })
  }
  await tell({ kind: 'done', id, places: [] })
}
