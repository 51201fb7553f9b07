import { expect, test } from 'vitest'
import { LocalBroker } from '../broker/local/local-broker.ts'
import { openLog } from '../log/open.ts'
import { BatchBuilder, type BatchSettings } from '../record/batch-builder.ts'
import { controlBatch, type MarkerKind } from '../record/control-batch.ts'
import { MemoryDisk } from '../sys/memory/memory-disk.ts'
import { nodeSys } from '../sys/node/node-sys.ts'
import { type ReadOptions, readRecords } from './topic-reader.ts'

function world() {
  const sys = nodeSys({ disk: new MemoryDisk() })
  const broker = new LocalBroker(sys, openLog(sys, '/data'))
  broker.createTopic('t', { partitions: 1 }, () => {})
  const topic = broker.topic('t')
  if (topic === undefined) throw new Error('a disk in memory makes a topic at once')
  const put = (bytes: Uint8Array) =>
    broker.append([{ topic: topic.id, partition: 0, bytes }], (error) => expect(error).toBeUndefined())
  const write = (text: string, settings: BatchSettings = {}) => {
    const builder = new BatchBuilder()
    builder.appendText(0, null, text)
    put(builder.build(settings))
  }
  let sequence = 0
  return {
    write: (text: string) => write(text),
    open: (text: string) =>
      write(text, { producerId: 7, producerEpoch: 0, baseSequence: sequence++, transactional: true }),
    end: (kind: MarkerKind) => put(controlBatch(7, 0, kind, 0, 0)),
    read: (options?: ReadOptions) => readRecords(sys, broker, topic, options),
  }
}

async function all(records: ReturnType<ReturnType<typeof world>['read']>): Promise<string[]> {
  const lines: string[] = []
  for await (const { offset, value } of records)
    lines.push(`${offset} ${Buffer.from(value ?? []).toString()}`)
  return lines
}

test('reading ends where the offsets end, also if the last one is a marker', async () => {
  const { write, open, end, read } = world()
  write('a')
  open('b')
  end('commit')
  expect(await all(read())).toEqual(['0 a', '1 b'])
  open('c')
  end('abort')
  expect(await all(read())).toEqual(['0 a', '1 b'])
  expect(await all(read({ from: { offset: 2 } }))).toEqual([])
  expect(await all(read({ from: { offset: 3 } }))).toEqual([])
})

test('reading ends before an open transaction', async () => {
  const { write, open, read } = world()
  write('a')
  open('b')
  write('c')
  expect(await all(read())).toEqual(['0 a'])
  expect(await all(read({ from: 'latest' }))).toEqual([])
})

test('a reader that follows gets a transaction when it commits, and goes on behind what was aborted', async () => {
  const { write, open, end, read } = world()
  const lines: string[] = []
  const reading = (async () => {
    for await (const { value } of read({ follow: true })) {
      lines.push(Buffer.from(value ?? []).toString())
      if (lines.at(-1) === 'last') return
    }
  })()
  write('a')
  open('b')
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(lines).toEqual(['a'])
  end('commit')
  // Nothing of this is for the reader: it must not wait for more before it goes on.
  for (let index = 0; index < 3; index += 1) {
    open('x')
    end('abort')
  }
  await new Promise((resolve) => setTimeout(resolve, 5))
  write('last')
  await reading
  expect(lines).toEqual(['a', 'b', 'last'])
})
