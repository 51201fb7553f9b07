import { describe, expect, test } from 'vitest'
import { BatchBuilder } from '../record/batch-builder.ts'
import { simSys } from '../sim/sim-sys.ts'
import { type CachedIndex, IndexCache } from './index-cache.ts'
import type { LogTopic } from './log.ts'
import { openLog } from './open.ts'
import { LogVerifier } from './verify.ts'

describe('the cache', () => {
  const made = (name: string, released: string[]): CachedIndex => ({
    releaseIndex: () => {
      released.push(name)
    },
  })

  test('lets the longest unused go, and never the one that is used', () => {
    const released: string[] = []
    const [a, b, c] = ['a', 'b', 'c'].map((name) => made(name, released)) as [
      CachedIndex,
      CachedIndex,
      CachedIndex,
    ]
    const cache = new IndexCache(100)
    cache.use(a, 40)
    cache.use(b, 40)
    cache.use(a, 41)
    cache.use(c, 40)
    expect(released).toEqual(['b'])
    expect(cache.bytes).toBe(81)
    cache.use(c, 500)
    expect(released).toEqual(['b', 'a'])
    expect(cache.bytes).toBe(500)
    cache.forget(c)
    expect(cache.bytes).toBe(0)
  })
})

describe('a log with room for few indexes', () => {
  test('reads and writes the same, and its index files are right', () => {
    const sys = simSys(1)
    const options = { indexBytesMax: 600, journalBytesMax: 60_000, verifyReads: true }
    let log = openLog(sys, '/log', options)
    log.createTopic('t', { partitions: 2, segmentBytes: 12_000 }, () => {})
    const builder = new BatchBuilder(1024)
    for (let index = 0; index < 300; index += 1) {
      const topic = log.topic('t') as LogTopic
      builder.reset()
      builder.appendText(index * 10, null, 'x'.repeat(600))
      log.append([{ topic: topic.id, partition: index % 2, bytes: builder.build() }], () => {})
      if (index % 50 === 49) {
        log.close((error) => expect(error).toBeUndefined())
        log = openLog(sys, '/log', options)
      }
    }
    const topic = log.topic('t') as LogTopic
    for (let step = 0; step < 300; step += 1) {
      const offset = (step * 37) % 150
      const partition = topic.partitions[step % 2]
      expect(partition?.read(offset, 100)?.from).toBe(offset)
      expect(partition?.offsetForTime((offset * 2 + (step % 2)) * 10)).toBe(offset)
    }
    log.close((error) => expect(error).toBeUndefined())
    log = openLog(sys, '/log', options)
    const verifier = new LogVerifier(log)
    while (verifier.step());
    expect(verifier.report()).toMatchObject({ findings: [], records: 300 })
    const folder = `/log/topics/${topic.id}-0`
    const names = sys.disk.list(folder)
    expect(names.filter((name) => name.endsWith('.index'))).toHaveLength(names.length / 3)
  })

  test('a sealed segment whose index files are whole is not written again', () => {
    const sys = simSys(1)
    let log = openLog(sys, '/log')
    log.createTopic('t', { partitions: 1, segmentBytes: 12_000 }, () => {})
    const builder = new BatchBuilder(1024)
    for (let index = 0; index < 60; index += 1) {
      builder.reset()
      // The greatest timestamp comes behind the last entry of the offset index.
      builder.appendText(index, null, 'x'.repeat(600))
      const { id } = log.topic('t') as LogTopic
      log.append([{ topic: id, partition: 0, bytes: builder.build() }], () => {})
    }
    log.close((error) => expect(error).toBeUndefined())
    log = openLog(sys, '/log')
    for (let offset = 0; offset < 60; offset += 1) log.topic('t')?.partitions[0]?.read(offset, 10)
    const before = sys.disk.operations
    log.close((error) => expect(error).toBeUndefined())
    // The journal is written anew; no index is.
    expect(sys.disk.operations - before).toBeLessThan(9)
  })
})
