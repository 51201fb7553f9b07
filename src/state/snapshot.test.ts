import { beforeEach, describe, expect, test } from 'vitest'
import { MemoryDisk } from '../sys/memory/memory-disk.ts'
import { MemoryStore } from './memory-store.ts'
import { StoreRestore } from './restore.ts'
import { SnapshotWriter } from './snapshot.ts'
import { snapshotPaths } from './snapshot-files.ts'
import { jsonStoreCodec } from './store-codec.ts'

const FOLDER = '/state/s'
const POSITION = { offset: 10, leaderEpoch: 0 }
let disk: MemoryDisk
let warnings: string[]

beforeEach(() => {
  disk = new MemoryDisk()
  warnings = []
})

function filled(count: number, text = 'key'): MemoryStore<number> {
  const store = new MemoryStore<number>('s', jsonStoreCodec<number>())
  for (let index = 0; index < count; index += 1) store.put(index % 3, `${text}-${index}`, index)
  store.takeChanges()
  return store
}

function snapshot(store: MemoryStore<number>, begin = POSITION, end = begin): number | undefined {
  const writer = new SnapshotWriter(store, { disk, folder: FOLDER, identity: 'id', begin })
  while (writer.slice(1_000));
  let released: number | undefined
  writer.finish(end, (error, release) => {
    expect(error).toBeUndefined()
    released = release
  })
  return released
}

function restore(start = 0, end = 100, identity = 'id'): { store: MemoryStore<number>; replayFrom: number } {
  const store = new MemoryStore<number>('s', jsonStoreCodec<number>())
  const work = new StoreRestore(store, {
    disk,
    lines: { write: (_level, message) => warnings.push(message) },
    folder: FOLDER,
    identity,
    changelog: { name: 's-changelog-0', start, end },
  })
  while (work.step(500));
  return { store, replayFrom: work.replayFrom }
}

function rows(store: MemoryStore<number>): unknown[] {
  return store
    .namespaces()
    .flatMap((namespace) => [...store.scan(namespace)].map((row) => [namespace, ...row]))
}

function damage(path: string, position: number): void {
  const file = disk.open(path, 'write')
  const byte = new Uint8Array(1)
  file.read(byte, position)
  file.write(Uint8Array.of((byte[0] as number) ^ 0x40), position)
  file.close()
}

describe('a snapshot', () => {
  test.each(['key', 'schlüssel', '\ud800'])('gives the same store back (keys %j)', (text) => {
    const store = filled(5_000, text)
    store.put(7, 12, 1)
    store.takeChanges()
    snapshot(store)
    const restored = restore(10)
    expect(restored.replayFrom).toBe(10)
    expect(rows(restored.store)).toEqual(rows(store))
    expect(restored.store.changes).toBe(0)
  })

  test('of a restored store copies the values that nobody asked for', () => {
    const store = filled(100)
    snapshot(store)
    const first = restore().store
    first.get(0, 'key-0')
    snapshot(first, { offset: 20, leaderEpoch: 0 })
    expect(rows(restore(20).store)).toEqual(rows(store))
  })

  test('leaves out what is dirty, and is not finished before that is committed', () => {
    const store = filled(3)
    store.put(0, 'key-0', 99)
    const writer = new SnapshotWriter(store, { disk, folder: FOLDER, identity: 'id', begin: POSITION })
    while (writer.slice(1_000));
    expect(() => writer.finish(POSITION, () => {})).toThrow(/left out/)
    store.takeChanges()
    writer.finish({ offset: 11, leaderEpoch: 0 }, (error) => expect(error).toBeUndefined())
    expect(rows(restore().store)).toEqual([
      [1, 'key-1', 1],
      [2, 'key-2', 2],
    ])
  })

  test('may end without a commit if what was dirty is gone with its namespace', () => {
    const store = filled(3)
    store.put(9, 'new', 1)
    const writer = new SnapshotWriter(store, { disk, folder: FOLDER, identity: 'id', begin: POSITION })
    while (writer.slice(1_000));
    store.drop(9)
    writer.finish(POSITION, (error) => expect(error).toBeUndefined())
    expect(rows(restore().store)).toEqual(rows(store))
  })

  test('two are kept, and the changelog is released up to the begin of the older one', () => {
    const store = filled(10)
    expect(snapshot(store, { offset: 10, leaderEpoch: 0 })).toBeUndefined()
    expect(snapshot(store, { offset: 20, leaderEpoch: 0 })).toBe(10)
    expect(snapshot(store, { offset: 30, leaderEpoch: 0 })).toBe(20)
    expect(snapshotPaths(disk, FOLDER)).toHaveLength(2)
  })

  test('given up leaves nothing', () => {
    const writer = new SnapshotWriter(filled(10), { disk, folder: FOLDER, identity: 'id', begin: POSITION })
    writer.slice(10)
    writer.abandon()
    writer.abandon()
    expect(disk.list(FOLDER)).toEqual([])
  })
})

describe('a snapshot that cannot be used', () => {
  test('damaged at any place: the older one is taken, with a warning', () => {
    const store = filled(40)
    snapshot(store, { offset: 10, leaderEpoch: 0 })
    snapshot(store, { offset: 20, leaderEpoch: 0 })
    const [newest] = snapshotPaths(disk, FOLDER) as [string]
    const size = disk.size(newest) as number
    const whole = new Uint8Array(size)
    disk.open(newest, 'read').read(whole, 0)
    for (let position = 0; position < size; position += 1) {
      warnings = []
      damage(newest, position)
      const restored = restore(10)
      expect(restored.replayFrom, `${position}`).toBe(10)
      expect(rows(restored.store)).toEqual(rows(store))
      expect(warnings.join()).toContain(newest)
      disk.remove(newest)
      disk.open(newest, 'create').write(whole, 0)
    }
  })

  test('cut anywhere: the same', () => {
    const store = filled(40)
    snapshot(store, { offset: 10, leaderEpoch: 0 })
    snapshot(store, { offset: 20, leaderEpoch: 0 })
    const [newest] = snapshotPaths(disk, FOLDER) as [string]
    const whole = new Uint8Array(disk.size(newest) as number)
    disk.open(newest, 'read').read(whole, 0)
    for (let size = 0; size < whole.length; size += 7) {
      disk.remove(newest)
      disk.open(newest, 'create').write(whole.subarray(0, size), 0)
      expect(restore(10).replayFrom, `${size}`).toBe(10)
    }
  })

  test('ahead of the changelog, behind its begin, or of another store', () => {
    const store = filled(5)
    snapshot(store, { offset: 30, leaderEpoch: 0 }, { offset: 40, leaderEpoch: 0 })
    expect(restore(0, 100, 'other').replayFrom).toBe(0)
    expect(warnings.join()).toContain('it is of id, expected other')
    expect(() => restore(31, 100)).toThrow(/s-changelog-0 begins at offset 31, expected 0/)
    expect(restore(0, 39)).toMatchObject({ replayFrom: 0 })
    expect(warnings.join()).toContain('it ends at offset 40, but s-changelog-0 ends at 39')
    expect(restore(0, 100).store.size).toBe(0)
  })

  test('none, and the changelog was cut: an error that says what to do', () => {
    expect(() => restore(5)).toThrow(/has no usable snapshot before it; restore the folder from a backup/)
    expect(restore(0).replayFrom).toBe(0)
  })
})
