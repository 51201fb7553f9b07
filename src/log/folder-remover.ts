import { messageOf } from '../base/errors.ts'
import type { Disk } from '../sys/disk.ts'
import type { Timers } from '../sys/sys.ts'
import { isDiskError } from './disk-error.ts'
import type { OpenFiles } from './open-files.ts'

/** To remove a large file takes a disk some milliseconds: others get their turn after so many. */
const FILES_A_TURN = 16

export interface FolderRemoverHost {
  readonly disk: Disk
  readonly files: OpenFiles
  readonly timers: Timers
  readonly warn: (message: string) => void
}

/**
 * Removes folders of partitions that no topic has any more, a few files at a time. What is left when the log is
 * closed, or when the power fails, the next opening removes: it knows every folder that belongs to a topic.
 */
export class FolderRemover {
  readonly #host: FolderRemoverHost
  readonly #folders: string[] = []
  #running = false
  #stopped = false

  constructor(host: FolderRemoverHost) {
    this.#host = host
  }

  add(folders: readonly string[]): void {
    this.#folders.push(...folders)
    if (!this.#running) this.#turn()
  }

  stop(): void {
    this.#stopped = true
  }

  #turn(): void {
    this.#running = false
    let left = FILES_A_TURN
    while (left > 0 && !this.#stopped) {
      const folder = this.#folders[0]
      if (folder === undefined) return
      left -= this.#removeSome(folder, left)
    }
    if (this.#stopped) return
    this.#running = true
    this.#host.timers.soon(() => this.#turn())
  }

  #removeSome(folder: string, count: number): number {
    const { disk, files } = this.#host
    try {
      const names = disk.list(folder)
      for (const name of names.slice(0, count)) {
        files.forget(`${folder}/${name}`)
        disk.remove(`${folder}/${name}`)
      }
      if (names.length > count) return count
      disk.remove(folder)
      this.#folders.shift()
      return names.length + 1
    } catch (error) {
      if (!isDiskError(error)) throw error
      this.#folders.shift()
      this.#host.warn(`${folder} of a deleted topic stays until the next opening: ${messageOf(error)}`)
      return 1
    }
  }
}
