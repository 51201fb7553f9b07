import { MillraceError } from '../../base/errors.ts'
import type { Disk, DiskFile } from '../../sys/disk.ts'
import type { ByteSource } from './byte-source.ts'
import { GzipBytes } from './gzip-bytes.ts'

/** Opens a file by its name: one that ends in `.gz` is decompressed. Throws MILLRACE_FILE when there is none. */
export function openBytes(disk: Disk, path: string): ByteSource {
  if (disk.size(path) === undefined) {
    throw new MillraceError(
      'MILLRACE_FILE',
      `there is no file ${path}: check the name, and the folder it is relative to`,
    )
  }
  const file = disk.open(path, 'read')
  return path.endsWith('.gz') ? new GzipBytes(file) : new PlainBytes(file)
}

class PlainBytes implements ByteSource {
  readonly #file: DiskFile
  #position = 0

  constructor(file: DiskFile) {
    this.#file = file
  }

  read(target: Uint8Array): number {
    const count = this.#file.read(target, this.#position)
    this.#position += count
    return count
  }

  skip(bytes: number): number {
    const count = Math.max(0, Math.min(bytes, this.#file.size() - this.#position))
    this.#position += count
    return count
  }

  progress(): { readonly done: number; readonly total: number } {
    return { done: this.#position, total: Math.max(this.#position, this.#file.size()) }
  }

  close(): void {
    this.#file.close()
  }
}
