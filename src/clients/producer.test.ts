import { describe, expect, test } from 'vitest'
import { isMillraceError, MillraceError } from '../base/errors.ts'
import type { Answer, PartitionBatch, TopicDescription } from '../broker/broker.ts'
import { batchAttributes, batchRecordCount, COMPRESSION_NAMES } from '../record/batch-header.ts'
import { decodeRecords } from '../record/batch-reader.ts'
import { partitionOf } from '../record/partitioner.ts'
import type { RecordData } from '../record/record.ts'
import { ClientsWorld } from './clients-test-world.ts'
import { Producer, type ProducerOptions, type ProducerPort, plainPort } from './producer.ts'

interface Sent {
  readonly text: string
  outcome: string
}

/** What happens to an append on its way: its outcome, its answer, or both may be lost. */
type Fate = 'passes' | 'isLost' | 'answerIsLost' | 'fails'

class World extends ClientsWorld {
  readonly description: TopicDescription
  readonly appends: (readonly PartitionBatch[])[] = []
  readonly fates: Fate[] = []
  readonly sent: Sent[] = []

  constructor(partitions = 1) {
    super()
    this.description = this.topic('t', { partitions })
  }

  producer(options: Partial<ProducerOptions> = {}): Producer {
    const plain = plainPort(this.broker)
    const port: ProducerPort = {
      ...plain,
      append: (batches, answer) => {
        this.appends.push(batches)
        this.#append(plain, this.fates.shift() ?? 'passes', batches, answer)
      },
    }
    return new Producer(this.sys, this.broker, options, port)
  }

  send(producer: Producer, text: string, partition?: number, key: string | null = null): Sent {
    const sent: Sent = { text, outcome: '' }
    this.sent.push(sent)
    producer.send(this.description, record(text, key), partition, (error, place, offset) => {
      expect(sent.outcome, 'one answer').toBe('')
      sent.outcome = error === undefined ? `${place}@${offset}` : codeOf(error)
    })
    return sent
  }

  flush(producer: Producer): void {
    this.now<void>((answer) => producer.flush(() => answer(undefined, undefined)))
  }

  stored(partition = 0): string[] {
    const reader = this.broker.read(this.description.id, partition, 0, () => undefined)
    const texts: string[] = []
    for (let fetched = reader.poll(1 << 20); fetched !== undefined; fetched = reader.poll(1 << 20)) {
      for (const { value } of decodeRecords(fetched.bytes)) texts.push(Buffer.from(value ?? []).toString())
    }
    reader.close()
    return texts
  }

  #append(
    plain: ProducerPort,
    fate: Fate,
    batches: readonly PartitionBatch[],
    answer: Answer<readonly number[]>,
  ) {
    const timeout = new MillraceError('MILLRACE_TIMEOUT', 'no answer')
    if (fate === 'passes') plain.append(batches, answer)
    else if (fate === 'isLost') this.sys.timers.after(30, () => answer(timeout, undefined))
    else if (fate === 'answerIsLost') plain.append(batches, () => answer(timeout, undefined))
    else this.sys.timers.after(5, () => answer(new MillraceError('MILLRACE_DISK', 'no space'), undefined))
  }
}

function record(text: string, key: string | null = null): RecordData {
  const keyBytes = key === null ? null : Buffer.from(key)
  return { key: keyBytes, value: Buffer.from(text), timestamp: 0, headers: [] }
}

function codeOf(error: Error): string {
  return isMillraceError(error) ? error.code : error.message
}

function texts(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => `r${from + index}`)
}

test('a time that no batch can hold is refused alone: nothing empty is sent, and what comes next goes', () => {
  const world = new World(2)
  const producer = world.producer()
  const outcomes: string[] = []
  const send = (timestamp: number, partition: number): void => {
    producer.send(world.description, { ...record('x'), timestamp }, partition, (error, place, offset) => {
      outcomes.push(error === undefined ? `${place}@${offset}` : codeOf(error))
    })
  }
  send(Number.NaN, 0)
  send(1.5, 0)
  send(7, 1)
  world.flush(producer)
  expect(outcomes).toEqual(['MILLRACE_BAD_TIMESTAMP', 'MILLRACE_BAD_TIMESTAMP', '1@0'])
  expect(producer.bufferedBytes).toBe(0)
  // One that stands too far from the first of its batch.
  send(Number.MAX_SAFE_INTEGER, 0)
  send(Number.MIN_SAFE_INTEGER, 0)
  send(8, 0)
  world.flush(producer)
  expect(outcomes.slice(3).sort()).toEqual(['0@0', '0@1', 'MILLRACE_BAD_TIMESTAMP'])
  expect(producer.bufferedBytes).toBe(0)
})

describe('batches', () => {
  test('a single send leaves in the same turn: no timer is waited for', () => {
    const world = new World()
    const producer = world.producer()
    world.send(producer, 'first')
    world.flush(producer)
    const begin = world.sys.clock.monotonic()
    const sent = world.send(producer, 'alone')
    world.sys.time.settle()
    expect(world.appends).toHaveLength(2)
    world.until(() => sent.outcome !== '')
    expect(world.sys.clock.monotonic() - begin).toBeLessThanOrEqual(5)
  })

  test('a burst becomes one batch, in its order', () => {
    const world = new World()
    const producer = world.producer()
    for (const text of texts(500)) world.send(producer, text)
    world.flush(producer)
    expect(world.appends.map((batches) => batches.map(({ bytes }) => batchRecordCount(bytes, 0)))).toEqual([
      [500],
    ])
    expect(world.stored()).toEqual(texts(500))
    expect(world.sent.map(({ outcome }) => outcome)).toEqual(texts(500).map((_, offset) => `0@${offset}`))
  })

  test('grow while appends are under way, two at a time', () => {
    const world = new World()
    const producer = world.producer()
    world.send(producer, 'identify')
    world.flush(producer)
    for (const text of texts(50)) {
      world.send(producer, text)
      world.sys.time.settle()
    }
    world.flush(producer)
    const counts = world.appends.map(([batch]) => batchRecordCount((batch as PartitionBatch).bytes, 0))
    expect(counts).toEqual([1, 1, 1, 48])
  })

  test('of one partition at most two are under way, however much is sent at once', () => {
    const world = new World()
    const producer = world.producer()
    const large = 'x'.repeat(100_000)
    for (let index = 0; index < 60; index++) world.send(producer, large)
    world.sys.time.settle()
    expect(world.appends.length).toBeLessThanOrEqual(2)
    world.flush(producer)
    for (const batches of world.appends) {
      expect(batches).toHaveLength(1)
      expect((batches[0] as PartitionBatch).bytes.length).toBeLessThan(800_000)
    }
    expect(world.stored()).toHaveLength(60)
  })

  test.each(COMPRESSION_NAMES)('packed with %s hold the same records', (compression) => {
    const world = new World()
    const producer = world.producer({ compression })
    const lines = texts(200).map((text) => `${text} the mill and the race`)
    for (const line of lines) world.send(producer, line)
    world.flush(producer)
    const [[batch] = []] = world.appends
    expect(COMPRESSION_NAMES[batchAttributes((batch as PartitionBatch).bytes, 0) & 7]).toBe(compression)
    expect(world.stored()).toEqual(lines)
  })
})

describe('partitions', () => {
  test('one that is named; one that there is not is refused', () => {
    const world = new World(3)
    const producer = world.producer()
    const named = world.send(producer, 'a', 2)
    const wrong = world.send(producer, 'b', 3)
    world.flush(producer)
    expect([named.outcome, wrong.outcome]).toEqual(['2@0', 'MILLRACE_INVALID_ARGUMENT'])
  })

  test('by the key, as Kafka places it', () => {
    const world = new World(3)
    const producer = world.producer()
    for (const key of ['ann', 'bob', 'cyd']) world.send(producer, key, undefined, key)
    world.flush(producer)
    for (const { text, outcome } of world.sent) expect(outcome).toBe(`${partitionOf(Buffer.from(text), 3)}@0`)
  })

  test('without a key: one partition at a time, and all of them in the end', () => {
    const world = new World(3)
    const producer = world.producer()
    for (let index = 0; index < 60; index++) world.send(producer, 'x'.repeat(2_000))
    world.flush(producer)
    const partitions = world.sent.map(({ outcome }) => outcome.split('@')[0])
    const changes = partitions.filter((partition, index) => index > 0 && partition !== partitions[index - 1])
    expect(new Set(partitions).size).toBe(3)
    expect(changes.length).toBeLessThan(10)
  })
})

describe('back-pressure', () => {
  const LINE = 'x'.repeat(936)

  test('what is buffered never exceeds the bound; who waits comes in its order', () => {
    const world = new World()
    const producer = world.producer({ bufferBytes: 10_000 })
    const order: number[] = []
    for (let index = 0; index < 100; index++) {
      producer.send(world.description, record(LINE), undefined, (error) => {
        expect(error).toBeUndefined()
        order.push(index)
        expect(producer.bufferedBytes).toBeLessThanOrEqual(10_000)
      })
      expect(producer.bufferedBytes).toBeLessThanOrEqual(10_000)
    }
    expect(producer.blocked).toBe(90)
    world.flush(producer)
    expect(order).toEqual(Array.from({ length: 100 }, (_, index) => index))
    expect([producer.bufferedBytes, producer.blocked]).toEqual([0, 0])
  })

  test('a small record does not overtake a large one that waits', () => {
    const world = new World()
    const producer = world.producer({ bufferBytes: 2_500 })
    for (const text of [LINE, LINE, LINE, 'small']) world.send(producer, text)
    world.flush(producer)
    expect(world.stored()).toEqual([LINE, LINE, LINE, 'small'])
  })

  test('one record has room, however large it is; beyond the limit of records it is refused', () => {
    const world = new World()
    const producer = world.producer({ bufferBytes: 10 })
    const fits = world.send(producer, 'x'.repeat(1_000_000))
    const large = world.send(producer, 'x'.repeat(1_100_000))
    world.flush(producer)
    expect([fits.outcome, large.outcome]).toEqual(['0@0', 'MILLRACE_RECORD_TOO_LARGE'])
  })

  test('whoever waits longer than maxBlock is told, and nothing of it is written', () => {
    const world = new World()
    const producer = world.producer({ bufferBytes: 1_000, maxBlockMs: 50, deliveryTimeoutMs: 1_000 })
    world.fates.push('isLost', 'isLost', 'isLost')
    world.send(producer, LINE)
    const blocked = world.send(producer, 'late')
    world.until(() => blocked.outcome !== '')
    expect(blocked.outcome).toBe('MILLRACE_TIMEOUT')
    world.flush(producer)
    expect(world.stored()).toEqual([LINE])
  })

  test('close waits for those that wait, and takes nothing more', () => {
    const world = new World()
    const producer = world.producer({ bufferBytes: 1_000 })
    for (const text of texts(5)) world.send(producer, `${text}${LINE}`)
    let closed = false
    producer.close(() => {
      closed = true
    })
    const late = world.send(producer, 'late')
    world.until(() => closed)
    expect(late.outcome).toBe('MILLRACE_CLOSED')
    expect(world.stored()).toHaveLength(5)
  })
})

describe('an append that may or may not have happened', () => {
  test.each<Fate>(['isLost', 'answerIsLost'])(
    '%s: it is tried again with the same bytes and counts once',
    (fate) => {
      const world = new World()
      const producer = world.producer()
      world.fates.push(fate, fate)
      const sent = world.send(producer, 'a')
      world.flush(producer)
      expect(sent.outcome).toBe('0@0')
      expect(world.appends).toHaveLength(3)
      expect(world.appends[2]).toEqual(world.appends[0])
      expect(world.stored()).toEqual(['a'])
    },
  )

  test.each<Fate>(['isLost', 'answerIsLost'])(
    '%s: what was sent behind it waits for it, in order',
    (fate) => {
      const world = new World()
      const producer = world.producer()
      world.send(producer, 'identify')
      world.flush(producer)
      world.fates.push(fate)
      for (const text of ['a', 'b', 'c', 'd']) {
        world.send(producer, text)
        world.sys.time.settle()
      }
      world.flush(producer)
      expect(world.sent.map(({ outcome }) => outcome)).toEqual(['0@0', '0@1', '0@2', '0@3', '0@4'])
      expect(world.stored()).toEqual(['identify', 'a', 'b', 'c', 'd'])
    },
  )

  test('by lot: whatever is lost, every record is there once and in order', () => {
    for (let seed = 0; seed < 40; seed++) {
      const world = new World()
      const producer = world.producer()
      const lines = texts(40)
      for (let index = 0; index < 60; index++) {
        const chance = (seed * 31 + index * 17) % 7
        world.fates.push(chance === 0 ? 'isLost' : chance === 3 ? 'answerIsLost' : 'passes')
      }
      for (const [index, line] of lines.entries()) {
        world.send(producer, line)
        if ((index + seed) % 3 === 0) world.sys.time.advance(index % 4)
      }
      world.flush(producer)
      expect(world.stored()).toEqual(lines)
    }
  })

  test('not for longer than deliveryTimeout', () => {
    const world = new World()
    const producer = world.producer({ deliveryTimeoutMs: 300 })
    world.fates.push(...Array.from({ length: 50 }, (): Fate => 'isLost'))
    const sent = world.send(producer, 'a')
    world.flush(producer)
    expect(sent.outcome).toBe('MILLRACE_TIMEOUT')
    expect(world.sys.clock.monotonic()).toBeLessThan(1_000)
  })

  test('without idempotence it is not tried again', () => {
    const world = new World()
    const producer = world.producer({ idempotent: false })
    world.fates.push('answerIsLost')
    const sent = world.send(producer, 'a')
    world.flush(producer)
    expect(sent.outcome).toBe('MILLRACE_TIMEOUT')
    expect(world.appends).toHaveLength(1)
  })
})

describe('an append that failed for good', () => {
  test('leaves no gap: a new identity begins at 0', () => {
    const world = new World()
    const producer = world.producer()
    world.send(producer, 'a')
    world.flush(producer)
    world.fates.push('fails')
    const failed = world.send(producer, 'b')
    world.flush(producer)
    const next = world.send(producer, 'c')
    world.flush(producer)
    expect([failed.outcome, next.outcome]).toEqual(['MILLRACE_DISK', '0@1'])
    const producers = world.broker.admin.describeTopic('t')?.details[0]?.producers ?? []
    expect(producers).toHaveLength(2)
  })

  test('an identity that cannot be had fails who waits for it, and the next send asks again', () => {
    const world = new World()
    let refused = 0
    const plain = plainPort(world.broker)
    const port: ProducerPort = {
      ...plain,
      identify: (answer) => {
        refused += 1
        if (refused === 1) answer(new MillraceError('MILLRACE_DISK', 'no space'), undefined)
        else plain.identify(answer)
      },
    }
    const producer = new Producer(world.sys, world.broker, {}, port)
    const first = world.send(producer, 'a')
    world.flush(producer)
    const second = world.send(producer, 'b')
    world.flush(producer)
    expect([first.outcome, second.outcome]).toEqual(['MILLRACE_DISK', '0@0'])
  })

  test('an identity is asked for again while the app is away, for as long as an append would be', () => {
    const world = new World()
    let asked = 0
    let away = true
    const plain = plainPort(world.broker)
    const port: ProducerPort = {
      ...plain,
      identify: (answer) => {
        asked += 1
        if (away) answer(new MillraceError('MILLRACE_CONNECTION', 'nothing answers'), undefined)
        else plain.identify(answer)
      },
    }
    const producer = new Producer(world.sys, world.broker, { deliveryTimeoutMs: 5_000 }, port)
    const first = world.send(producer, 'a')
    world.sys.time.advance(4_000)
    expect([first.outcome, asked > 2]).toEqual(['', true])
    away = false
    world.flush(producer)
    expect(first.outcome).toBe('0@0')
    const other = new Producer(world.sys, world.broker, { deliveryTimeoutMs: 5_000 }, port)
    away = true
    const second = world.send(other, 'b')
    world.sys.time.advance(6_000)
    expect(second.outcome).toBe('MILLRACE_CONNECTION')
  })
})
