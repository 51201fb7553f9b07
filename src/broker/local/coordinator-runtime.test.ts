import { describe, expect, test } from 'vitest'
import type { Log, LogTopic } from '../../log/log.ts'
import { openLog } from '../../log/open.ts'
import { BatchBuilder } from '../../record/batch-builder.ts'
import { restartSys, type SimSys, simSys } from '../../sim/sim-sys.ts'
import type { CoordinatorMachine, CoordinatorRecord } from '../coordinators/coordinator.ts'
import { LocalCoordinatorRuntime } from './coordinator-runtime.ts'

/** The least that a coordinator can be: the last value of each key. */
class Memory implements CoordinatorMachine {
  readonly values = new Map<string, string>()
  clears = 0
  waiting: ((error: Error) => void)[] = []

  apply({ key, value }: CoordinatorRecord): void {
    if (value === null) this.values.delete(key)
    else this.values.set(key, value)
  }

  *snapshot(): Generator<CoordinatorRecord> {
    for (const [key, value] of this.values) yield { key, value }
  }

  clear(): readonly ((error: Error) => void)[] {
    this.clears += 1
    this.values.clear()
    return this.waiting.splice(0)
  }

  get content(): string {
    return Array.from(this.values, ([key, value]) => `${key}=${value}`)
      .sort()
      .join(' ')
  }
}

class World {
  readonly sys: SimSys
  readonly log: Log
  readonly groups = new Memory()
  readonly transactions = new Memory()
  readonly runtime: LocalCoordinatorRuntime
  readonly answers: string[] = []

  constructor(sys: SimSys = simSys(1), rewriteBytes = 1_000_000) {
    this.sys = sys
    sys.disk.delaySync(2)
    this.log = openLog(sys, '/data')
    const machines = { groups: this.groups, transactions: this.transactions }
    this.runtime = new LocalCoordinatorRuntime(sys, this.log, machines, { rewriteBytes })
    this.runtime.replay()
  }

  topic(): LogTopic {
    let made: LogTopic | undefined
    this.log.createTopic('t', { partitions: 1 }, (_, topic) => {
      made = topic
    })
    this.sys.time.advance(10)
    return made as LogTopic
  }

  write(name: string, groups: string, transactions = '', batches: Parameters<Log['append']>[0] = []): void {
    this.runtime.write(
      { groups: records(groups), transactions: records(transactions), batches },
      (error, offsets) => {
        this.answers.push(
          `${name} ${error === undefined ? `[${offsets?.join()}]` : (error as { code?: string }).code}`,
        )
      },
    )
  }

  restart(): World {
    this.runtime.close()
    this.log.close(() => {})
    this.sys.time.advance(100)
    return new World(restartSys(this.sys, 9))
  }
}

/** 'a=1 b=' as records; without a value a tombstone. */
function records(text: string): CoordinatorRecord[] {
  return text
    .split(' ')
    .filter((part) => part !== '')
    .map((part) => {
      const [key = '', value = ''] = part.split('=')
      return { key, value: value === '' ? null : value }
    })
}

function batchOf(topic: LogTopic, text: string) {
  const builder = new BatchBuilder()
  builder.appendText(0, null, text)
  return { topic: topic.id, partition: 0, bytes: builder.build() }
}

describe('a write', () => {
  test('is seen at once and answered when it is durable, in order', () => {
    const world = new World()
    world.write('first', 'a=1')
    world.write('second', 'a=2 b=1')
    expect(world.groups.content).toBe('a=2 b=1')
    expect(world.answers).toEqual([])
    world.sys.time.advance(20)
    expect(world.answers).toEqual(['first []', 'second []'])
    expect(world.restart().groups.content).toBe('a=2 b=1')
  })

  test('of both coordinators and of batches is one group; the answer has the offsets of the batches', () => {
    const world = new World()
    const topic = world.topic()
    world.write('all', 'a=1', 'x=1', [batchOf(topic, 'one'), batchOf(topic, 'two')])
    world.sys.time.advance(20)
    expect(world.answers).toEqual(['all [0,1]'])
    const after = world.restart()
    expect([after.groups.content, after.transactions.content]).toEqual(['a=1', 'x=1'])
    expect(after.log.topic('t')?.partitions[0]?.end).toBe(2)
  })

  test('a tombstone removes its key, also after a restart', () => {
    const world = new World()
    world.write('set', 'a=1 b=1')
    world.write('remove', 'a=')
    world.sys.time.advance(20)
    expect(world.groups.content).toBe('b=1')
    expect(world.restart().groups.content).toBe('b=1')
  })

  test('that is empty answers when all before it is durable', () => {
    const world = new World()
    world.write('nothing before', '')
    expect(world.answers).toEqual(['nothing before []'])
    world.write('first', 'a=1')
    world.write('empty', '')
    world.runtime.write({}, () => world.answers.push('emptier'))
    expect(world.answers).toHaveLength(1)
    world.sys.time.advance(20)
    expect(world.answers.slice(1)).toEqual(['first []', 'empty []', 'emptier'])
  })

  test('for a topic that is not there throws, and nothing is applied', () => {
    const world = new World()
    const bad = { topic: 'nothing', partition: 0, bytes: new Uint8Array(100) }
    expect(() => world.write('bad', 'a=1', '', [bad])).toThrow(
      expect.objectContaining({ code: 'MILLRACE_UNKNOWN_TOPIC' }),
    )
    expect(world.groups.content).toBe('')
    expect(world.runtime.isSettled).toBe(true)
  })

  test('after the close is refused', () => {
    const world = new World()
    world.runtime.close()
    world.write('late', 'a=1')
    expect(world.answers).toEqual(['late MILLRACE_CLOSED'])
    expect(world.groups.content).toBe('')
  })
})

describe('a write that fails', () => {
  test('takes back its records and those after it, and whoever waited in the machine is told', () => {
    const world = new World()
    world.write('kept', 'a=1', 'x=1')
    world.sys.time.advance(20)
    const told: string[] = []
    world.groups.waiting.push((error) => told.push((error as { code?: string }).code ?? ''))
    world.sys.disk.diskFull(0)
    world.write('full', 'a=2 b=2')
    world.sys.time.advance(20)
    expect(world.answers.at(-1)).toBe('full MILLRACE_DISK')
    expect(world.groups.content).toBe('a=1')
    expect(told).toEqual(['MILLRACE_DISK'])
    world.sys.disk.diskFull(Number.POSITIVE_INFINITY)
    world.write('again', 'b=3')
    world.sys.time.advance(20)
    expect(world.answers.at(-1)).toBe('again []')
    expect(world.restart().groups.content).toBe('a=1 b=3')
  })

  test('leaves the other coordinator alone', () => {
    const world = new World()
    world.write('both', 'a=1', 'x=1')
    world.sys.time.advance(20)
    world.sys.disk.diskFull(0)
    world.write('full', 'a=2')
    world.sys.time.advance(20)
    expect([world.groups.clears, world.transactions.clears]).toEqual([1, 0])
  })

  test('does not take back those that are on their way', () => {
    const world = new World()
    const topic = world.topic()
    world.write('first', 'a=1')
    world.sys.time.advance(20)
    world.write('on its way', 'b=1')
    world.write('huge', 'c=1', '', [{ ...batchOf(topic, 'x'), bytes: new Uint8Array(50) }])
    world.sys.time.advance(20)
    expect(world.answers.some((answer) => answer.startsWith('huge MILLRACE'))).toBe(true)
    expect(world.answers).toContain('on its way []')
    expect(world.groups.content).toBe('a=1 b=1')
    expect(world.restart().groups.content).toBe('a=1 b=1')
  })

  test('because the topic cannot be made: the next one makes it', () => {
    const world = new World()
    world.sys.disk.diskFull(0)
    world.write('first', 'a=1')
    world.write('second', 'b=1')
    world.sys.time.advance(20)
    expect(world.answers).toEqual(['first MILLRACE_DISK', 'second MILLRACE_DISK'])
    expect(world.groups.content).toBe('')
    world.sys.disk.diskFull(Number.POSITIVE_INFINITY)
    world.write('third', 'c=1')
    world.sys.time.advance(20)
    expect(world.restart().groups.content).toBe('c=1')
  })

  test('because a sync failed ends the log: nothing is taken any more', () => {
    const world = new World()
    world.write('first', 'a=1')
    world.sys.time.advance(20)
    world.sys.disk.failSync(1)
    world.write('failing', 'b=1')
    world.write('after', '')
    world.sys.time.advance(20)
    expect(world.answers.slice(1)).toEqual(['failing MILLRACE_DISK', 'after MILLRACE_DISK'])
    world.write('later', 'c=1')
    expect(world.answers.at(-1)).toBe('later MILLRACE_DISK')
  })
})

describe('the topics stay small', () => {
  test('they are written anew when they have grown, and read the same', () => {
    const world = new World(simSys(1), 1_000)
    for (let turn = 0; turn < 200; turn += 1) {
      world.write('', `a=${turn} k${turn % 7}=${turn}`)
      if (turn % 3 === 0) world.sys.time.advance(10)
    }
    world.sys.time.advance(20)
    const partition = world.log.topic('__groups')?.partitions[0]
    expect((partition?.end ?? 0) - (partition?.start ?? 0)).toBeLessThan(60)
    const { content } = world.groups
    expect(world.restart().groups.content).toBe(content)
  })

  test('also when there is always something on its way', () => {
    const world = new World(simSys(1), 1_000)
    for (let turn = 0; turn < 300; turn += 1) {
      world.write('', `a=${turn}`)
      world.sys.time.advance(1)
      if (turn > 10) expect(world.runtime.isSettled).toBe(false)
    }
    const partition = world.log.topic('__groups')?.partitions[0]
    expect((partition?.end ?? 0) - (partition?.start ?? 0)).toBeLessThan(60)
    world.sys.time.advance(20)
    expect(world.restart().groups.content).toBe('a=299')
  })

  test('a state larger than the limit is not written anew at each write', () => {
    const world = new World(simSys(1), 100)
    const many = Array.from({ length: 200 }, (_, index) => `key${index}=${'v'.repeat(20)}`).join(' ')
    world.write('many', many)
    world.sys.time.advance(20)
    const partition = world.log.topic('__groups')?.partitions[0]
    const before = partition?.start
    for (let turn = 0; turn < 20; turn += 1) {
      world.write('', `a=${turn}`)
      world.sys.time.advance(10)
    }
    expect(partition?.start).toBe(before)
  })

  test('an empty state leaves an empty topic', () => {
    const world = new World(simSys(1), 200)
    for (let turn = 0; turn < 20; turn += 1) {
      world.write('', `a=${turn}`)
      world.write('', 'a=')
      world.sys.time.advance(10)
    }
    const partition = world.log.topic('__groups')?.partitions[0]
    expect((partition?.end ?? 0) - (partition?.start ?? 0)).toBeLessThan(10)
    expect(world.restart().groups.content).toBe('')
  })
})

test('a damaged topic is an error that says where', () => {
  const world = new World()
  world.write('first', 'a=1')
  world.sys.time.advance(20)
  world.runtime.close()
  world.log.close(() => {})
  world.sys.time.advance(20)
  const [folder] = world.sys.disk.list('/data/topics')
  world.sys.disk.flipBit(`/data/topics/${folder}/00000000000000000000.log`, 65)
  expect(() => new World(world.sys)).toThrow(
    expect.objectContaining({ code: 'MILLRACE_CORRUPT', message: expect.stringContaining('__groups-0@0') }),
  )
})
