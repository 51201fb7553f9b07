import type { Disk, DiskFile } from '../sys/disk.ts'
import { isDiskError } from './disk-error.ts'
import { journalFolder } from './log-paths.ts'

const ZEROS = new Uint8Array(128 * 1024)
/** A spare file of this size is worth a checkpoint and is not made larger. */
const MADE_BYTES_MAX = 16 * 1024 * 1024
/** 1 MiB at a time: a few dozen syncs later it is whole, and no single one has to wait long for its writing. */
const STEPS = 16

/**
 * The file that the journal goes on in next: one whose entries are no longer needed, or one of zeros.
 *
 * A file that was written before is cheap to write again: its blocks are on the disk and its pages in memory. The one
 * of zeros is made piece by piece while the log waits for a sync, under another name until it is whole and durable, so
 * nothing waits for it. Nothing depends on it either: if it cannot be made, there is none.
 */
export class SpareJournal {
  readonly #disk: Disk
  readonly #path: string
  readonly #makingPath: string
  readonly #madeBytesMax: number
  /** 0: there is none. */
  #sizeBytes = 0
  #making: DiskFile | undefined
  #madeBytes = 0
  /** A step is on its way to the disk, which has the log's own syncs to do as well: the next one comes after it. */
  #syncing = false
  #ended = false

  constructor(disk: Disk, log: string, journalBytesMax: number) {
    this.#disk = disk
    this.#path = `${journalFolder(log)}/spare`
    this.#makingPath = `${journalFolder(log)}/making`
    this.#madeBytesMax = Math.min(MADE_BYTES_MAX, journalBytesMax)
  }

  /** It has much room that costs little. */
  get isLarge(): boolean {
    return this.#sizeBytes >= this.#madeBytesMax
  }

  /** Gives the spare file that name; false if there is none. The folder is not synced. */
  moveTo(path: string): boolean {
    if (!this.#disk.exists(this.#path)) return false
    this.#disk.rename(this.#path, path)
    this.#sizeBytes = 0
    return true
  }

  /** A file that is not needed any more becomes the spare one, or goes if there is a larger one. */
  take(path: string): void {
    const sizeBytes = this.#disk.size(path) ?? 0
    if (this.#disk.exists(this.#path) && sizeBytes <= this.#sizeBytes) {
      this.#disk.remove(path)
      return
    }
    this.#disk.rename(path, this.#path)
    this.#sizeBytes = sizeBytes
  }

  /** Makes a piece more of a large spare file, if there is none. */
  make(): void {
    if (this.isLarge || this.#ended || this.#syncing || this.#madeBytes === this.#madeBytesMax) return
    try {
      this.#making ??= this.#create()
      const bytes = Math.min(Math.ceil(this.#madeBytesMax / STEPS), this.#madeBytesMax - this.#madeBytes)
      this.#making.writeAll(zeros(bytes), this.#madeBytes)
      this.#madeBytes += bytes
      this.#syncing = true
      this.#making.sync((error) => this.#synced(error))
    } catch (error) {
      if (!isDiskError(error)) throw error
      this.#giveUp()
    }
  }

  close(): void {
    this.#ended = true
    this.#making?.close()
    this.#making = undefined
  }

  #create(): DiskFile {
    this.#disk.remove(this.#makingPath)
    return this.#disk.open(this.#makingPath, 'create')
  }

  #synced(error: Error | undefined): void {
    this.#syncing = false
    if (this.#ended) return
    try {
      if (error !== undefined) throw error
      if (this.#madeBytes < this.#madeBytesMax) return
      this.#making?.close()
      this.#making = undefined
      this.take(this.#makingPath)
      this.#madeBytes = 0
    } catch (failed) {
      if (!isDiskError(failed)) throw failed
      this.#giveUp()
    }
  }

  /** The disk is full or broken; if it matters, the next append says so. What was made must not take up room. */
  #giveUp(): void {
    this.close()
    try {
      this.#disk.remove(this.#makingPath)
    } catch (error) {
      if (!isDiskError(error)) throw error
    }
  }
}

/** The same few zeros again and again: fresh memory for each step costs as much as writing it. */
export function zeros(count: number): Uint8Array[] {
  const chunks = new Array<Uint8Array>(Math.floor(count / ZEROS.length)).fill(ZEROS)
  const rest = count % ZEROS.length
  if (rest > 0) chunks.push(ZEROS.subarray(0, rest))
  return chunks
}
