/**
 * A memory disk with faults, drawn from a seed.
 *
 * Every call that changes the disk is an operation and has a number, from 1. At the operation of `crashAt` the power
 * fails: a write may have begun (its first bytes reach the cache), nothing else has. `restart` then gives the disk as
 * the next process finds it: what was synced, and of the rest each 4 KiB piece of each write, each change of a length
 * and each folder entry kept, lost or torn by a lot of its own, hence in any order.
 */
import { assert } from '../base/assert.ts'
import { MillraceError } from '../base/errors.ts'
import type { Disk, DiskFile, DiskLock } from '../sys/disk.ts'
import { MemoryDisk, type MemoryDiskFile } from '../sys/memory/memory-disk.ts'
import type { Survival } from '../sys/memory/survival.ts'
import type { Timers } from '../sys/sys.ts'
import { PowerLoss } from './power-loss.ts'
import { SeededRandom } from './seeded-random.ts'

export class SimDisk implements Disk {
  readonly #disk: MemoryDisk
  readonly #random: SeededRandom
  readonly #timers: Timers | undefined
  #operations = 0
  #syncs = 0
  #crashAt = Number.POSITIVE_INFINITY
  #bytesLeft = Number.POSITIVE_INFINITY
  #failingSync = 0
  #syncDelayMs = 0
  #off = false

  constructor(seed: number, options: { readonly timers?: Timers; readonly disk?: MemoryDisk } = {}) {
    this.#disk = options.disk ?? new MemoryDisk({ durable: true })
    this.#random = new SeededRandom(seed)
    this.#timers = options.timers
  }

  /** How many operations there were. */
  get operations(): number {
    return this.#operations
  }

  /** The power fails at this operation, counted from 1 over the life of this disk. */
  crashAt(operation: number): void {
    this.#crashAt = operation
  }

  /** Writes that grow files beyond this many more bytes fail with ENOSPC. */
  diskFull(afterBytes: number): void {
    this.#bytesLeft = afterBytes
  }

  /** The nth sync of a file from now fails, once. */
  failSync(nth: number): void {
    this.#failingSync = this.#syncs + nth
  }

  /** Every `sync` takes so long, by the virtual timers. */
  delaySync(ms: number): void {
    assert(this.#timers !== undefined, 'a delay needs timers')
    this.#syncDelayMs = ms
  }

  /** Damages what lies on the disk, past all caches: `position` counts bytes, `bit` is 0 to 7. */
  flipBit(path: string, position: number, bit = this.#random.below(8)): void {
    const file = this.#disk.open(path, 'write')
    const byte = new Uint8Array(1)
    assert(file.read(byte, position) === 1, () => `${path} ends before ${position}`)
    byte[0] = (byte[0] as number) ^ (1 << bit)
    file.write(byte, position)
    file.syncNow()
  }

  /** Cuts the power now, if it is not cut yet, and gives the disk that the next start finds. */
  restart(seed: number, timers = this.#timers): SimDisk {
    this.#off = true
    const disk = this.#disk.crash(lots(new SeededRandom(seed)))
    return new SimDisk(seed, timers === undefined ? { disk } : { disk, timers })
  }

  open(path: string, mode: 'read' | 'write' | 'create'): DiskFile {
    if (mode === 'create') this.operation()
    else this.check()
    return new SimFile(this, this.#disk.open(path, mode))
  }

  exists(path: string): boolean {
    this.check()
    return this.#disk.exists(path)
  }

  size(path: string): number | undefined {
    this.check()
    return this.#disk.size(path)
  }

  list(folder: string): readonly string[] {
    this.check()
    return this.#disk.list(folder)
  }

  makeFolder(path: string): void {
    this.operation()
    this.#disk.makeFolder(path)
  }

  rename(from: string, to: string): void {
    this.operation()
    this.#disk.rename(from, to)
  }

  remove(path: string): void {
    this.operation()
    this.#disk.remove(path)
  }

  syncFolder(path: string): void {
    this.operation()
    this.#disk.syncFolder(path)
  }

  lock(folder: string): DiskLock | undefined {
    this.check()
    return this.#disk.lock(folder)
  }

  /** Counts an operation. `begun` applies what of it happens before the power fails. */
  operation(begun?: (random: SeededRandom) => void): void {
    this.check()
    this.#operations += 1
    if (this.#operations < this.#crashAt) return
    this.#off = true
    begun?.(this.#random)
    throw new PowerLoss(this.#operations)
  }

  check(): void {
    if (this.#off) throw new PowerLoss(this.#operations)
  }

  /** Takes room for a file that grows; throws when there is none. */
  grow(path: string, bytes: number): void {
    if (bytes > this.#bytesLeft) throw fault('write', path, 'the disk is full', 'ENOSPC')
    this.#bytesLeft -= Math.max(0, bytes)
  }

  /** Ends a sync at once or later; a power cut in between leaves it open. */
  finishSync(file: MemoryDiskFile, blocking: boolean, done: (error: Error | undefined) => void): void {
    this.operation()
    this.#syncs += 1
    const fails = this.#syncs === this.#failingSync
    const sync = file.beginSync()
    const end = () => {
      if (this.#off) return
      if (fails) sync.fail(lots(this.#random))
      else sync.succeed()
      done(fails ? fault('sync', file.path, 'input/output error', 'EIO') : undefined)
    }
    if (blocking || this.#syncDelayMs === 0) end()
    else this.#timers?.after(this.#syncDelayMs, end)
  }
}

class SimFile implements DiskFile {
  readonly path: string
  readonly #disk: SimDisk
  readonly #file: MemoryDiskFile

  constructor(disk: SimDisk, file: MemoryDiskFile) {
    this.path = file.path
    this.#disk = disk
    this.#file = file
  }

  size(): number {
    this.#disk.check()
    return this.#file.size()
  }

  read(target: Uint8Array, position: number): number {
    this.#disk.check()
    return this.#file.read(target, position)
  }

  write(bytes: Uint8Array, position: number): void {
    this.#disk.operation((random) => {
      this.#file.write(bytes.subarray(0, random.below(bytes.length + 1)), position)
    })
    this.#disk.grow(this.path, position + bytes.length - this.#file.size())
    this.#file.write(bytes, position)
  }

  /** One operation, as it is one system call. */
  writeAll(chunks: readonly Uint8Array[], position: number): void {
    const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
    let at = 0
    for (const chunk of chunks) {
      whole.set(chunk, at)
      at += chunk.length
    }
    this.write(whole, position)
  }

  truncate(size: number): void {
    this.#disk.operation()
    this.#disk.grow(this.path, size - this.#file.size())
    this.#file.truncate(size)
  }

  sync(done: (error: Error | undefined) => void): void {
    this.#disk.finishSync(this.#file, false, done)
  }

  syncNow(): void {
    this.#disk.finishSync(this.#file, true, (error) => {
      if (error !== undefined) throw error
    })
  }

  close(): void {
    this.#file.close()
  }
}

function lots(random: SeededRandom): Survival {
  return {
    entrySurvives: () => random.chance(0.5),
    lengthSurvives: () => random.chance(0.5),
    bytesSurviving(length) {
      const fate = random.below(5)
      if (fate < 2) return 0
      return fate < 4 ? length : random.below(length + 1)
    },
  }
}

function fault(operation: string, path: string, why: string, code: string): MillraceError {
  const cause = Object.assign(new Error(why), { code })
  return new MillraceError('MILLRACE_DISK', `cannot ${operation} ${path}: ${why} (${code})`, { cause })
}
