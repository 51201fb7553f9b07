/**
 * The disk. All calls but `sync` answer at once: small reads and writes are served by the page cache, where a
 * synchronous call costs 2 us and an asynchronous one 14-20 us. Paths are absolute, `/`-separated.
 *
 * Failures throw `MillraceError` MILLRACE_DISK with the operation, the path and the system's code as `cause`;
 * a missing file is MILLRACE_FILE. After a failed `sync` of a file nothing written to it since the last good one may
 * be trusted: the caller must stop acknowledging and reopen.
 */
export interface Disk {
  /**
   * `read`: must exist. `write`: must exist, read and write. `create`: must not exist, read and write.
   * A created file (or folder) survives a power cut only after `syncFolder` of its folder.
   */
  open(path: string, mode: 'read' | 'write' | 'create'): DiskFile
  exists(path: string): boolean
  /** Size in bytes, or undefined if there is no such file. */
  size(path: string): number | undefined
  /** Names in a folder, sorted; empty if there is no such folder. */
  list(folder: string): readonly string[]
  makeFolder(path: string): void
  /** Replaces `to` in one step. Durable after `syncFolder` of the folders of both. */
  rename(from: string, to: string): void
  /** Removes a file, or an empty folder. Removing what is not there is nothing. */
  remove(path: string): void
  /** Makes creations, renames and removals in a folder durable. Blocks. */
  syncFolder(path: string): void
  /**
   * Takes a lock on a folder that dies with its holder (SEMANTICS 6.9); undefined if another holds it.
   * It is a lock of the operating system, never the existence of a file.
   */
  lock(folder: string): DiskLock | undefined
}

export interface DiskLock {
  release(): void
}

export interface DiskFile {
  readonly path: string
  size(): number
  /** Reads up to `target.length` bytes at `position`; returns how many there were before the end of the file. */
  read(target: Uint8Array, position: number): number
  /** Writes all bytes at `position`, growing the file if needed. The bytes may be reused when it returns. */
  write(bytes: Uint8Array, position: number): void
  /** Writes the chunks one after the other from `position` on, in as few system calls as is fast. */
  writeAll(chunks: readonly Uint8Array[], position: number): void
  truncate(size: number): void
  /** Makes what was written before this call durable, then calls `done`, which may happen before this returns. */
  sync(done: (error: Error | undefined) => void): void
  /** The same, blocking. */
  syncNow(): void
  close(): void
}
