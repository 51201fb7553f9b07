import { describe, expect, test } from 'vitest'
import { PowerLoss } from './power-loss.ts'
import { SimDisk } from './sim-disk.ts'
import { VirtualTime } from './virtual-time.ts'

const PAGES = 8
const LENGTH = PAGES * 4096

function prepared(seed: number): SimDisk {
  const disk = new SimDisk(seed)
  disk.makeFolder('/d')
  const file = disk.open('/d/a', 'create')
  file.write(new Uint8Array(LENGTH).fill(1), 0)
  file.syncNow()
  disk.syncFolder('/d')
  return disk
}

function content(disk: SimDisk, path: string): Uint8Array {
  const bytes = new Uint8Array(disk.size(path) ?? 0)
  disk.open(path, 'read').read(bytes, 0)
  return bytes
}

function pageFates(bytes: Uint8Array): string {
  let fates = ''
  for (let page = 0; page < PAGES; page += 1) {
    const some = bytes.subarray(page * 4096, (page + 1) * 4096)
    const written = some.filter((byte) => byte === 2).length
    fates += written === 0 ? '-' : written === 4096 ? '+' : '~'
  }
  return fates
}

describe('a power cut', () => {
  test('never takes what was synced, in any seed', () => {
    for (let seed = 0; seed < 200; seed += 1) {
      const disk = prepared(seed)
      expect(content(disk.restart(seed + 1), '/d/a')).toEqual(new Uint8Array(LENGTH).fill(1))
    }
  })

  test('keeps, loses and tears unsynced pages, in any order', () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 200; seed += 1) {
      const disk = prepared(seed)
      disk.open('/d/a', 'write').write(new Uint8Array(LENGTH).fill(2), 0)
      for (const fate of [pageFates(content(disk.restart(seed), '/d/a'))]) seen.add(fate)
    }
    const all = [...seen]
    expect(all.some((fates) => fates.includes('~'))).toBe(true)
    expect(all.some((fates) => fates.startsWith('-') && fates.endsWith('+'))).toBe(true)
    expect(all.some((fates) => fates.startsWith('+') && fates.endsWith('-'))).toBe(true)
    expect(seen.size).toBeGreaterThan(150)
  })

  test('is the same for the same seed', () => {
    const run = () => {
      const disk = prepared(1)
      disk.open('/d/a', 'write').write(new Uint8Array(LENGTH).fill(2), 0)
      return pageFates(content(disk.restart(77), '/d/a'))
    }
    expect(run()).toBe(run())
  })

  test('may lose or keep an unsynced creation, rename and removal, never a synced one', () => {
    const left = new Set<string>()
    for (let seed = 0; seed < 100; seed += 1) {
      const disk = prepared(seed)
      disk.open('/d/new', 'create').syncNow()
      disk.rename('/d/a', '/d/b')
      left.add(disk.restart(seed).list('/d').join())
      const synced = prepared(seed)
      synced.rename('/d/a', '/d/b')
      synced.syncFolder('/d')
      expect(synced.restart(seed).list('/d')).toEqual(['b'])
    }
    expect(left).toContain('a')
    expect(left).toContain('b,new')
    expect(left).toContain('a,new')
  })

  test('leaves a renamed file under one of its names, and a replaced one old or new', () => {
    const left = new Set<string>()
    for (let seed = 0; seed < 100; seed += 1) {
      const disk = prepared(seed)
      const next = disk.open('/d/next', 'create')
      next.write(Uint8Array.of(5), 0)
      next.syncNow()
      disk.syncFolder('/d')
      disk.rename('/d/a', '/d/old')
      disk.rename('/d/next', '/d/a')
      const after = disk.restart(seed)
      left.add(
        after
          .list('/d')
          .map((name) => `${name}=${content(after, `/d/${name}`)[0]}`)
          .join(),
      )
    }
    expect(left).toEqual(new Set(['a=1,next=5', 'a=5,old=1']))
  })

  test('strikes at its operation, and nothing works after it', () => {
    const total = prepared(1).operations
    for (let at = 1; at <= total; at += 1) {
      const disk = new SimDisk(at)
      disk.crashAt(at)
      const run = () => {
        disk.makeFolder('/d')
        const file = disk.open('/d/a', 'create')
        file.write(new Uint8Array(10), 0)
        file.syncNow()
        disk.syncFolder('/d')
      }
      expect(run).toThrow(PowerLoss)
      expect(disk.operations).toBe(at)
      expect(() => disk.exists('/d')).toThrow(PowerLoss)
      expect(disk.restart(at).operations).toBe(0)
    }
  })

  test('frees the lock', () => {
    const disk = prepared(1)
    expect(disk.lock('/d')).toBeDefined()
    expect(disk.lock('/d')).toBeUndefined()
    expect(disk.restart(1).lock('/d')).toBeDefined()
  })
})

describe('other faults', () => {
  test('a sync that takes time covers what was written before it, not after', () => {
    const time = new VirtualTime()
    const disk = new SimDisk(1, { timers: time })
    const file = disk.open('/a', 'create')
    disk.syncFolder('/')
    disk.delaySync(5)
    const done: unknown[] = []
    file.write(Uint8Array.of(1), 0)
    file.sync((error) => done.push(error))
    file.write(Uint8Array.of(9), 0)
    time.advance(4)
    expect(done).toEqual([])
    time.advance(1)
    expect(done).toEqual([undefined])
    const values = new Set<number>()
    for (let seed = 0; seed < 50; seed += 1) values.add(content(disk.restart(seed), '/a')[0] ?? -1)
    expect(values).toEqual(new Set([1, 9]))
  })

  test('what a failed sync dropped, no later sync brings back', () => {
    const lost = new Set<string>()
    for (let seed = 0; seed < 50; seed += 1) {
      const disk = prepared(seed)
      const file = disk.open('/d/a', 'write')
      disk.failSync(1)
      file.write(new Uint8Array(LENGTH).fill(2), 0)
      expect(() => file.syncNow()).toThrow('cannot sync /d/a: input/output error (EIO)')
      file.syncNow()
      expect(pageFates(content(disk, '/d/a'))).toBe('++++++++')
      lost.add(pageFates(content(disk.restart(seed), '/d/a')))
    }
    expect([...lost].some((fates) => fates.includes('-'))).toBe(true)
  })

  test('a full disk refuses to grow, and still overwrites', () => {
    const disk = prepared(1)
    disk.diskFull(10)
    const file = disk.open('/d/a', 'write')
    file.write(new Uint8Array(10), LENGTH)
    expect(() => file.write(new Uint8Array(1), LENGTH + 10)).toThrow('the disk is full (ENOSPC)')
    file.write(new Uint8Array(10), 0)
    expect(file.size()).toBe(LENGTH + 10)
  })

  test('a flipped bit stays', () => {
    const disk = prepared(1)
    disk.flipBit('/d/a', 5, 7)
    expect(content(disk.restart(1), '/d/a')[5]).toBe(0x81)
  })
})
