import { expect, test } from 'vitest'
import { MemoryDisk } from '../sys/memory/memory-disk.ts'
import { OpenFiles } from './open-files.ts'

function prepared(): { disk: MemoryDisk; files: OpenFiles } {
  const disk = new MemoryDisk()
  disk.makeFolder('/d')
  const files = new OpenFiles(disk, 2)
  for (const name of ['a', 'b', 'c']) files.create(`/d/${name}`).write(Uint8Array.of(1), 0)
  return { disk, files }
}

test('keeps the files that were used last, and closes the others', () => {
  const { files } = prepared()
  const b = files.use('/d/b')
  const c = files.use('/d/c')
  files.use('/d/b')
  expect(files.use('/d/b')).toBe(b)
  const a = files.use('/d/a')
  expect(a.size()).toBe(1)
  expect(files.use('/d/b')).toBe(b)
  expect(() => c.size()).toThrow(/closed/)
  expect(files.use('/d/c').size()).toBe(1)
})

test('a file that is made anew replaces one of its name', () => {
  const { files } = prepared()
  const old = files.use('/d/c')
  expect(files.create('/d/c').size()).toBe(0)
  expect(() => old.size()).toThrow(/closed/)
})

test('forgets and closes', () => {
  const { files } = prepared()
  const c = files.use('/d/c')
  files.forget('/d/c')
  files.forget('/d/none')
  expect(() => c.size()).toThrow(/closed/)
  const b = files.use('/d/b')
  files.closeAll()
  expect(() => b.size()).toThrow(/closed/)
})
