/**
 * Writes a snapshot of a store or view in slices, between batches, while its source goes on changing.
 *
 * How it stays right without a copy: a slice writes only entries that are clean, whose value is that of the last
 * commit taken. A dirty one is left out: its next commit writes it to the changelog. So the file holds, of every key, a
 * committed value from some moment between begin and end, or nothing; and every key that changed after the begin is in
 * the changelog between them. Replaying that part over the file gives the state at its end, which is why a snapshot
 * names both positions and counts only with the changelog between them.
 *
 * State: what is left to read, a block under construction, an unfinished file. Cost: encoding every entry once; values
 * that nobody touched since a restore are copied as bytes. A slice is bounded in bytes, entries that are passed over
 * counted too. The file is synced as it grows: a hundred megabytes at once would hold up the commits beside it.
 */
import { assert } from '../base/assert.ts'
import type { Offset } from '../base/brands.ts'
import type { Disk, DiskFile } from '../sys/disk.ts'
import type { Namespace, StoreKey } from './keyed-store.ts'
import { SnapshotBlock } from './snapshot-block.ts'
import {
  nextSnapshotPath,
  readSnapshotHead,
  removeUnfinished,
  SNAPSHOTS_KEPT,
  snapshotPaths,
} from './snapshot-files.ts'
import {
  BLOCK_END,
  BLOCK_HEAD,
  type ChangelogPosition,
  encodeFileHead,
  encodeTextBlock,
} from './snapshot-format.ts'
import type { EntryCursor, EntrySink, SnapshotSource } from './snapshot-source.ts'

/** Blocks end here: small enough that a few live values do not hold much memory after a restore. */
const BLOCK_BYTES_MAX = 256 * 1024
/** What is written goes to the disk in pieces of about this size. */
const SYNC_BYTES = 4 * 1024 * 1024
/** Looking at an entry weighs so many bytes of a slice, written or not. */
const VISIT_BYTES = 16

export interface SnapshotSettings {
  readonly disk: Disk
  /** A folder for this store alone; made if missing. */
  readonly folder: string
  /** What the store is: its name, its codec's version, topic id and partition of its changelog. */
  readonly identity: string
  /** The changelog behind the last commit taken from the store. It need not be durable yet. */
  readonly begin: ChangelogPosition
  /** Called when a writer that was `busy` is not any more. Must only note it. */
  readonly wake?: () => void
}

export class SnapshotWriter implements EntrySink {
  readonly #source: SnapshotSource
  readonly #settings: SnapshotSettings
  readonly #path: string
  readonly #file: DiskFile
  readonly #block = new SnapshotBlock()
  readonly #cursor: EntryCursor
  /** Of the entries in the block. */
  #namespace: Namespace = 0
  #position = 0
  #synced = 0
  #syncing = false
  #syncFailure: Error | undefined
  #written = 0
  /** How many commits the store had taken when a dirty entry was last left out. */
  #leftOutAt = -1
  #complete = false
  #open = true

  constructor(source: SnapshotSource, settings: SnapshotSettings) {
    const { disk, folder, identity, begin } = settings
    this.#source = source
    this.#settings = settings
    disk.makeFolder(folder)
    removeUnfinished(disk, folder)
    this.#path = nextSnapshotPath(disk, folder)
    this.#file = disk.open(`${this.#path}.part`, 'create')
    this.#cursor = source.readEntries(this)
    this.#write(encodeFileHead())
    this.#write(encodeTextBlock(BLOCK_HEAD, { identity, begin }))
  }

  /** About how large the file is, with what waits to be written. */
  get sizeBytes(): number {
    return this.#position + this.#block.sizeBytes
  }

  /** Every entry had its turn. */
  get complete(): boolean {
    return this.#complete
  }

  /** Part of the file is on its way to the disk: come back when it is there. */
  get busy(): boolean {
    return this.#syncing
  }

  /** Whether a commit has taken everything that was left out, so that the snapshot can be finished behind it. */
  get settled(): boolean {
    return this.#source.commits > this.#leftOutAt || this.#source.changes === 0
  }

  /** Writes about `bytesMax` bytes. False when every entry had its turn. Call it between batches. */
  slice(bytesMax: number): boolean {
    assert(this.#open, 'a snapshot is not sliced after its end')
    if (this.#complete) return false
    if (this.#syncing) return true
    if (this.#syncFailure !== undefined) throw this.#syncFailure
    let until = this.sizeBytes + bytesMax
    while (this.sizeBytes < until) {
      if (!this.#cursor.next()) {
        this.#flush()
        this.#complete = true
        return false
      }
      until -= VISIT_BYTES
      if (this.#block.sizeBytes >= BLOCK_BYTES_MAX) this.#flush()
    }
    if (this.#position - this.#synced >= SYNC_BYTES) this.#syncPart()
    return true
  }

  text(namespace: Namespace, key: StoreKey, value: string): void {
    this.#enter(namespace)
    this.#block.addText(key, value)
  }

  bytes(namespace: Namespace, key: StoreKey, value: Uint8Array, start: number, end: number): void {
    this.#enter(namespace)
    this.#block.addBytes(key, value, start, end)
  }

  leftOut(): void {
    this.#leftOutAt = this.#source.commits
  }

  /**
   * Ends the snapshot: makes it durable, puts it in its place and removes all but the two newest. Answers with the
   * offset up to which the changelog is not needed any more, undefined while there is only one.
   *
   * @param end the changelog behind a durable commit that was taken after the last slice.
   */
  finish(
    end: ChangelogPosition,
    answer: (error: Error | undefined, release: Offset | undefined) => void,
  ): void {
    assert(
      this.#open && this.#complete && !this.#syncing,
      'a snapshot is finished once, after its last slice',
    )
    assert(this.settled, 'the entries left out are in a commit before the end')
    assert(end.offset >= this.#settings.begin.offset, 'a snapshot does not end before it begins')
    this.#open = false
    try {
      if (this.#syncFailure !== undefined) throw this.#syncFailure
      this.#write(encodeTextBlock(BLOCK_END, { entries: this.#written, end }))
    } catch (error) {
      answer(this.#failed(error), undefined)
      return
    }
    this.#file.sync((error) => {
      if (error !== undefined) answer(this.#failed(error), undefined)
      else this.#publish(answer)
    })
  }

  /** Gives up: nothing of it stays. Idempotent. */
  abandon(): void {
    if (!this.#open) return
    this.#open = false
    // A file is not closed under a sync; then that does it.
    if (!this.#syncing) this.#failed(undefined)
  }

  #syncPart(): void {
    this.#syncing = true
    this.#synced = this.#position
    this.#file.sync((error) => {
      this.#syncing = false
      this.#syncFailure = error
      if (this.#open) this.#settings.wake?.()
      else this.#failed(undefined)
    })
  }

  #publish(answer: (error: Error | undefined, release: Offset | undefined) => void): void {
    const { disk, folder, identity, begin } = this.#settings
    let release: Offset | undefined
    try {
      this.#file.close()
      disk.rename(`${this.#path}.part`, this.#path)
      // Power fails here: the name may be missing, the older snapshots are still there and the changelog is not cut.
      disk.syncFolder(folder)
      // The folder itself may be new: without its own entry both snapshots would be gone.
      disk.syncFolder(parentOf(folder))
      const paths = snapshotPaths(disk, folder)
      for (const path of paths.slice(SNAPSHOTS_KEPT)) disk.remove(path)
      const older = paths[SNAPSHOTS_KEPT - 1]
      const head = older === undefined ? undefined : readSnapshotHead(disk, older)
      // Of another changelog, its offsets say nothing about this one.
      if (head?.identity === identity) release = Math.min(head.begin.offset, begin.offset)
    } catch (error) {
      answer(error as Error, undefined)
      return
    }
    answer(undefined, release)
  }

  #failed(error: unknown): Error {
    this.#file.close()
    this.#settings.disk.remove(`${this.#path}.part`)
    return error as Error
  }

  /** A block holds entries of one namespace. */
  #enter(namespace: Namespace): void {
    if (namespace === this.#namespace) return
    this.#flush()
    this.#namespace = namespace
  }

  #flush(): void {
    if (this.#block.count === 0) return
    this.#written += this.#block.count
    this.#write(this.#block.take(this.#namespace))
  }

  #write(bytes: Uint8Array): void {
    this.#file.write(bytes, this.#position)
    this.#position += bytes.length
  }
}

function parentOf(folder: string): string {
  return folder.slice(0, folder.lastIndexOf('/')) || '/'
}
