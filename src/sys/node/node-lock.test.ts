import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NodeDisk } from './node-disk.ts'

const HOLDER = new URL('./node-lock.ts', import.meta.url).href
let folder = ''
let child: ChildProcess | undefined

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/millrace-lock-`)
})

afterEach(() => {
  child?.kill('SIGKILL')
  rmSync(folder, { recursive: true })
})

test('only one holds the lock, until it is released', () => {
  const disk = new NodeDisk()
  const first = disk.lock(folder)
  expect(first).toBeDefined()
  expect(disk.lock(folder)).toBeUndefined()
  first?.release()
  first?.release()
  const second = disk.lock(folder)
  expect(second).toBeDefined()
  second?.release()
})

test('a process that is killed lets go of it', async () => {
  const program = `
    import { lockFolder } from ${JSON.stringify(HOLDER)}
    if (lockFolder(${JSON.stringify(folder)}) === undefined) process.exit(3)
    process.stdout.write('held')
    setInterval(() => {}, 1000)`
  child = spawn(process.execPath, ['--input-type=module', '-e', program])
  let errors = ''
  child.stderr?.on('data', (bytes) => {
    errors += bytes
  })
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  const disk = new NodeDisk()
  expect(disk.lock(folder)).toBeUndefined()
  child.kill('SIGKILL')
  await once(child, 'exit')
  const lock = disk.lock(folder)
  expect(lock).toBeDefined()
  lock?.release()
  expect(errors).toBe('')
})

test('a folder that is not there is an error, not a lock', () => {
  expect(() => new NodeDisk().lock(`${folder}/none`)).toThrow(/cannot lock .*none/)
})
