import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BatchBuilder, type BatchSettings } from '../record/batch-builder.ts'
import { decodeRecords } from '../record/batch-reader.ts'
import { decodeCommitted } from '../record/committed-filter.ts'
import { controlBatch, type MarkerKind } from '../record/control-batch.ts'
import type {
  Answer,
  Broker,
  CommitGroup,
  CommitOutcome,
  Isolation,
  Membership,
  PartitionBatch,
  TopicDescription,
} from './broker.ts'

/** What a contract needs of the world that an adapter lives in. */
export interface BrokerWorld {
  /** Opens the broker: again after a close, over the same data. */
  open(): Broker | Promise<Broker>
  /** Lets time pass, so that what was asked is answered. */
  settle(): Promise<void>
  /** After the last close. */
  end(): void | Promise<void>
}

/** Turns of `settle` after which an answer that did not come will not come. */
const TURNS_MAX = 10_000

/** The specification of `Broker`, for any adapter. A rule that an adapter cannot keep is skipped with its reason. */
export function brokerContract(
  name: string,
  makeWorld: () => BrokerWorld,
  skipped: Readonly<Record<string, string>> = {},
): void {
  const rule = (title: string, body: () => Promise<void>) => {
    const reason = skipped[title]
    if (reason === undefined) test(title, body)
    else test.skip(`${title} (${reason})`, body)
  }

  describe(`the broker contract: ${name}`, () => {
    let world: BrokerWorld
    let broker: Broker

    beforeEach(async () => {
      world = makeWorld()
      broker = await world.open()
    })
    afterEach(async () => {
      await answered<void>(world, (answer) => broker.close(answer))
      await world.end()
    })

    const create = (title: string, partitions = 2) =>
      value<TopicDescription>(world, (answer) => broker.createTopic(title, { partitions }, answer))
    const join = (group: string) => value<Membership>(world, (answer) => broker.join(group, answer))
    const append = (...batches: PartitionBatch[]) =>
      value<readonly number[]>(world, (answer) => broker.append(batches, answer))
    const commit = (group: CommitGroup) => outcomeOf(world, broker, group)
    const reopen = async () => {
      await answered<void>(world, (answer) => broker.close(answer))
      broker = await world.open()
    }
    const read = (topic: TopicDescription, partition: number, from = 0) =>
      readAll(world, broker, topic, partition, from)

    rule('a topic is made once, and found by name', async () => {
      const made = await create('orders', 3)
      expect(made).toMatchObject({ name: 'orders', partitions: 3, durability: 'fsync', internal: false })
      expect(await create('orders', 3)).toEqual(made)
      expect(broker.topic('orders')).toEqual(made)
      expect(broker.topic('nothing')).toBeUndefined()
      expect(broker.topics().map((topic) => topic.name)).toContain('orders')
      const { error } = await answered<TopicDescription>(world, (answer) =>
        broker.createTopic('orders', { partitions: 4 }, answer),
      )
      expect(error).toMatchObject({ code: 'MILLRACE_TOPIC_EXISTS' })
    })

    rule('what is asked of a partition that is not there is MILLRACE_UNKNOWN_TOPIC', async () => {
      const topic = await create('orders')
      const unknown = expect.objectContaining({ code: 'MILLRACE_UNKNOWN_TOPIC' })
      expect(() => broker.bounds(topic.id, 2)).toThrow(unknown)
      expect(() => broker.bounds('no-such-id', 0)).toThrow(unknown)
      expect(() => broker.read(topic.id, 2, 0, () => {})).toThrow(unknown)
      const appended = await answered(world, (answer) => broker.append([batch(topic, 2, 'a')], answer))
      expect(appended.error).toEqual(unknown)
      const found = await answered(world, (answer) => broker.offsetForTime(topic.id, 2, 0, answer))
      expect(found.error).toEqual(unknown)
    })

    rule('appended batches have dense offsets and come back as they were', async () => {
      const topic = await create('orders')
      expect(await append(batch(topic, 0, 'a', 'b'), batch(topic, 1, 'x'), batch(topic, 0, 'c'))).toEqual([
        0, 0, 2,
      ])
      expect(await append(batch(topic, 0, 'd'))).toEqual([3])
      expect(await read(topic, 0)).toEqual(['0 a', '1 b', '2 c', '3 d'])
      expect(await read(topic, 1)).toEqual(['0 x'])
      expect(await read(topic, 0, 1)).toEqual(['1 b', '2 c', '3 d'])
      expect(broker.bounds(topic.id, 0)).toMatchObject({ start: 0, lastStable: 4, end: 4 })
    })

    rule('a reader that had nothing is woken by the next append, and knows its end', async () => {
      const topic = await create('orders')
      let woken = 0
      const reader = broker.read(topic.id, 0, 0, () => {
        woken += 1
      })
      await turns(world, () => reader.atEnd())
      expect(reader.poll(1_000)).toBeUndefined()
      await append(batch(topic, 0, 'a'))
      await turns(world, () => woken > 0)
      expect(reader.atEnd()).toBe(false)
      const fetched = await polled(world, reader)
      expect(decodeRecords(fetched.bytes)).toHaveLength(1)
      expect(fetched.from).toBe(0)
      expect(reader.atEnd()).toBe(true)
      reader.close()
      reader.close()
      const before = woken
      await append(batch(topic, 0, 'b'))
      await world.settle()
      expect(woken).toBe(before)
    })

    rule('reading from outside the bounds is an error, never a jump', async () => {
      const topic = await create('orders')
      await append(batch(topic, 0, 'a'))
      const reader = broker.read(topic.id, 0, 7, () => {})
      const fault = await turns(world, () => {
        try {
          reader.poll(1_000)
          return undefined
        } catch (error) {
          return error
        }
      })
      expect(fault).toMatchObject({ code: 'MILLRACE_OFFSET_OUT_OF_RANGE' })
      reader.close()
    })

    rule('a fetch is bounded, but has at least one batch', async () => {
      const topic = await create('orders')
      for (let index = 0; index < 20; index += 1) await append(batch(topic, 0, `${index}-${'x'.repeat(500)}`))
      const reader = broker.read(topic.id, 0, 0, () => {})
      const first = await polled(world, reader, 1)
      expect(decodeRecords(first.bytes)).toHaveLength(1)
      let seen = 1
      while (seen < 20) {
        const { bytes } = await polled(world, reader, 2_000)
        expect(bytes.length).toBeLessThan(4_000)
        seen += decodeRecords(bytes).length
      }
      expect(seen).toBe(20)
      reader.close()
    })

    rule('an offset is found by time', async () => {
      const topic = await create('orders')
      await append(timed(topic, 0, [10, 30, 20]), timed(topic, 0, [15, 40]))
      const find = (time: number) =>
        value<number>(world, (answer) => broker.offsetForTime(topic.id, 0, time, answer))
      expect(await Promise.all([0, 10, 11, 30, 31, 41].map(find))).toEqual([0, 0, 1, 1, 4, 5])
    })

    rule('an open transaction holds readers back until it commits', async () => {
      const topic = await create('orders')
      await append(batch(topic, 0, 'a'))
      await append(transactional(topic, 7, 0, 't1', 't2'))
      await append(batch(topic, 0, 'b'))
      expect(broker.bounds(topic.id, 0)).toMatchObject({ start: 0, lastStable: 1, end: 4 })
      let woken = 0
      const reader = broker.read(topic.id, 0, 0, () => {
        woken += 1
      })
      const seen: string[] = []
      await turns(world, () => drain(reader, seen) > 0)
      expect(seen).toEqual(['0 a'])
      drain(reader, seen)
      // Neither caught up nor idle: SEMANTICS 1.6.
      expect(reader.atEnd()).toBe(false)
      await append(batch(topic, 0, 'c'))
      await append(marker(topic, 7, 'commit'))
      await turns(world, () => woken > 0)
      expect(broker.bounds(topic.id, 0)).toMatchObject({ lastStable: 6, end: 6 })
      await turns(world, () => drain(reader, seen) >= 5)
      expect(seen).toEqual(['0 a', '1 t1', '2 t2', '3 b', '4 c'])
      await turns(world, () => drain(reader, seen) > 0 && reader.atEnd())
      reader.close()
    })

    rule('what was aborted is never seen, wherever reading begins, also after a restart', async () => {
      const topic = await create('orders')
      await append(transactional(topic, 7, 0, 'x'))
      await append(batch(topic, 0, 'a'))
      await append(transactional(topic, 7, 1, 'y'), transactional(topic, 8, 0, 'b'))
      await append(marker(topic, 7, 'abort'))
      await append(transactional(topic, 7, 2, 'c'))
      await append(marker(topic, 8, 'commit'), marker(topic, 7, 'commit'))
      const expected = ['1 a', '3 b', '5 c']
      expect(await read(topic, 0)).toEqual(expected)
      await reopen()
      for (let from = 0; from <= 8; from += 1) {
        expect(await read(topic, 0, from)).toEqual(expected.filter((line) => Number(line[0]) >= from))
      }
    })

    rule('a reader of uncommitted records sees all but the markers, at once', async () => {
      const topic = await create('orders')
      await append(transactional(topic, 7, 0, 'x'))
      await append(marker(topic, 7, 'abort'))
      await append(transactional(topic, 7, 1, 'y'))
      expect(await readAll(world, broker, topic, 0, 0, 'read_uncommitted')).toEqual(['0 x', '2 y'])
    })

    rule('an offset is found by time below the last stable one, and markers have none', async () => {
      const topic = await create('orders')
      const find = (time: number) =>
        value<number>(world, (answer) => broker.offsetForTime(topic.id, 0, time, answer))
      await append(timed(topic, 0, [10]))
      await append(transactional(topic, 7, 0, 'x'))
      await append(timed(topic, 0, [30]))
      expect(await Promise.all([10, 20, 99].map(find))).toEqual([0, 1, 1])
      await append(marker(topic, 7, 'commit'))
      await append(timed(topic, 0, [40]))
      expect(await Promise.all([20, 35, 99].map(find))).toEqual([2, 4, 5])
    })

    rule('a batch that comes again is not written again, and one out of order not at all', async () => {
      const topic = await create('orders')
      expect(await append(idempotent(topic, 7, 0, 'a', 'b'))).toEqual([0])
      expect(await append(idempotent(topic, 7, 0, 'a', 'b'), batch(topic, 1, 'x'))).toEqual([0, 0])
      const gap = await answered(world, (answer) =>
        broker.append([batch(topic, 1, 'y'), idempotent(topic, 7, 3, 'd')], answer),
      )
      expect(gap.error).toMatchObject({ code: 'MILLRACE_OUT_OF_ORDER_SEQUENCE' })
      await reopen()
      expect(await append(idempotent(topic, 7, 0, 'a', 'b'))).toEqual([0])
      expect(await append(idempotent(topic, 7, 2, 'c'))).toEqual([2])
      expect(await read(topic, 0)).toEqual(['0 a', '1 b', '2 c'])
      expect(await read(topic, 1)).toEqual(['0 x'])
    })

    rule('a commit writes its batches and its positions', async () => {
      const topic = await create('orders')
      const membership = await join('g')
      expect(broker.positions('g')).toEqual([])
      const position = { topic: topic.id, partition: 0, offset: 5, leaderEpoch: 0, metadata: 'time 17' }
      const first = await commit(
        group(membership, [batch(topic, 1, 'a', 'b'), batch(topic, 0, 'c')], [position]),
      )
      expect(first).toEqual({ kind: 'committed', baseOffsets: [0, 0] })
      expect(broker.positions('g')).toEqual([position])
      const second = { ...position, partition: 1, offset: 9 }
      expect(await commit(group(membership, [], [position, second]))).toMatchObject({ kind: 'committed' })
      expect(broker.positions('g')).toHaveLength(2)
      expect(await commit(group(membership, [], []))).toEqual({ kind: 'committed', baseOffsets: [] })
      expect(broker.positions('other')).toEqual([])
      expect(await read(topic, 1)).toEqual(['0 a', '1 b'])
    })

    rule('positions and data survive a restart, and generations go on', async () => {
      const topic = await create('orders')
      const membership = await join('g')
      const position = { topic: topic.id, partition: 0, offset: 5, leaderEpoch: 0, metadata: '' }
      await commit(group(membership, [batch(topic, 0, 'a')], [position]))
      await commit(group(membership, [batch(topic, 0, 'b')], [{ ...position, offset: 6 }]))
      await reopen()
      const again = await join('g')
      expect(again.generation).toBeGreaterThan(membership.generation)
      expect(broker.positions('g')).toEqual([{ ...position, offset: 6 }])
      expect(broker.topic('orders')).toEqual(topic)
      expect(await read(topic, 0)).toEqual(['0 a', '1 b'])
    })

    rule('who joined before the last one is fenced, and writes nothing', async () => {
      const topic = await create('orders')
      const old = await join('g')
      const position = { topic: topic.id, partition: 0, offset: 1, leaderEpoch: 0, metadata: '' }
      await commit(group(old, [], [position]))
      const present = await join('g')
      expect(present.generation).toBeGreaterThan(old.generation)
      expect(broker.positions('g')).toEqual([position])
      const refused = await commit(group(old, [batch(topic, 0, 'a')], [{ ...position, offset: 2 }]))
      expect(refused).toMatchObject({ kind: 'refused', reason: 'fenced', error: { code: 'MILLRACE_FENCED' } })
      expect(await commit(group({ ...present, generation: 99 }, [], []))).toMatchObject({ reason: 'fenced' })
      expect(await commit(group({ ...present, member: 'me' }, [], []))).toMatchObject({ reason: 'fenced' })
      expect(broker.positions('g')).toEqual([position])
      expect(broker.bounds(topic.id, 0).end).toBe(0)
      expect(await commit(group(present, [batch(topic, 0, 'b')], []))).toMatchObject({ kind: 'committed' })
    })

    rule('a membership from before a restart is not fenced until another joins', async () => {
      const topic = await create('orders')
      const membership = await join('g')
      await reopen()
      expect(await commit(group(membership, [batch(topic, 0, 'a')], []))).toMatchObject({ kind: 'committed' })
      await join('g')
      expect(await commit(group(membership, [], []))).toMatchObject({ kind: 'refused', reason: 'fenced' })
    })

    rule('a condition that does not hold refuses the whole commit', async () => {
      const topic = await create('orders')
      const membership = await join('g')
      const position = { topic: topic.id, partition: 0, offset: 1, leaderEpoch: 0, metadata: '' }
      const conditions = (end: number) => [{ topic: topic.id, partition: 1, end }]
      const wanted = { ...group(membership, [batch(topic, 0, 'a'), batch(topic, 1, 'b')], [position]) }
      expect(await commit({ ...wanted, conditions: conditions(1) })).toMatchObject({
        kind: 'refused',
        reason: 'condition',
      })
      expect(broker.bounds(topic.id, 0).end).toBe(0)
      expect(broker.positions('g')).toEqual([])
      expect(await commit({ ...wanted, conditions: conditions(0) })).toMatchObject({ kind: 'committed' })
    })

    rule('commits may follow each other without waiting, and keep their order', async () => {
      const topic = await create('orders')
      const membership = await join('g')
      const outcomes: CommitOutcome[] = []
      for (let index = 0; index < 20; index += 1) {
        const position = { topic: topic.id, partition: 0, offset: index, leaderEpoch: 0, metadata: '' }
        broker.commit(group(membership, [batch(topic, 0, `${index}`)], [position]), (outcome) =>
          outcomes.push(outcome),
        )
      }
      await turns(world, () => outcomes.length === 20)
      expect(outcomes).toEqual(outcomes.map((_, index) => ({ kind: 'committed', baseOffsets: [index] })))
      expect(broker.positions('g')).toMatchObject([{ offset: 19 }])
      await reopen()
      await join('g')
      expect(broker.positions('g')).toMatchObject([{ offset: 19 }])
    })

    rule('a commit taken before a join counts, one after it does not', async () => {
      const topic = await create('orders')
      const membership = await join('g')
      const seen: string[] = []
      const position = { topic: topic.id, partition: 0, offset: 3, leaderEpoch: 0, metadata: '' }
      broker.commit(group(membership, [batch(topic, 0, 'a')], [position]), ({ kind }) => seen.push(kind))
      broker.join('g', () => seen.push(`joined at ${broker.positions('g')[0]?.offset}`))
      broker.commit(group(membership, [batch(topic, 0, 'b')], []), ({ kind }) => seen.push(kind))
      await turns(world, () => seen.length === 3)
      expect(seen.toSorted()).toEqual(['committed', 'joined at 3', 'refused'])
      expect(broker.bounds(topic.id, 0).end).toBe(1)
    })

    rule('a released changelog keeps all from the released offset on', async () => {
      const topic = await create('changes', 1)
      for (const text of ['a', 'b', 'c', 'd']) await append(batch(topic, 0, text))
      broker.releaseChangelog(topic.id, 0, 2)
      await world.settle()
      expect(broker.bounds(topic.id, 0).start).toBeLessThanOrEqual(2)
      expect(await read(topic, 0, 2)).toEqual(['2 c', '3 d'])
      broker.releaseChangelog(topic.id, 0, 1_000)
      expect(broker.bounds(topic.id, 0).end).toBe(4)
    })

    rule('a commit larger than the limit is refused as such', async () => {
      const topic = await create('orders')
      const membership = await join('g')
      const large = batch(topic, 0, 'x'.repeat(broker.limits.recordBytesMax + 1))
      expect(await commit(group(membership, [large], []))).toMatchObject({
        kind: 'refused',
        reason: 'tooLarge',
      })
      const { error } = await answered(world, (answer) => broker.append([large], answer))
      expect(error).toMatchObject({ code: 'MILLRACE_RECORD_TOO_LARGE' })
    })

    rule('after its close a broker refuses, and closes again', async () => {
      const topic = await create('orders')
      const membership = await join('g')
      await answered<void>(world, (answer) => broker.close(answer))
      expect(await commit(group(membership, [batch(topic, 0, 'a')], []))).toMatchObject({ kind: 'refused' })
      const { error } = await answered(world, (answer) => broker.append([batch(topic, 0, 'a')], answer))
      expect(error).toMatchObject({ code: 'MILLRACE_CLOSED' })
    })
  })
}

/** A batch of records with these texts as values. */
export function batch(topic: TopicDescription, partition: number, ...texts: string[]): PartitionBatch {
  const builder = new BatchBuilder()
  for (const text of texts) builder.appendText(0, null, text)
  return { topic: topic.id, partition, bytes: builder.build() }
}

export function group(
  membership: Membership,
  batches: readonly PartitionBatch[],
  positions: CommitGroup['positions'],
): CommitGroup {
  return { membership, batches, positions, conditions: [] }
}

/** Calls, and lets time pass until the answer is there. */
export async function answered<T>(
  world: Pick<BrokerWorld, 'settle'>,
  call: (answer: Answer<T>) => void,
): Promise<{ readonly error: Error | undefined; readonly value: T | undefined }> {
  let result: { error: Error | undefined; value: T | undefined } | undefined
  call((error, value) => {
    expect(result, 'one answer').toBeUndefined()
    result = { error, value }
  })
  return await turns(world, () => result)
}

export async function value<T>(
  world: Pick<BrokerWorld, 'settle'>,
  call: (answer: Answer<T>) => void,
): Promise<T> {
  const { error, value } = await answered<T>(world, call)
  if (error !== undefined) throw error
  return value as T
}

export async function outcomeOf(
  world: Pick<BrokerWorld, 'settle'>,
  broker: Broker,
  commit: CommitGroup,
): Promise<CommitOutcome> {
  return await value<CommitOutcome>(world, (answer) =>
    broker.commit(commit, (outcome) => answer(undefined, outcome)),
  )
}

/** 'offset value' of each record that counts, up to the end. With an open transaction that is never reached. */
export async function readAll(
  world: Pick<BrokerWorld, 'settle'>,
  broker: Broker,
  topic: TopicDescription,
  partition: number,
  from = 0,
  isolation?: Isolation,
): Promise<string[]> {
  const lines: string[] = []
  const reader = broker.read(topic.id, partition, from, () => {}, isolation)
  for (let turn = 0; !reader.atEnd() && turn < TURNS_MAX; turn += 1) {
    const fetched = reader.poll(1_000)
    if (fetched === undefined) await world.settle()
    else {
      for (const { offset, value: bytes } of decodeCommitted(fetched.bytes, fetched.aborted)) {
        if (offset >= from) lines.push(`${offset} ${Buffer.from(bytes ?? []).toString()}`)
      }
    }
  }
  reader.close()
  return lines
}

export async function turns<T>(world: Pick<BrokerWorld, 'settle'>, until: () => T): Promise<NonNullable<T>> {
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    const result = until()
    if (result !== undefined && result !== null && result !== false) return result
    await world.settle()
  }
  throw new Error(`nothing came in ${TURNS_MAX} turns`)
}

function idempotent(
  topic: TopicDescription,
  producerId: number,
  baseSequence: number,
  ...texts: string[]
): PartitionBatch {
  return written(topic, { producerId, producerEpoch: 0, baseSequence }, texts)
}

function transactional(
  topic: TopicDescription,
  producerId: number,
  baseSequence: number,
  ...texts: string[]
): PartitionBatch {
  return written(topic, { producerId, producerEpoch: 0, baseSequence, transactional: true }, texts)
}

function written(topic: TopicDescription, settings: BatchSettings, texts: readonly string[]): PartitionBatch {
  const builder = new BatchBuilder()
  for (const text of texts) builder.appendText(15, null, text)
  return { topic: topic.id, partition: 0, bytes: builder.build(settings) }
}

/** Of timestamp 35. */
function marker(topic: TopicDescription, producerId: number, kind: MarkerKind): PartitionBatch {
  return { topic: topic.id, partition: 0, bytes: controlBatch(producerId, 0, kind, 0, 35) }
}

/** Adds what the reader has now, as 'offset value'; returns how many there are. */
function drain(reader: ReturnType<Broker['read']>, seen: string[]): number {
  for (let fetched = reader.poll(1_000); fetched !== undefined; fetched = reader.poll(1_000)) {
    for (const { offset, value: bytes } of decodeCommitted(fetched.bytes, fetched.aborted)) {
      seen.push(`${offset} ${Buffer.from(bytes ?? []).toString()}`)
    }
  }
  return seen.length
}

function timed(topic: TopicDescription, partition: number, times: readonly number[]): PartitionBatch {
  const builder = new BatchBuilder()
  for (const time of times) builder.appendText(time, null, `${time}`)
  return { topic: topic.id, partition, bytes: builder.build() }
}

async function polled(world: BrokerWorld, reader: ReturnType<Broker['read']>, bytesMax = 1_000) {
  return await turns(world, () => reader.poll(bytesMax))
}
