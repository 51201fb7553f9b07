/**
 * The real disk. Reads and writes are synchronous calls, served by the page cache; `sync` is an fdatasync on a thread
 * of Node's pool, so that the event loop goes on while the disk works.
 */
import fs from 'node:fs'
import { assert } from '../../base/assert.ts'
import { MillraceError, messageOf } from '../../base/errors.ts'
import type { Disk, DiskFile, DiskLock } from '../disk.ts'
import { lockFolder } from './node-lock.ts'

/** The most buffers that one writev may take on Linux (IOV_MAX). */
const BUFFERS_MAX = 1024
/**
 * The most bytes that one system call writes. The page cache takes pages as large as the call, and large ones are dear
 * to find and to clear: with Linux 6.18 and ext4 a call with 256 KiB or more takes 1.3 to 3 us per KiB, one with
 * 128 KiB a third of a microsecond (1.4 MB: 0.5 ms in pieces, 2.6 ms at once).
 */
const WRITE_BYTES_MAX = 128 * 1024

export class NodeDisk implements Disk {
  open(path: string, mode: 'read' | 'write' | 'create'): DiskFile {
    const flags = mode === 'read' ? 'r' : mode === 'write' ? 'r+' : 'wx+'
    return new NodeFile(
      path,
      attempt('open', path, () => fs.openSync(path, flags)),
    )
  }

  exists(path: string): boolean {
    return attempt('look for', path, () => fs.statSync(path, { throwIfNoEntry: false })) !== undefined
  }

  size(path: string): number | undefined {
    const stat = attempt('look at', path, () => fs.statSync(path, { throwIfNoEntry: false }))
    return stat?.isFile() ? stat.size : undefined
  }

  list(folder: string): readonly string[] {
    return attempt('list', folder, () => (fs.existsSync(folder) ? fs.readdirSync(folder).sort() : []))
  }

  makeFolder(path: string): void {
    attempt('make the folder', path, () => fs.mkdirSync(path, { recursive: true }))
  }

  rename(from: string, to: string): void {
    attempt('rename', `${from} to ${to}`, () => fs.renameSync(from, to))
  }

  remove(path: string): void {
    attempt('remove', path, () => {
      const stat = fs.lstatSync(path, { throwIfNoEntry: false })
      if (stat === undefined) return
      if (stat.isDirectory()) fs.rmdirSync(path)
      else fs.unlinkSync(path)
    })
  }

  syncFolder(path: string): void {
    attempt('sync the folder', path, () => {
      const descriptor = fs.openSync(path, 'r')
      try {
        fs.fsyncSync(descriptor)
      } finally {
        fs.closeSync(descriptor)
      }
    })
  }

  lock(folder: string): DiskLock | undefined {
    return attempt('lock', folder, () => lockFolder(folder))
  }
}

class NodeFile implements DiskFile {
  readonly path: string
  readonly #descriptor: number
  #open = true
  /** Syncs under way: the descriptor stays open until the last of them, or another file could get its number. */
  #syncing = 0

  constructor(path: string, descriptor: number) {
    this.path = path
    this.#descriptor = descriptor
  }

  size(): number {
    return attempt('look at', this.path, () => fs.fstatSync(this.#opened()).size)
  }

  read(target: Uint8Array, position: number): number {
    try {
      const descriptor = this.#opened()
      let done = 0
      while (done < target.length) {
        const count = fs.readSync(descriptor, target, done, target.length - done, position + done)
        if (count === 0) break
        done += count
      }
      return done
    } catch (error) {
      throw diskError('read', `${this.path}:${position}`, error)
    }
  }

  write(bytes: Uint8Array, position: number): void {
    try {
      const descriptor = this.#opened()
      let done = 0
      while (done < bytes.length) {
        const count = Math.min(bytes.length - done, WRITE_BYTES_MAX)
        done += fs.writeSync(descriptor, bytes, done, count, position + done)
      }
    } catch (error) {
      throw diskError('write', `${this.path}:${position}`, error)
    }
  }

  writeAll(chunks: readonly Uint8Array[], position: number): void {
    let at = position
    for (let first = 0; first < chunks.length; ) {
      const behind = endOfCall(chunks, first)
      const some = behind - first === chunks.length ? chunks : chunks.slice(first, behind)
      at += this.#writeSome(some, at)
      first = behind
    }
  }

  truncate(size: number): void {
    attempt('truncate', this.path, () => fs.ftruncateSync(this.#opened(), size))
  }

  sync(done: (error: Error | undefined) => void): void {
    const descriptor = this.#opened()
    this.#syncing += 1
    fs.fdatasync(descriptor, (error) => {
      this.#syncing -= 1
      if (!this.#open && this.#syncing === 0) fs.closeSync(descriptor)
      done(error === null ? undefined : diskError('sync', this.path, error))
    })
  }

  syncNow(): void {
    attempt('sync', this.path, () => fs.fdatasyncSync(this.#opened()))
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    if (this.#syncing === 0) attempt('close', this.path, () => fs.closeSync(this.#descriptor))
  }

  /** One system call nearly always; a short write is finished chunk by chunk. Returns how many bytes there were. */
  #writeSome(chunks: readonly Uint8Array[], position: number): number {
    if (chunks.length === 1) {
      const only = chunks[0] as Uint8Array
      this.write(only, position)
      return only.length
    }
    let total = 0
    for (const chunk of chunks) total += chunk.length
    const written = attempt('write', `${this.path}:${position}`, () =>
      fs.writevSync(this.#opened(), chunks as Uint8Array[], position),
    )
    let begin = 0
    for (const chunk of written === total ? [] : chunks) {
      const end = begin + chunk.length
      const from = Math.max(begin, written)
      if (from < end) this.write(chunk.subarray(from - begin), position + from)
      begin = end
    }
    return total
  }

  #opened(): number {
    assert(this.#open, () => `${this.path} is closed`)
    return this.#descriptor
  }
}

/** Behind the last of the chunks from `first` on that go into one system call. */
function endOfCall(chunks: readonly Uint8Array[], first: number): number {
  let behind = first
  let bytes = 0
  while (behind < chunks.length && behind - first < BUFFERS_MAX) {
    bytes += (chunks[behind] as Uint8Array).length
    if (bytes > WRITE_BYTES_MAX && behind > first) break
    behind += 1
  }
  return behind
}

function attempt<T>(operation: string, path: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw diskError(operation, path, error)
  }
}

function diskError(operation: string, where: string, cause: unknown): Error {
  if (cause instanceof MillraceError) return cause
  const code = (cause as { readonly code?: unknown }).code
  const about = typeof code === 'string' ? (ADVICE[code] ?? messageOf(cause)) : messageOf(cause)
  const isMissing = code === 'ENOENT' || code === 'ENOTDIR'
  return new MillraceError(
    isMissing ? 'MILLRACE_FILE' : 'MILLRACE_DISK',
    `cannot ${operation} ${where}: ${about}`,
    {
      cause,
    },
  )
}

const ADVICE: Readonly<Record<string, string>> = {
  EISDIR: 'it is a folder (EISDIR)',
  ENOENT: 'there is no such file or folder (ENOENT)',
  EACCES: 'permission denied (EACCES); check the owner and the mode of the folder',
  ENOSPC: 'the disk is full (ENOSPC); make room and start again, nothing acknowledged is lost',
  EROFS: 'the file system is read-only (EROFS)',
  EMFILE: 'too many open files (EMFILE); raise the limit with `ulimit -n`',
}
