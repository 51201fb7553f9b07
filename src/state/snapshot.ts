/**
 * Writes a snapshot of a memory store in slices, between batches, while the store goes on changing.
 *
 * How it stays right without a copy: a slice writes only entries that are clean, whose value is that of the last
 * commit taken. A dirty one is left out: its next commit writes it to the changelog. So the file holds, of every key, a
 * committed value from some moment between begin and end, or nothing; and every key that changed after the begin is in
 * the changelog between them. Replaying that part over the file gives the state at its end, which is why a snapshot
 * names both positions and counts only with the changelog between them.
 *
 * State: what is left to read, a block under construction, an unfinished file. Cost: encoding every entry once; values
 * that nobody touched since a restore are copied as bytes. A slice is bounded in bytes, not in namespaces.
 */
import { assert } from '../base/assert.ts'
import type { Offset } from '../base/brands.ts'
import type { Disk, DiskFile } from '../sys/disk.ts'
import { DIRTY, type Entry, LIVE, RAW, type RawValue } from './entry.ts'
import type { MemoryStore } from './memory-store.ts'
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
import type { Space } from './space.ts'

/** Blocks end here: small enough that a few live values do not hold much memory after a restore. */
const BLOCK_BYTES_MAX = 256 * 1024

export interface SnapshotSettings {
  readonly disk: Disk
  /** A folder for this store alone; made if missing. */
  readonly folder: string
  /** What the store is: its name, its codec's version, topic id and partition of its changelog. */
  readonly identity: string
  /** The changelog behind the last commit taken from the store. It need not be durable yet. */
  readonly begin: ChangelogPosition
}

export class SnapshotWriter<V> {
  readonly #store: MemoryStore<V>
  readonly #settings: SnapshotSettings
  readonly #path: string
  readonly #file: DiskFile
  readonly #block = new SnapshotBlock()
  readonly #spaces: Space[]
  #space: Space | undefined
  #entries: Iterator<Entry> | undefined
  #position = 0
  #written = 0
  /** How many commits the store had taken when a dirty entry was last left out. */
  #leftOutAt = -1
  #complete = false
  #open = true

  constructor(store: MemoryStore<V>, settings: SnapshotSettings) {
    const { disk, folder, identity, begin } = settings
    this.#store = store
    this.#settings = settings
    disk.makeFolder(folder)
    removeUnfinished(disk, folder)
    this.#path = nextSnapshotPath(disk, folder)
    this.#file = disk.open(`${this.#path}.part`, 'create')
    this.#spaces = [...store.spaces()].reverse()
    this.#write(encodeFileHead())
    this.#write(encodeTextBlock(BLOCK_HEAD, { identity, begin }))
  }

  /** About how large the file is, with what waits to be written. */
  get sizeBytes(): number {
    return this.#position + this.#block.sizeBytes
  }

  /** Writes about `bytesMax` bytes. False when every entry had its turn. Call it between batches. */
  slice(bytesMax: number): boolean {
    assert(this.#open, 'a snapshot is not sliced after its end')
    if (this.#complete) return false
    const until = this.sizeBytes + bytesMax
    while (this.sizeBytes < until) {
      const entries = this.#entries ?? this.#nextSpace()
      if (entries === undefined) {
        this.#complete = true
        return false
      }
      const next = entries.next()
      if (next.done === true || this.#space?.dropped === true) this.#leaveSpace()
      else this.#take(next.value)
      if (this.#block.sizeBytes >= BLOCK_BYTES_MAX) this.#flush()
    }
    return true
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
    assert(this.#open && this.#complete, 'a snapshot is finished once, after its last slice')
    assert(
      this.#store.commits > this.#leftOutAt || this.#store.changes === 0,
      'the entries left out are in a commit before the end',
    )
    assert(end.offset >= this.#settings.begin.offset, 'a snapshot does not end before it begins')
    this.#open = false
    try {
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
    this.#failed(undefined)
  }

  #publish(answer: (error: Error | undefined, release: Offset | undefined) => void): void {
    const { disk, folder } = this.#settings
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
      release = older === undefined ? undefined : readSnapshotHead(disk, older)?.begin.offset
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

  #nextSpace(): Iterator<Entry> | undefined {
    this.#space = this.#spaces.pop()
    this.#entries = this.#space?.entries()
    return this.#entries
  }

  #leaveSpace(): void {
    this.#flush()
    this.#entries = undefined
  }

  #take(entry: Entry): void {
    const flags = entry.flags
    if ((flags & DIRTY) !== 0) {
      this.#leftOutAt = this.#store.commits
      return
    }
    if ((flags & LIVE) === 0) return
    if ((flags & RAW) !== 0) {
      const raw = entry.value as RawValue
      this.#block.addBytes(entry.key, raw.bytes, raw.start, raw.end)
    } else {
      const encoded = this.#store.codec.encode(entry.value as V)
      if (typeof encoded === 'string') this.#block.addText(entry.key, encoded)
      else this.#block.addBytes(entry.key, encoded, 0, encoded.length)
    }
  }

  #flush(): void {
    if (this.#block.count === 0) return
    this.#written += this.#block.count
    this.#write(this.#block.take((this.#space as Space).namespace))
  }

  #write(bytes: Uint8Array): void {
    this.#file.write(bytes, this.#position)
    this.#position += bytes.length
  }
}

function parentOf(folder: string): string {
  return folder.slice(0, folder.lastIndexOf('/')) || '/'
}
