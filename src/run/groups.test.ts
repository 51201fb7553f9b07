import { describe, expect, test } from 'vitest'
import { text } from '../record/serdes.ts'
import { topic } from '../streams/topic.ts'
import type { ResetTo } from './groups.ts'
import { type OpenLog, open } from './open.ts'

const words = topic('words', { value: text(), partitions: 2 })

/** Ten records in each partition at the times 1,000 to 10,000; of partition 0 the first four are deleted. */
async function filled(): Promise<OpenLog> {
  const log = await open('memory:')
  for (const partition of [0, 1]) {
    for (let index = 0; index < 10; index++)
      await log.send(words, `w${index}`, { partition, timestamp: 1_000 * (index + 1) })
  }
  await log.admin.deleteRecords('words', 0, 4)
  return log
}

async function offsets(log: OpenLog, to: ResetTo): Promise<number[]> {
  const { positions } = await log.groups.reset('g', { to, topic: 'words' })
  return positions.map(({ offset }) => offset)
}

describe('a reset', () => {
  test.each<[ResetTo, number[]]>([
    ['earliest', [4, 0]],
    ['latest', [10, 10]],
    [{ offset: 7 }, [7, 7]],
    // Never outside of what the log holds.
    [{ offset: 2 }, [4, 2]],
    [{ offset: 99 }, [10, 10]],
    [{ time: 6_500 }, [6, 6]],
    [{ time: 0 }, [4, 0]],
    [{ time: 99_000 }, [10, 10]],
    [{ time: new Date(6_500) }, [6, 6]],
    [{ time: '1970-01-01T00:00:06.500Z' }, [6, 6]],
    // A group without a position is moved from the start.
    [{ shift: 3 }, [7, 3]],
  ])('of a new group to %j', async (to, expected) => {
    await using log = await filled()
    expect(await offsets(log, to)).toEqual(expected)
  })

  test.each<[number, number[]]>([
    [2, [9, 9]],
    [-2, [5, 5]],
    [-99, [4, 0]],
    [99, [10, 10]],
  ])('shifts a position by %i', async (shift, expected) => {
    await using log = await filled()
    await offsets(log, { offset: 7 })
    expect(await offsets(log, { shift })).toEqual(expected)
  })

  test('of one partition leaves the others', async () => {
    await using log = await filled()
    await offsets(log, { offset: 7 })
    const { positions } = await log.groups.reset('g', { to: 'latest', topic: 'words', partition: 1 })
    expect(positions).toMatchObject([
      { partition: 0, offset: 7, end: 10, lag: 3 },
      { partition: 1, offset: 10, end: 10, lag: 0 },
    ])
  })

  test('without a topic moves what the group has', async () => {
    await using log = await filled()
    await log.groups.reset('g', { to: { offset: 7 }, topic: 'words', partition: 1 })
    const { positions } = await log.groups.reset('g', { to: 'earliest' })
    expect(positions).toMatchObject([{ partition: 1, offset: 0 }])
  })

  test('is where the next consumer begins', async () => {
    await using log = await filled()
    await offsets(log, { offset: 8 })
    const seen: string[] = []
    for await (const { partition, offset } of log.consumer({ group: 'g', topics: [words] })) {
      seen.push(`${partition}@${offset}`)
      if (seen.length === 4) break
    }
    expect(seen.toSorted()).toEqual(['0@8', '0@9', '1@8', '1@9'])
  })

  test('is refused while the group has members, and moves nothing', async () => {
    await using log = await filled()
    await offsets(log, { offset: 7 })
    const consumer = log.consumer({ group: 'g', topics: [words] })
    while (consumer.assignment().length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    await expect(offsets(log, 'earliest')).rejects.toMatchObject({ code: 'MILLRACE_GROUP_ACTIVE' })
    await expect(log.groups.delete('g')).rejects.toMatchObject({ code: 'MILLRACE_GROUP_ACTIVE' })
    expect(log.groups.describe('g')?.positions.map(({ offset }) => offset)).toEqual([7, 7])
  })

  test.each([
    [
      'nobody',
      { to: 'earliest' },
      'MILLRACE_UNKNOWN_GROUP',
      /there is no group nobody; there is: none; name a topic/,
    ],
    ['g', { to: 'earliest', topic: 'wrods' }, 'MILLRACE_UNKNOWN_TOPIC', /no topic wrods/],
    ['g', { to: { offset: 1.5 }, topic: 'words' }, 'MILLRACE_INVALID_ARGUMENT', /not to 1.5/],
    ['g', { to: { offset: Number.NaN }, topic: 'words' }, 'MILLRACE_INVALID_ARGUMENT', /not to NaN/],
    ['g', { to: { time: 'soon' }, topic: 'words' }, 'MILLRACE_BAD_TIMESTAMP', /soon/],
    ['g', { to: 'latest', topic: 'words', partition: 9 }, 'MILLRACE_NO_POSITION', /no position in words/],
  ] as const)('of %s with %j says what is wrong', async (group, options, code, message) => {
    await using log = await filled()
    const failing = log.groups.reset(group, options)
    await expect(failing).rejects.toThrow(message)
    await expect(failing).rejects.toMatchObject({ code })
  })
})

describe('groups', () => {
  test('are listed with their members, described with their partitions, and deleted', async () => {
    await using log = await filled()
    const consumer = log.consumer({ group: 'g', topics: [words], client: 'billing', instance: 'one' })
    while (consumer.assignment().length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    expect(log.groups.list()).toEqual([{ group: 'g', state: 'Stable', protocolType: 'consumer', members: 1 }])
    expect(log.groups.describe('g')?.members).toMatchObject([
      {
        instance: 'one',
        client: 'billing',
        partitions: [
          { topic: 'words', partition: 0 },
          { topic: 'words', partition: 1 },
        ],
      },
    ])
    await consumer.close()
  })

  test('that are empty can be deleted, and are gone', async () => {
    await using log = await filled()
    await offsets(log, 'earliest')
    await log.groups.delete('g')
    expect(log.groups.describe('g')).toBeUndefined()
    expect(log.groups.list()).toEqual([])
    await expect(log.groups.delete('g')).rejects.toMatchObject({ code: 'MILLRACE_UNKNOWN_GROUP' })
  })
})

describe('positions of a group without members', () => {
  const positionsOf = (log: OpenLog): number => log.groups.describe('g')?.positions.length ?? 0

  test('are gone after positionsRetention', async () => {
    await using log = await open('memory:', { positionsRetention: '50ms' })
    await log.send(words, 'a', { partition: 0 })
    await log.groups.reset('g', { to: 'latest', topic: 'words' })
    expect(positionsOf(log)).toBe(2)
    await expect.poll(() => positionsOf(log), { timeout: 5_000 }).toBe(0)
  })

  test('stay for a week by default, and a nonsensical time is refused by name', async () => {
    await using log = await filled()
    await log.groups.reset('g', { to: 'latest', topic: 'words' })
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(positionsOf(log)).toBe(2)
    await expect(open('memory:', { positionsRetention: '5 parsecs' as '5s' })).rejects.toThrow(
      /positionsRetention.*parsecs/,
    )
  })
})
