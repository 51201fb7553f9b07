import { beforeEach, describe, expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { type SimSys, simSys } from '../sim/sim-sys.ts'
import type { Log, LogPartition, LogTopic } from './log.ts'
import { openLog } from './open.ts'

let sys: SimSys
let log: Log
let topic: LogTopic
let first: LogPartition
let second: LogPartition

function batchOf(bytes = 20): Uint8Array {
  const builder = new BatchBuilder(256)
  builder.appendText(5, null, 'x'.repeat(bytes))
  return builder.build()
}

function part(partition: number, bytes?: number, of = topic) {
  return { topic: of.id, partition, bytes: batchOf(bytes) }
}

function made(name: string, durability: 'fsync' | 'os' = 'fsync'): LogTopic {
  log.createTopic(name, { partitions: 2, durability }, () => {})
  sys.time.runUntilIdle()
  return log.topic(name) as LogTopic
}

/** Syncs take 10 ms. */
beforeEach(() => {
  sys = simSys(1)
  log = openLog(sys, '/log', { segmentFirstBytes: 4000, journalBytesMax: 20_000 })
  topic = made('t')
  first = topic.partitions[0] as LogPartition
  second = topic.partitions[1] as LogPartition
  sys.disk.delaySync(10)
})

describe('an append', () => {
  test('has its offsets at once, and readers when it is durable', () => {
    let answered = false
    expect(
      log.append([part(0), part(1), part(0)], () => {
        answered = true
      }),
    ).toEqual([0, 0, 1])
    expect([first.appended, first.end, second.appended]).toEqual([2, 0, 1])
    expect(first.read(0, 1000)).toBeUndefined()
    sys.time.advance(9)
    expect(answered).toBe(false)
    sys.time.advance(1)
    expect(answered).toBe(true)
    expect([first.end, second.end]).toEqual([2, 1])
    expect(first.read(0, 1000)?.next).toBe(2)
  })

  test('shares the next sync with everything that comes while one runs', () => {
    const answers: number[] = []
    const append = (group: number) => log.append([part(0)], () => answers.push(group))
    append(0)
    const operations = sys.disk.operations
    for (let group = 1; group <= 9; group += 1) append(group)
    expect(sys.disk.operations).toBe(operations)
    sys.time.advance(10)
    expect(answers).toEqual([0])
    sys.time.advance(10)
    expect(answers).toEqual(Array.from({ length: 10 }, (_, group) => group))
    // One write of the segment, one of the journal, one sync; and perhaps room in the journal.
    expect(sys.disk.operations - operations).toBeLessThanOrEqual(4)
  })

  test('sees in its answer the whole round, and may append there', () => {
    const seen: number[] = []
    log.append([part(0)], () => {
      log.append([part(1)], () => seen.push(second.end))
    })
    log.append([part(0)], () => seen.push(first.end))
    log.append([part(0)], () => seen.push(first.end))
    sys.time.runUntilIdle()
    expect(seen).toEqual([3, 3, 1])
  })

  test('from an answer shares a round with those from the other answers', () => {
    const ends: number[] = []
    for (let caller = 0; caller < 5; caller += 1) {
      log.append([part(0)], () => log.append([part(0)], () => ends.push(first.end)))
    }
    // The first caller had a round of its own, the others the next one.
    sys.time.advance(30)
    expect(ends).toEqual([6, 10, 10, 10, 10])
  })

  test('from answers and those that waited share a round', () => {
    const ends: number[] = [0]
    first.follow(() => ends.push(first.end))
    const caller = () => log.append([part(0)], () => caller())
    for (let index = 0; index < 4; index += 1) caller()
    sys.time.advance(15)
    for (let index = 0; index < 4; index += 1) caller()
    sys.time.advance(40)
    const sizes = ends.slice(1).map((end, index) => end - (ends[index] as number))
    expect(sizes).toEqual([1, 4, 8, 8, 8])
  })

  test('tells followers once a round, until they leave', () => {
    let calls = 0
    const leave = first.follow(() => {
      calls += 1
    })
    log.append([part(0)], () => {})
    sys.time.runUntilIdle()
    log.append([part(0)], () => {})
    log.append([part(1)], () => {})
    sys.time.runUntilIdle()
    expect(calls).toBe(2)
    leave()
    log.append([part(0)], () => {})
    sys.time.runUntilIdle()
    expect(calls).toBe(2)
  })

  test('of nothing answers at once', () => {
    let given: readonly number[] | undefined
    expect(
      log.append([], (_error, offsets) => {
        given = offsets
      }),
    ).toEqual([])
    expect(given).toEqual([])
  })

  test('is refused whole for one bad part, and changes nothing', () => {
    const bad = batchOf()
    bad[16] = 1
    const other = { topic: 'no-such-topic', partition: 0, bytes: batchOf() }
    expect(() => log.append([part(0), { ...part(0), bytes: bad }], () => {})).toThrow(
      /t-0.*magic is 1, expected 2/,
    )
    expect(() => log.append([part(0), { ...part(0), bytes: batchOf().subarray(0, 70) }], () => {})).toThrow(
      /70 are/,
    )
    expect(() => log.append([part(0), { ...part(0), bytes: new Uint8Array(0) }], () => {})).toThrow(
      /no batch/,
    )
    expect(() => log.append([part(0), other], () => {})).toThrow(/no topic with the id no-such-topic/)
    expect(() => log.append([part(0), part(2)], () => {})).toThrow(/partitions 0 to 1, not 2/)
    expect(first.appended).toBe(0)
  })
})

describe('bytes are written twice only where that saves a sync', () => {
  const written = (run: () => void): { segment: number; journal: number } => {
    const count = () => {
      let segment = 0
      for (const name of sys.disk.list('/log/topics')) {
        segment += sys.disk.size(`/log/topics/${name}/00000000000000000000.log`) ?? 0
      }
      return segment
    }
    const before = count()
    const journal = journalBytes()
    run()
    sys.time.runUntilIdle()
    return { segment: count() - before, journal: journalBytes() - journal }
  }
  const journalName = () =>
    sys.disk.list('/log/journal').findLast((name) => name.endsWith('.journal')) as string
  const journalContent = (): Buffer => {
    const path = `/log/journal/${journalName()}`
    const bytes = Buffer.alloc(sys.disk.size(path) ?? 0)
    sys.disk.open(path, 'read').read(bytes, 0)
    return bytes
  }
  const journalBytes = () => journalContent().findLastIndex((byte) => byte !== 0)
  /** Small groups, until the journal goes on in another file. */
  const fillJournal = () => {
    const name = journalName()
    while (journalName() === name) {
      log.append([part(0, 300)], () => {})
      sys.time.runUntilIdle()
    }
  }

  test('a small group lies in the journal', () => {
    const { segment, journal } = written(() => log.append([part(0, 300), part(1, 300)], () => {}))
    expect(segment).toBeGreaterThan(700)
    expect(journal).toBeGreaterThan(segment)
  })

  test('a large one in its segment, with a short entry', () => {
    const { segment, journal } = written(() => log.append([part(0, 5000)], () => {}))
    expect(segment).toBeGreaterThan(5000)
    expect(journal).toBeLessThan(200)
  })

  test('one of middle size in its segment where the journal would grow for it, else in the journal', () => {
    const { segment, journal } = written(() => log.append([part(0, 2000)], () => {}))
    expect(segment).toBeGreaterThan(2000)
    expect(journal).toBeLessThan(200)
    fillJournal()
    fillJournal()
    // The third file is the first one, used again.
    log.append([part(0, 2000)], () => {})
    sys.time.runUntilIdle()
    expect(journalContent().includes('x'.repeat(2000))).toBe(true)
    log.append([part(0, 5000)], () => {})
    sys.time.runUntilIdle()
    expect(journalContent().includes('x'.repeat(5000))).toBe(false)
  })

  test('those of middle size get a journal that has room for them', () => {
    for (let index = 0; index < 20; index += 1) {
      log.append([part(0, 2000)], () => {})
      sys.time.runUntilIdle()
    }
    expect(journalContent().includes('x'.repeat(2000))).toBe(true)
    expect(log.failure).toBeUndefined()
  })

  test('many small ones of one partition that share a sync are a large one', () => {
    const { journal } = written(() => {
      log.append([part(1)], () => {})
      for (let index = 0; index < 10; index += 1) log.append([part(0, 300)], () => {})
    })
    expect(journal).toBeLessThan(2000)
  })
})

describe('os durability', () => {
  test('answers before any sync', () => {
    const fast = made('fast', 'os')
    let answered = false
    log.append([part(0, 20, fast)], () => {
      answered = true
    })
    expect(answered).toBe(true)
    expect(fast.partitions[0]?.end).toBe(1)
  })

  test('a group is as durable as its most durable partition', () => {
    const fast = made('fast', 'os')
    const order: string[] = []
    log.append([part(0, 20, fast), part(0)], () => order.push('both'))
    // Behind it in its partition: it must not be read before it.
    log.append([part(0, 20, fast)], () => order.push('behind'))
    log.append([part(1, 20, fast)], () => order.push('beside'))
    expect(order).toEqual(['beside'])
    expect(fast.partitions[0]?.end).toBe(0)
    sys.time.runUntilIdle()
    expect(order).toEqual(['beside', 'both', 'behind'])
    expect(fast.partitions[0]?.end).toBe(2)
  })
})

describe('the journal', () => {
  test('is cut in the background, keeps its size, and uses old files again', () => {
    const sizes: number[] = []
    for (let index = 0; index < 400; index += 1) {
      log.append([part(index % 2, 300)], (error) => expect(error).toBeUndefined())
      sys.time.advance(index % 3 === 0 ? 7 : 25)
      sizes.push(sys.disk.list('/log/journal').length)
    }
    sys.time.runUntilIdle()
    expect(Math.max(...sizes)).toBeLessThanOrEqual(3)
    expect(sys.disk.list('/log/journal')).toContain('spare')
    expect(first.end + second.end).toBe(400)
  })
})

describe('topics', () => {
  test('two creations at once make one topic; another number of partitions is refused', () => {
    const answers: (string | undefined)[] = []
    log.createTopic('u', { partitions: 2 }, (error, made) => answers.push(error?.message ?? made?.id))
    log.createTopic('u', { partitions: 2 }, (error, made) => answers.push(error?.message ?? made?.id))
    log.createTopic('u', { partitions: 3 }, (error) => answers.push(error?.message))
    expect(log.topic('u')).toBeUndefined()
    sys.time.runUntilIdle()
    expect(answers[0]).toBe(log.topic('u')?.id)
    expect(answers[1]).toBe(answers[0])
    expect(answers[2]).toMatch(/topic u exists with 2 partitions, not 3/)
    expect(log.topics().map(({ name }) => name)).toEqual(['t', 'u'])
    expect(log.topicById(answers[0] as string)?.name).toBe('u')
  })

  test.each([0, -1, 1.5, 100_001])('%d partitions are refused', (partitions) => {
    expect(() => log.createTopic('v', { partitions }, () => {})).toThrow(/topic v: partitions is/)
  })
})

describe('closing', () => {
  test('waits for what was appended, refuses what comes after, and is idempotent', () => {
    const order: string[] = []
    log.append([part(0)], () => order.push('append'))
    log.close(() => order.push('close'))
    log.close(() => order.push('close again'))
    log.append([part(0)], (error) => order.push(error?.message ?? ''))
    sys.time.runUntilIdle()
    expect(order).toEqual(['the log /log is closed; open it again', 'append', 'close', 'close again'])
    log.close(() => order.push('later'))
    expect(order.at(-1)).toBe('later')
    expect(openLog(sys, '/log').recovery.clean).toBe(true)
  })
})
