import type { Disk, DiskFile } from '../sys/disk.ts'

/**
 * The files that are open, a bounded number of them: a log with thousands of partitions has more than a process may
 * open. The file that was not used for the longest time is closed; unsynced writes stay with the operating system.
 * A caller uses the file at once and keeps no reference over a later call.
 */
export class OpenFiles {
  readonly #disk: Disk
  readonly #max: number
  /** In the order of their last use: a Map keeps the order of insertion. */
  readonly #open = new Map<string, DiskFile>()

  constructor(disk: Disk, max: number) {
    this.#disk = disk
    this.#max = max
  }

  /** The file must exist. */
  use(path: string): DiskFile {
    const known = this.#open.get(path)
    if (known !== undefined) {
      if (this.#open.size > 1) {
        this.#open.delete(path)
        this.#open.set(path, known)
      }
      return known
    }
    return this.#keep(path, this.#disk.open(path, 'write'))
  }

  /** A new, empty file; one of that name is what a crash or a failed write left. */
  create(path: string): DiskFile {
    this.remove(path)
    return this.#keep(path, this.#disk.open(path, 'create'))
  }

  /** Nothing if there is no such file. */
  remove(path: string): void {
    this.forget(path)
    this.#disk.remove(path)
  }

  /** Closes the file if it is open: it is about to be removed. */
  forget(path: string): void {
    const file = this.#open.get(path)
    this.#open.delete(path)
    file?.close()
  }

  closeAll(): void {
    for (const file of this.#open.values()) file.close()
    this.#open.clear()
  }

  #keep(path: string, file: DiskFile): DiskFile {
    for (const [oldest] of this.#open) {
      if (this.#open.size < this.#max) break
      this.forget(oldest)
    }
    this.#open.set(path, file)
    return file
  }
}
