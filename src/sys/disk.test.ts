import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Disk } from './disk.ts'
import { MemoryDisk } from './memory/memory-disk.ts'
import { NodeDisk } from './node/node-disk.ts'

/** The port's rules, which every disk keeps. */
describe.each([
  ['node', () => new NodeDisk()],
  ['memory', () => new MemoryDisk()],
  ['memory that may crash', () => new MemoryDisk({ durable: true })],
] as const)('%s disk', (_name, make) => {
  let disk: Disk
  let folder = ''

  beforeEach(() => {
    folder = mkdtempSync(`${tmpdir()}/millrace-disk-`)
    disk = make()
    disk.makeFolder(folder)
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  function read(path: string, position = 0, length = 1 << 20): number[] {
    const file = disk.open(path, 'read')
    const target = new Uint8Array(length).fill(7)
    const count = file.read(target, position)
    file.close()
    return [...target.subarray(0, count)]
  }

  test('a created file is there once, with what was written', () => {
    const path = `${folder}/a`
    const file = disk.open(path, 'create')
    expect(() => disk.open(path, 'create')).toThrow('EEXIST')
    file.write(Uint8Array.of(1, 2, 3), 0)
    file.write(Uint8Array.of(9), 5)
    expect(file.size()).toBe(6)
    expect(disk.size(path)).toBe(6)
    expect(read(path)).toEqual([1, 2, 3, 0, 0, 9])
    expect(read(path, 4, 1)).toEqual([0])
    expect(read(path, 99)).toEqual([])
    file.close()
    file.close()
    expect(() => file.size()).toThrow('closed')
  })

  test('writes many chunks, more than one system call takes, and keeps no hold of them', () => {
    const file = disk.open(`${folder}/a`, 'create')
    const chunks = Array.from({ length: 2500 }, (_, index) => Uint8Array.of(index & 255, index >> 8))
    file.writeAll(chunks, 1)
    for (const chunk of chunks) chunk.fill(0)
    expect(file.size()).toBe(5001)
    expect(read(`${folder}/a`, 2047, 4)).toEqual([255, 3, 0, 4])
    expect(read(`${folder}/a`, 4999, 9)).toEqual([2499 & 255, 2499 >> 8])
    file.writeAll([], 0)
    file.close()
  })

  test('writes chunks of all sizes in order, smaller and larger than what one system call takes', () => {
    const file = disk.open(`${folder}/a`, 'create')
    const sizes = [1, 131_072, 0, 131_073, 70_000, 61_072, 1, 400_000, 5]
    const chunks = sizes.map((size, index) =>
      Uint8Array.from({ length: size }, (_, at) => (at * 7 + index) & 255),
    )
    file.writeAll(chunks, 3)
    const whole = Buffer.concat(chunks)
    const back = new Uint8Array(whole.length + 1)
    expect(file.read(back, 3)).toBe(whole.length)
    expect(Buffer.compare(back.subarray(0, whole.length), whole)).toBe(0)
    expect(file.size()).toBe(whole.length + 3)
    file.close()
  })

  test('keeps big writes over page borders; a cut file grows again with zeros', () => {
    const file = disk.open(`${folder}/a`, 'create')
    const bytes = Uint8Array.from({ length: 200_000 }, (_, index) => index % 251)
    file.write(bytes, 65_000)
    const back = new Uint8Array(200_000)
    expect(file.read(back, 65_000)).toBe(200_000)
    expect(Buffer.compare(back, bytes)).toBe(0)
    file.truncate(65_002)
    file.truncate(65_005)
    expect(read(`${folder}/a`, 64_999)).toEqual([0, 0, 1, 0, 0, 0])
    file.close()
  })

  test('renames over a file, removes, lists in order', () => {
    for (const name of ['b', 'a', 'c']) disk.open(`${folder}/${name}`, 'create').close()
    disk.makeFolder(`${folder}/sub/deep`)
    expect(disk.list(folder)).toEqual(['a', 'b', 'c', 'sub'])
    disk.rename(`${folder}/a`, `${folder}/b`)
    disk.remove(`${folder}/c`)
    disk.remove(`${folder}/c`)
    expect(disk.list(folder)).toEqual(['b', 'sub'])
    expect(() => disk.remove(`${folder}/sub`)).toThrow('ENOTEMPTY')
    disk.open(`${folder}/sub/deep/x`, 'create').close()
    disk.rename(`${folder}/sub`, `${folder}/moved`)
    expect(disk.exists(`${folder}/moved/deep/x`)).toBe(true)
    expect(disk.exists(`${folder}/sub`)).toBe(false)
    expect(disk.list(`${folder}/none`)).toEqual([])
    expect(disk.size(`${folder}/none`)).toBeUndefined()
    disk.syncFolder(folder)
  })

  test('a missing file is MILLRACE_FILE with the path and the system code', () => {
    const missing = expect.objectContaining({
      code: 'MILLRACE_FILE',
      message: expect.stringMatching(/^cannot open .*none: .*ENOENT/),
      cause: expect.objectContaining({ code: 'ENOENT' }),
    })
    expect(() => disk.open(`${folder}/none`, 'read')).toThrow(missing)
    expect(() => disk.open(`${folder}/none`, 'write')).toThrow(missing)
    expect(() => disk.open(`${folder}/no/none`, 'create')).toThrow('ENOENT')
  })

  test('a file for reading refuses a write', () => {
    disk.open(`${folder}/a`, 'create').close()
    const file = disk.open(`${folder}/a`, 'read')
    expect(() => file.write(Uint8Array.of(1), 0)).toThrow(expect.objectContaining({ code: 'MILLRACE_DISK' }))
    file.close()
  })

  test('sync answers, also when the file is closed meanwhile', async () => {
    const file = disk.open(`${folder}/a`, 'create')
    file.write(Uint8Array.of(1), 0)
    file.syncNow()
    const answered = new Promise((resolve) => file.sync(resolve))
    file.close()
    expect(await answered).toBeUndefined()
  })
})
