import type { Disk } from '../sys/disk.ts'
import { topicsFolder } from './log-paths.ts'
import type { Partition } from './partition.ts'

/** The folders of partitions, and whether their names and those of the files in them are durable. */
export class FolderNames {
  readonly #disk: Disk
  readonly #log: string
  readonly #unsynced = new Set<Partition>()

  constructor(disk: Disk, log: string) {
    this.#disk = disk
    this.#log = log
  }

  /** A file is about to be made in the partition's folder. */
  prepare(partition: Partition): void {
    this.#disk.makeFolder(partition.folder)
    this.#unsynced.add(partition)
  }

  /** Makes the names durable, where they are not. */
  sync(partition: Partition): void {
    if (!this.#unsynced.has(partition)) return
    this.#disk.syncFolder(topicsFolder(this.#log))
    this.#disk.syncFolder(partition.folder)
    this.#unsynced.delete(partition)
  }

  forget(partition: Partition): void {
    this.#unsynced.delete(partition)
  }
}
