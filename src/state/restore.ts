/**
 * Brings a store back from its newest good snapshot, in slices; what comes after is the changelog's, from `replayFrom`.
 *
 * A snapshot counts if it is whole, of this store, and the changelog still holds everything between its two positions.
 * One that does not is left out with a warning, and the next older one is tried; with none the whole changelog is
 * replayed, if its begin is still there. Damaged ones are removed, so that they do not count among the two that are kept.
 */
import { assert } from '../base/assert.ts'
import type { Offset } from '../base/brands.ts'
import { isMillraceError, MillraceError, messageOf } from '../base/errors.ts'
import type { Disk, DiskFile } from '../sys/disk.ts'
import type { Lines } from '../sys/sys.ts'
import { snapshotPaths } from './snapshot-files.ts'
import { restoreEntries, type SnapshotEnd, SnapshotFileReader, type SnapshotHead } from './snapshot-format.ts'
import type { SnapshotSource } from './snapshot-source.ts'

export interface RestoreSettings {
  readonly disk: Disk
  readonly lines: Lines
  /** Undefined: there are no snapshots, the changelog is all. */
  readonly folder: string | undefined
  readonly identity: string
  /** The changelog's bounds now, and its name for messages: topic-partition. */
  readonly changelog: { readonly name: string; readonly start: Offset; readonly end: Offset }
}

export class StoreRestore {
  readonly #store: SnapshotSource
  readonly #settings: RestoreSettings
  readonly #paths: string[]
  #path = ''
  #file: DiskFile | undefined
  #reader: SnapshotFileReader | undefined
  #head: SnapshotHead | undefined
  #end: SnapshotEnd | undefined
  #entries = 0
  #replayFrom: Offset | undefined
  #sizeBytes = 0

  /** @param store empty. */
  constructor(store: SnapshotSource, settings: RestoreSettings) {
    assert(store.size === 0 && store.changes === 0, 'a store is restored while it is empty')
    this.#store = store
    this.#settings = settings
    this.#paths = settings.folder === undefined ? [] : [...snapshotPaths(settings.disk, settings.folder)]
  }

  /** Bytes of the snapshot at hand; 0 of 0 when there is none. */
  get progress(): { readonly done: number; readonly total: number } {
    return { done: this.#reader?.position ?? 0, total: this.#reader?.sizeBytes ?? 0 }
  }

  /** Where the snapshot at hand begins in the changelog; undefined while that is not known. */
  get begin(): Offset | undefined {
    return this.#head?.begin.offset
  }

  /** How large the snapshot is that counted; 0 when there was none. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Where the replay of the changelog goes on, once `step` answered false. */
  get replayFrom(): Offset {
    assert(this.#replayFrom !== undefined, 'the position is known when the snapshot is read')
    return this.#replayFrom
  }

  /**
   * Reads about `bytesMax` bytes. False when the store is where its snapshot ends.
   * @throws MillraceError MILLRACE_CORRUPT when neither a snapshot nor the changelog's begin is left.
   */
  step(bytesMax: number): boolean {
    if (this.#replayFrom !== undefined) return false
    if (this.#reader === undefined && !this.#openNext()) {
      this.#replayFrom = this.#fromTheBegin()
      return false
    }
    try {
      return this.#read(bytesMax)
    } catch (error) {
      if (!isMillraceError(error) || error.remedy !== 'repair') throw error
      this.#leaveOut(messageOf(error), true)
      return true
    }
  }

  /** Lets go of the file. Idempotent. */
  close(): void {
    this.#file?.close()
    this.#file = undefined
    this.#reader = undefined
  }

  #openNext(): boolean {
    const path = this.#paths.shift()
    if (path === undefined) return false
    this.#path = path
    this.#head = undefined
    this.#end = undefined
    this.#entries = 0
    this.#file = this.#settings.disk.open(path, 'read')
    return true
  }

  #read(bytesMax: number): boolean {
    this.#reader ??= new SnapshotFileReader(this.#file as DiskFile)
    const reader = this.#reader
    const until = reader.position + bytesMax
    while (reader.position < until) {
      const block = reader.next()
      if (block === undefined) return this.#ended()
      if (block.kind === 'head') {
        this.#head = block.head
        const fault = this.#faultOfHead(block.head)
        if (fault !== undefined) return this.#leaveOut(fault, false)
      } else if (block.kind === 'end') {
        this.#end = block.end
      } else {
        this.#entries += restoreEntries(block.body, this.#store)
      }
    }
    return true
  }

  #ended(): boolean {
    const { changelog } = this.#settings
    if (this.#head === undefined || this.#end === undefined) return this.#leaveOut('its end is missing', true)
    if (this.#end.entries !== this.#entries) {
      return this.#leaveOut(`${this.#end.entries} entries expected, ${this.#entries} found`, true)
    }
    const { offset } = this.#end.end
    if (offset > changelog.end) {
      return this.#leaveOut(
        `it ends at offset ${offset}, but ${changelog.name} ends at ${changelog.end}`,
        true,
      )
    }
    this.#replayFrom = this.#head.begin.offset
    this.#sizeBytes = this.#reader?.sizeBytes ?? 0
    this.close()
    return false
  }

  #faultOfHead({ identity, begin }: SnapshotHead): string | undefined {
    const { identity: expected, changelog } = this.#settings
    if (identity !== expected) return `it is of ${identity}, expected ${expected}`
    if (begin.offset >= changelog.start) return undefined
    return `it begins at offset ${begin.offset}, but ${changelog.name} begins at ${changelog.start}`
  }

  #leaveOut(fault: string, remove: boolean): true {
    const { disk, lines } = this.#settings
    lines.write('warn', `the snapshot ${this.#path} is left out: ${fault}`, { path: this.#path })
    this.close()
    this.#head = undefined
    this.#store.clear()
    if (remove) disk.remove(this.#path)
    return true
  }

  #fromTheBegin(): Offset {
    const { changelog, folder } = this.#settings
    if (changelog.start === 0) return 0
    throw new MillraceError(
      'MILLRACE_CORRUPT',
      `the store cannot be restored: ${changelog.name} begins at offset ${changelog.start}, expected 0, and ` +
        `${folder ?? 'no folder'} has no usable snapshot before it; restore the folder from a backup or rebuild the ` +
        'state from the input topics under a new name',
    )
  }
}
