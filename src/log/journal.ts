import { assert } from '../base/assert.ts'
import type { Disk, DiskFile } from '../sys/disk.ts'
import { END_MARK_BYTES, type JournalBlock } from './journal-entry.ts'
import { journalFile, journalFolder, journalNumber } from './log-paths.ts'
import { SpareJournal, zeros } from './spare-journal.ts'

/** Room is made in steps that double from the first to the last of these. */
const ROOM_BYTES_MIN = 8 * 1024
const ROOM_BYTES_MAX = 4 * 1024 * 1024

/**
 * The journal's files, for writing.
 *
 * A file is filled with zeros ahead of the entries, and a file whose entries are no longer needed is used again: a
 * sync then has no change of the file's length to write, which halves its time (150 us instead of 240 us). It also
 * means that a full disk is met while making room, before any byte of an entry is written.
 */
export class Journal {
  readonly #disk: Disk
  readonly #log: string
  readonly #bytesMax: number
  #file: DiskFile
  #first: number
  #position: number
  /** Bytes of the file that are there already. */
  #room: number
  /** Of these, bytes that held entries of earlier files. */
  #used: number
  readonly #spare: SpareJournal
  /** Blocks wanted used bytes and found none, in the present file or in any. */
  #lacking = false
  #everLacked = false
  #roomStep = ROOM_BYTES_MIN
  /** Files with unsynced entries. */
  #unsynced = new Set<DiskFile>()
  #older: DiskFile[] = []

  /** Takes over a file that exists and ends at `position`. */
  constructor(disk: Disk, log: string, bytesMax: number, first: number, position: number) {
    this.#disk = disk
    this.#log = log
    this.#bytesMax = bytesMax
    this.#spare = new SpareJournal(disk, log, bytesMax)
    this.#first = first
    this.#position = position
    this.#file = disk.open(journalFile(log, first), 'write')
    this.#room = this.#file.size()
    this.#used = this.#room
  }

  /** It should go on in another file. */
  get isFull(): boolean {
    return this.#position >= this.#bytesMax || (this.#lacking && this.#spare.isLarge)
  }

  /**
   * Bytes from here on that were written once and are used again. To write there costs a third of a microsecond per KiB
   * and no change of the file; new bytes cost as much as those of a segment, in memory and on the disk.
   */
  get usedAgainBytes(): number {
    return Math.max(0, this.#used - this.#position)
  }

  /** Bytes for which there was no room of that kind were kept out of the journal. */
  noteLack(): void {
    this.#lacking = true
    this.#everLacked = true
  }

  /**
   * Makes a piece of a file that has such room, if it was wanted and there is none. Takes as long as writing a
   * megabyte, hence called while a sync runs.
   */
  prepareRoom(): void {
    if (this.#everLacked) this.#spare.make()
  }

  /** Where the next block goes, for messages. */
  get where(): string {
    return `${this.#file.path}:${this.#position}`
  }

  /** Goes on in a new file, which begins with entry `first`. If it throws, the journal stays where it was. */
  rotate(first: number): void {
    const path = journalFile(this.#log, first)
    if (!this.#spare.moveTo(path)) {
      this.#disk.remove(path)
      this.#disk.open(path, 'create').close()
    }
    // Entries of a file whose name is lost are lost: the name comes first.
    this.#disk.syncFolder(journalFolder(this.#log))
    const file = this.#disk.open(path, 'write')
    this.#older.push(this.#file)
    this.#file = file
    this.#first = first
    this.#position = 0
    this.#room = file.size()
    this.#used = this.#room
    this.#lacking = false
  }

  /** Makes room for `count` bytes. If it throws (the disk is full), no entry was touched. */
  makeRoom(count: number): void {
    const needed = this.#position + count
    if (needed <= this.#room) return
    this.#roomStep = Math.min(this.#roomStep * 2, ROOM_BYTES_MAX)
    const step = Math.max(this.#roomStep, needed - this.#room)
    this.#file.writeAll(zeros(step), this.#room)
    this.#room += step
  }

  /** The block has an end mark; the caller has made room. */
  write(block: JournalBlock): void {
    assert(this.#position + block.sizeBytes <= this.#room, 'the journal has room for what is written')
    this.#file.write(block.bytes(), this.#position)
    this.#position += block.sizeBytes - END_MARK_BYTES
    this.#unsynced.add(this.#file)
  }

  /** The files that a sync must cover. */
  takeUnsynced(): DiskFile[] {
    const files = [...this.#unsynced]
    this.#unsynced.clear()
    return files
  }

  /** A checkpoint in the present file is durable: older files go, one stays to be used again. */
  dropOlder(): void {
    for (const file of this.#older) file.close()
    this.#older = []
    const older = journalNumbers(this.#disk, this.#log).filter((number) => number < this.#first)
    dropInOrder(this.#disk, this.#log, older, (path) => this.#spare.take(path))
  }

  close(): void {
    for (const file of this.#older) file.close()
    this.#file.close()
    this.#spare.close()
  }
}

/**
 * Begins the journal anew with a file that holds one entry, a checkpoint, and removes all others, for good. The file
 * gets its name when it is durable, so a power cut leaves the old journal or the new one. Returns where the next entry
 * goes.
 */
export function restartJournal(disk: Disk, log: string, first: number, block: JournalBlock): number {
  const folder = journalFolder(log)
  const fresh = `${folder}/fresh`
  const remove = (path: string) => disk.remove(path)
  remove(fresh)
  const file = disk.open(fresh, 'create')
  try {
    file.write(block.bytes(), 0)
    file.syncNow()
  } finally {
    file.close()
  }
  const before = journalNumbers(disk, log)
  // Entries that nobody was told of, behind a torn one. The new journal would grow until they seem to follow.
  const behind = before.filter((number) => number > first)
  dropInOrder(disk, log, behind, remove)
  if (behind.length > 0) disk.syncFolder(folder)
  disk.rename(fresh, journalFile(log, first))
  disk.syncFolder(folder)
  const older = before.filter((number) => number < first)
  dropInOrder(disk, log, older, remove)
  for (const name of disk.list(folder)) if (journalNumber(name) !== first) remove(`${folder}/${name}`)
  // What an older file says is true no longer as soon as the log goes on.
  disk.syncFolder(folder)
  return block.sizeBytes
}

/** The numbers of the journal's files, the oldest first. */
function journalNumbers(disk: Disk, log: string): number[] {
  const numbers = disk.list(journalFolder(log)).map(journalNumber)
  return numbers.filter((number) => number !== undefined).sort((a, b) => a - b)
}

/**
 * Takes files away from the oldest on, each one for good before the next, so that a power cut leaves no gap; only the
 * last one may still come back. An older file's checkpoint before a gap would be believed if the newest file, which
 * covers it all, were damaged: that looks like a torn tail, and what lay in the gap would be lost without a word.
 */
function dropInOrder(
  disk: Disk,
  log: string,
  numbers: readonly number[],
  drop: (path: string) => void,
): void {
  for (const [index, number] of numbers.entries()) {
    if (index > 0) disk.syncFolder(journalFolder(log))
    drop(journalFile(log, number))
  }
}
