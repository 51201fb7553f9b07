import { dirname } from 'node:path'
import { assert } from '../../base/assert.ts'
import type { PartitionId } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type { Disk, DiskFile } from '../../sys/disk.ts'
import type { Sys } from '../../sys/sys.ts'

const MARK = /^(0|[1-9]\d{0,15})$/

/**
 * A file that the writers of all partitions of a sink append to, exactly once.
 *
 * State: `end`, behind the last appended byte, and `committed`, the greatest mark that a commit stored.
 * A mark is the file's length behind the bytes of one prepare. A commit holds the marks of all partitions that wrote,
 * so the file's committed length is the greatest of them; what lies behind it belongs to a commit that never was, and
 * is cut before the first bytes of this run are appended: not earlier, as a file is opened partition by partition.
 *
 * If the power fails
 * - before the sync: the file ends anywhere behind `committed`. It is cut to that and the rows are written again.
 * - between sync and commit: the same; the rows are whole, but their input positions are not committed.
 * - after the commit: the mark is the new `committed`.
 */
export class AppendFile {
  readonly #sys: Sys
  readonly #path: string
  readonly #partitions = new Set<PartitionId>()
  readonly #file: DiskFile
  #end = 0
  #committed: number | undefined
  #settled = false
  #synced = 0
  #syncing = false
  #waiting: ((error: Error | undefined) => void)[] = []
  #failure: Error | undefined
  #closed = false

  constructor(sys: Sys, path: string) {
    this.#sys = sys
    this.#path = path
    this.#file = openOrCreate(sys.disk, path)
  }

  get closed(): boolean {
    return this.#closed
  }

  has(partition: PartitionId): boolean {
    return this.#partitions.has(partition)
  }

  /** A partition's writer begins, with the mark that a commit stored for it. */
  admit(partition: PartitionId, mark: string | undefined): void {
    assert(!this.has(partition), 'a partition has one writer')
    const committed = mark === undefined ? undefined : this.#parse(mark)
    const length = this.#settled ? this.#end : this.#file.size()
    if (committed !== undefined && committed > length) throw this.#tooShort(committed, length)
    if (committed !== undefined) this.#committed = Math.max(this.#committed ?? 0, committed)
    this.#partitions.add(partition)
  }

  /** A partition's writer goes; the last one closes the file. */
  leave(partition: PartitionId): void {
    this.#partitions.delete(partition)
    if (this.#partitions.size > 0 || this.#closed) return
    this.#closed = true
    this.#file.close()
  }

  /** Appends the rows of one commit; returns its mark, which counts once `sync` has answered. */
  append(bytes: Uint8Array): string {
    if (this.#failure !== undefined) throw this.#failure
    this.#settle()
    if (bytes.length > 0) this.#file.write(bytes, this.#end)
    this.#end += bytes.length
    return String(this.#end)
  }

  /** Answers when everything appended before is durable. Prepares of several partitions share a sync. */
  sync(answer: (error: Error | undefined) => void): void {
    if (this.#failure !== undefined || this.#end === this.#synced) {
      answer(this.#failure)
      return
    }
    this.#waiting.push(answer)
    if (!this.#syncing) this.#startSync()
  }

  #startSync(): void {
    const waiting = this.#waiting
    const end = this.#end
    this.#waiting = []
    this.#syncing = true
    this.#file.sync((error) => {
      this.#syncing = false
      // After a failed sync nothing can be trusted: the next engine opens the file anew and cuts it.
      if (error === undefined) this.#synced = end
      else this.#failure = error
      for (const answer of waiting) answer(error)
      if (this.#waiting.length > 0) this.#startSync()
    })
  }

  /** Takes back what no commit knows. */
  #settle(): void {
    if (this.#settled) return
    this.#settled = true
    const size = this.#file.size()
    const keep = this.#committed ?? 0
    if (this.#committed === undefined && size > 0) this.#copyAside(size)
    if (size > keep) this.#file.truncate(keep)
    this.#end = keep
    // A cut file must not grow back after a crash: it is synced with the first rows.
    this.#synced = size > keep ? -1 : keep
  }

  /**
   * The file holds rows and no commit of this sink knows of them: they are of another run, or of a crash before the
   * first commit. They are kept beside, as nobody can tell.
   */
  #copyAside(size: number): void {
    const { disk, lines } = this.#sys
    let number = 1
    while (disk.exists(`${this.#path}.old-${number}`)) number++
    const aside = `${this.#path}.old-${number}`
    const copy = disk.open(aside, 'create')
    const chunk = new Uint8Array(1024 * 1024)
    for (let at = 0; at < size; ) {
      const count = this.#file.read(chunk, at)
      copy.write(chunk.subarray(0, count), at)
      at += count
    }
    copy.syncNow()
    copy.close()
    disk.syncFolder(dirname(aside))
    lines.write('warn', `${this.#path} held rows of an earlier run: they are kept as ${aside}`, {
      bytes: size,
    })
  }

  #parse(mark: string): number {
    if (MARK.test(mark)) return Number(mark)
    throw new MillraceError(
      'MILLRACE_CORRUPT',
      `the committed mark ${JSON.stringify(mark)} of ${this.#path} is no length: it was written by another sink or by a ` +
        'newer version; give the output or the app another name',
    )
  }

  #tooShort(committed: number, length: number): MillraceError {
    return new MillraceError(
      'MILLRACE_CORRUPT',
      `${this.#path} has ${length} bytes, but ${committed} were committed: it was cut or replaced. Put the file back, ` +
        'or give the output another file name or the app another name to write it anew',
    )
  }
}

function openOrCreate(disk: Disk, path: string): DiskFile {
  if (disk.exists(path)) return disk.open(path, 'write')
  const file = disk.open(path, 'create')
  disk.syncFolder(dirname(path))
  return file
}
