/**
 * A disk wholly in memory, for `memory:` places and the test driver.
 *
 * State: per file what programs see (`pages`) and what a power cut would leave (`synced`, and the writes since), and
 * folder entries in the same two views. `crash()` gives the disk after a power cut. What may survive of an unsynced
 * write is asked of a `Survival`: by default nothing does; the simulator passes one that draws lots.
 *
 * Invariants: a synced byte and a synced folder entry always survive; a file's identity outlives renames, so syncing
 * a file under one name is not undone by a rename that is lost. The two views are kept only if `durable` is set: the
 * copies would double the memory of a program that never crashes.
 */
import { assert } from '../../base/assert.ts'
import { MillraceError } from '../../base/errors.ts'
import type { Disk, DiskFile, DiskLock } from '../disk.ts'
import { MemoryFile, type SyncInProgress } from './memory-file.ts'
import type { Survival } from './survival.ts'
import { NOTHING_SURVIVES } from './survival.ts'

export class MemoryDisk implements Disk {
  readonly #tracked: boolean
  /** Every path that is there now. */
  #live = new Map<string, MemoryFile>()
  /** Every path that a power cut leaves, and what it names. */
  #durable = new Map<string, MemoryFile>()
  #folders = new Set<string>(['/'])
  #locks = new Set<string>()

  /** @param options.durable keep what a power cut would leave, so that `crash` can be called. */
  constructor(options: { readonly durable?: boolean } = {}) {
    this.#tracked = options.durable ?? false
  }

  open(path: string, mode: 'read' | 'write' | 'create'): MemoryDiskFile {
    const at = normal(path)
    let file = this.#live.get(at)
    if (mode === 'create') {
      if (file !== undefined || this.#folders.has(at))
        throw failure('create', path, 'it exists already', 'EEXIST')
      this.#needFolder(at, 'create')
      file = new MemoryFile(this.#tracked)
      this.#live.set(at, file)
    }
    if (file === undefined) throw missing('open', path)
    return new MemoryDiskFile(path, file, mode !== 'read')
  }

  exists(path: string): boolean {
    const at = normal(path)
    return this.#live.has(at) || this.#folders.has(at)
  }

  size(path: string): number | undefined {
    return this.#live.get(normal(path))?.pages.size
  }

  list(folder: string): readonly string[] {
    const prefix = normal(folder) === '/' ? '/' : `${normal(folder)}/`
    const names: string[] = []
    for (const paths of [this.#live.keys(), this.#folders]) {
      for (const path of paths) {
        if (!path.startsWith(prefix) || path.length === prefix.length) continue
        if (path.indexOf('/', prefix.length) === -1) names.push(path.slice(prefix.length))
      }
    }
    return names.sort()
  }

  /** Folders are durable at once: a log that lost one would have lost its files with it, which `syncFolder` covers. */
  makeFolder(path: string): void {
    let at = normal(path)
    while (!this.#folders.has(at)) {
      if (this.#live.has(at)) throw failure('make the folder', path, `${at} is a file`, 'EEXIST')
      this.#folders.add(at)
      at = parentOf(at)
    }
  }

  rename(from: string, to: string): void {
    const source = normal(from)
    const target = normal(to)
    if (this.#folders.has(source)) {
      this.#renameFolder(source, target)
      return
    }
    const file = this.#live.get(source)
    if (file === undefined) throw missing('rename', from)
    this.#needFolder(target, 'rename')
    this.#live.delete(source)
    this.#live.set(target, file)
  }

  remove(path: string): void {
    const at = normal(path)
    if (this.#folders.has(at) && this.list(at).length > 0)
      throw failure('remove', path, 'it is not empty', 'ENOTEMPTY')
    this.#folders.delete(at)
    this.#live.delete(at)
  }

  syncFolder(path: string): void {
    const folder = normal(path)
    if (!this.#folders.has(folder)) throw missing('sync the folder', path)
    if (!this.#tracked) return
    for (const at of this.#changedEntries()) {
      if (parentOf(at) === folder) this.#settle(at)
    }
  }

  lock(folder: string): DiskLock | undefined {
    const at = normal(folder)
    if (this.#locks.has(at)) return undefined
    const locks = this.#locks
    locks.add(at)
    let held = true
    return {
      release() {
        if (held) locks.delete(at)
        held = false
      },
    }
  }

  /**
   * The disk after a power cut and a restart: open files and locks are gone, unsynced state as `survival` decides.
   * This disk must not be used any more.
   */
  crash(survival: Survival = NOTHING_SURVIVES): MemoryDisk {
    assert(this.#tracked, 'a disk that is to crash was made with { durable: true }')
    for (const at of this.#changedEntries()) {
      if (survival.entrySurvives(at)) this.#settle(at)
    }
    const after = new MemoryDisk({ durable: true })
    after.#folders = new Set(this.#folders)
    const copies = new Map<MemoryFile, MemoryFile>()
    for (const [at, file] of this.#durable) {
      const copy = copies.get(file) ?? file.afterCrash(survival)
      copies.set(file, copy)
      after.makeFolder(parentOf(at))
      after.#live.set(at, copy)
      after.#durable.set(at, copy)
    }
    return after
  }

  #changedEntries(): string[] {
    const changed: string[] = []
    for (const [at, file] of this.#live) if (this.#durable.get(at) !== file) changed.push(at)
    for (const at of this.#durable.keys()) if (!this.#live.has(at)) changed.push(at)
    return changed.sort()
  }

  /**
   * Makes the entry durable as it is now. A rename is one step on the platter too: both its names become durable
   * together, so a file is never found under none of them, nor under both.
   */
  #settle(at: string): void {
    const before = this.#durable.get(at)
    const now = this.#live.get(at)
    if (before === now) return
    if (now === undefined) this.#durable.delete(at)
    else this.#durable.set(at, now)
    const movedTo = before && nameOf(this.#live, before)
    if (movedTo !== undefined) this.#settle(movedTo)
    if (now === undefined) return
    for (const [name, file] of [...this.#durable]) {
      if (file === now && name !== at) this.#settle(name)
    }
  }

  #needFolder(at: string, operation: string): void {
    if (!this.#folders.has(parentOf(at))) throw missing(operation, at, 'its folder is not there')
  }

  /** A folder moves whole, in both views: a journalling file system renames its one entry. */
  #renameFolder(source: string, target: string): void {
    this.#needFolder(target, 'rename')
    if (this.#live.has(target) || this.list(target).length > 0) {
      throw failure('rename', source, `${target} is not empty`, 'ENOTEMPTY')
    }
    const moved = (at: string) =>
      at === source || at.startsWith(`${source}/`) ? target + at.slice(source.length) : at
    this.#live = new Map([...this.#live].map(([at, file]) => [moved(at), file]))
    this.#durable = new Map([...this.#durable].map(([at, file]) => [moved(at), file]))
    this.#folders = new Set([...this.#folders].map(moved))
  }
}

export class MemoryDiskFile implements DiskFile {
  readonly path: string
  readonly #file: MemoryFile
  readonly #writable: boolean
  #open = true

  constructor(path: string, file: MemoryFile, writable: boolean) {
    this.path = path
    this.#file = file
    this.#writable = writable
  }

  size(): number {
    this.#check('look at')
    return this.#file.pages.size
  }

  read(target: Uint8Array, position: number): number {
    this.#check('read')
    return this.#file.pages.read(target, position)
  }

  write(bytes: Uint8Array, position: number): void {
    this.#checkWritable('write')
    this.#file.write(bytes, position)
  }

  writeAll(chunks: readonly Uint8Array[], position: number): void {
    this.#checkWritable('write')
    let at = position
    for (const chunk of chunks) {
      this.#file.write(chunk, at)
      at += chunk.length
    }
  }

  truncate(size: number): void {
    this.#checkWritable('truncate')
    this.#file.truncate(size)
  }

  sync(done: (error: Error | undefined) => void): void {
    this.syncNow()
    done(undefined)
  }

  syncNow(): void {
    this.#check('sync')
    this.#file.sync()
  }

  /** A sync in two steps, for the simulator: it covers what was written before `begin`, not before its end. */
  beginSync(): SyncInProgress {
    this.#check('sync')
    return this.#file.beginSync()
  }

  close(): void {
    this.#open = false
  }

  #check(operation: string): void {
    if (!this.#open) throw failure(operation, this.path, 'the file is closed', 'EBADF')
  }

  #checkWritable(operation: string): void {
    this.#check(operation)
    if (!this.#writable) throw failure(operation, this.path, 'it was opened for reading', 'EBADF')
  }
}

function nameOf(entries: ReadonlyMap<string, MemoryFile>, wanted: MemoryFile): string | undefined {
  for (const [name, file] of entries) if (file === wanted) return name
  return undefined
}

function normal(path: string): string {
  assert(path.startsWith('/'), () => `a path is absolute, got ${path}`)
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}

function missing(operation: string, path: string, why = 'there is no such file'): MillraceError {
  return new MillraceError('MILLRACE_FILE', `cannot ${operation} ${path}: ${why} (ENOENT)`, {
    cause: Object.assign(new Error(why), { code: 'ENOENT' }),
  })
}

function failure(operation: string, path: string, why: string, code: string): MillraceError {
  return new MillraceError('MILLRACE_DISK', `cannot ${operation} ${path}: ${why} (${code})`, {
    cause: Object.assign(new Error(why), { code }),
  })
}
