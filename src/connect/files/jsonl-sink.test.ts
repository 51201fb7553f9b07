import { existsSync, truncateSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { MillraceError } from '../../base/errors.ts'
import type { SinkWriter } from '../../flow/graph/connector.ts'
import { carriedBy } from '../../streams/carried.ts'
import type { Disk, DiskFile } from '../../sys/disk.ts'
import { FilesTestWorld } from './files-test-world.ts'
import { jsonl } from './index.ts'

let world: FilesTestWorld

beforeEach(() => {
  world = new FilesTestWorld()
})

afterEach(() => world.remove())

function open(partition = 0, mark?: string, destination: unknown = jsonl('out.jsonl')): SinkWriter {
  const sink = carriedBy(destination).connector?.sink
  if (sink === undefined) throw new Error('this is no sink')
  return sink.open(world.context, partition, mark)
}

function prepared(writer: SinkWriter): Promise<string> {
  return new Promise((resolve, reject) => {
    writer.prepare((error, mark) => (mark === undefined ? reject(error) : resolve(mark)))
  })
}

function write(writer: SinkWriter, ...values: unknown[]): void {
  for (const value of values) writer.write(null, value, 0)
}

test('rows are lines; the mark is the length', async () => {
  const writer = open()
  write(writer, { a: 1 }, 'ü', null)
  expect(world.content('out.jsonl')).toBe('')
  expect(await prepared(writer)).toBe('18')
  expect(world.content('out.jsonl')).toBe('{"a":1}\n"ü"\nnull\n')
  expect(await prepared(writer)).toBe('18')
  writer.close()
})

test('what lies behind the committed mark is taken back, whole rows and torn ones', async () => {
  const first = open()
  write(first, 1)
  const mark = await prepared(first)
  write(first, 2, 3)
  await prepared(first)
  first.close()
  truncateSync(world.path('out.jsonl'), 5)
  const second = open(0, mark)
  write(second, 2)
  expect(await prepared(second)).toBe('4')
  expect(world.content('out.jsonl')).toBe('1\n2\n')
  second.close()
})

test('a crash at every step of a run leaves the rows of an undisturbed one', async () => {
  const commits = [[1, 2], [3], [], [4, 5, 6], [7]]
  const expected = commits
    .flat()
    .map((value) => `${value}\n`)
    .join('')
  for (let crashAt = 0; crashAt < commits.length * 2; crashAt++) {
    const name = `run-${crashAt}.jsonl`
    let mark: string | undefined
    let next = 0
    let step = 0
    let crashed = false
    let writer = open(0, mark, jsonl(name))
    while (next < commits.length) {
      write(writer, ...(commits[next] ?? []))
      const prepare = await prepared(writer)
      // Before the commit, or behind it: either way the engine is gone without closing its writer.
      const beforeCommit = step === crashAt
      if (!beforeCommit) {
        mark = prepare
        next++
      }
      const behindCommit = step + 1 === crashAt
      step += 2
      if (!crashed && (beforeCommit || behindCommit)) {
        crashed = true
        writer = open(0, mark, jsonl(name))
      }
    }
    writer.close()
    expect(world.content(name)).toBe(expected)
  }
})

test('partitions share the file; the greatest mark counts, whichever is opened first', async () => {
  const [a, b] = [open(0), open(1)]
  write(a, 'a1')
  write(b, 'b1')
  const markA = await prepared(a)
  const markB = await prepared(b)
  write(a, 'a2')
  await prepared(a)
  a.close()
  b.close()
  expect(world.content('out.jsonl')).toBe('"a1"\n"b1"\n"a2"\n')
  const [a2, b2] = [open(0, markA), open(1, markB)]
  write(b2, 'b2')
  await prepared(b2)
  write(a2, 'a2')
  await prepared(a2)
  expect(world.content('out.jsonl')).toBe('"a1"\n"b1"\n"b2"\n"a2"\n')
  a2.close()
  b2.close()
})

test('an engine that went without closing does not hold the file', async () => {
  const lost = [open(0), open(1)]
  write(lost[0] as SinkWriter, 'lost')
  await prepared(lost[0] as SinkWriter)
  const [a, b] = [open(0, '0'), open(1, '0')]
  write(b, 'b')
  await prepared(b)
  write(a, 'a')
  await prepared(a)
  expect(world.content('out.jsonl')).toBe('"b"\n"a"\n')
  a.close()
  b.close()
})

test('a file shorter than the mark is refused, a missing one too', () => {
  world.put('out.jsonl', '1\n')
  expect(() => open(0, '10')).toThrow(/has 2 bytes, but 10 were committed/)
  world.remove()
  world = new FilesTestWorld()
  expect(() => open(0, '10')).toThrow(expect.objectContaining({ code: 'MILLRACE_CORRUPT' }))
  expect(() => open(0, 'ten')).toThrow(/is no length/)
})

test('rows that nobody knows of are kept beside', async () => {
  world.put('out.jsonl', 'precious\n')
  const writer = open()
  write(writer, 1)
  await prepared(writer)
  writer.close()
  expect(world.content('out.jsonl')).toBe('1\n')
  expect(world.content('out.jsonl.old-1')).toBe('precious\n')
  expect(world.warnings.join()).toContain('out.jsonl.old-1')
})

test('rows that were not prepared are in no file', () => {
  const writer = open()
  write(writer, 1)
  writer.close()
  expect(world.content('out.jsonl')).toBe('')
  expect(existsSync(world.path('out.jsonl.old-1'))).toBe(false)
})

test('a value that the schema refuses, or that is no JSON, is refused when it is written', () => {
  const writer = open(0, undefined, jsonl('typed.jsonl', z.object({ n: z.number() })))
  expect(() => write(writer, { n: 'x' })).toThrow(/n: /)
  expect(() => write(writer, { n: 1n })).toThrow()
  writer.close()
  expect(() => open(0, undefined, jsonl('out.jsonl.gz'))).toThrow(/cannot be written/)
})

test('after a failed sync every prepare fails', async () => {
  const writer = open(0, undefined, jsonl('fail.jsonl'))
  writer.close()
  const { sys } = world.context
  const failing = failingSync(sys.disk)
  const sink = carriedBy(jsonl('fail.jsonl')).connector?.sink
  const broken = sink?.open({ ...world.context, sys: { ...sys, disk: failing } }, 0, '0') as SinkWriter
  write(broken, 1)
  await expect(prepared(broken)).rejects.toThrow('no space')
  write(broken, 2)
  await expect(prepared(broken)).rejects.toThrow('no space')
  broken.close()
})

/** A disk whose syncs fail. */
function failingSync(disk: Disk): Disk {
  const failure = new MillraceError('MILLRACE_DISK', 'no space')
  const wrap = (file: DiskFile): DiskFile =>
    new Proxy(file, {
      get: (target, name) => {
        if (name === 'sync') return (done: (error: Error) => void) => done(failure)
        const member: unknown = Reflect.get(target, name, target)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
  return new Proxy(disk, {
    get: (target, name) => {
      if (name === 'open') return (path: string, mode: 'read') => wrap(target.open(path, mode))
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
