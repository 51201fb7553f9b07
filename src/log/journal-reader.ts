import { MillraceError } from '../base/errors.ts'
import { readInt32 } from '../base/int64.ts'
import type { Disk } from '../sys/disk.ts'
import {
  ENTRY_ALIGNMENT,
  ENTRY_HEAD_BYTES,
  ENTRY_TYPE,
  ENTRY_VERSION,
  isEndMark,
  type JournalEntry,
  nextEntryPosition,
  readEntry,
} from './journal-entry.ts'
import type { TailCut } from './log.ts'
import { journalFile, journalFolder, journalNumber } from './log-paths.ts'

/** What the journal holds from its last checkpoint's coverage on. */
export interface JournalContent {
  readonly checkpoint: JournalEntry
  /** In order, without gaps, checkpoints left out; those below the checkpoint's coverage too. */
  readonly entries: readonly JournalEntry[]
  /** The number after the last entry that is there. */
  readonly next: number
  /** Every entry below it had been acknowledged, so it must hold. */
  readonly durable: number
  /** The checkpoint is the last entry. */
  readonly endsWithCheckpoint: boolean
  /** An entry behind the last one was written in part. */
  readonly torn: TailCut | undefined
  /** Acknowledged entries are missing from here on. Only where damage is not refused. */
  readonly lost: TailCut | undefined
}

interface FileContent {
  readonly first: number
  readonly entries: readonly JournalEntry[]
  readonly stoppedAt: number
  readonly sizeBytes: number
  readonly why: string
  /** Behind what the torn entry may reach to; `stoppedAt` if the file just ends there. */
  readonly tornUntil: number
  /** The highest `durable` of any entry of the file that belongs to this journal, behind the stop too. */
  readonly durable: number
}

/**
 * Reads the journal. Files are read from the newest back to the one with the last checkpoint, which covers all before
 * that file. A torn tail ends the journal; where entries that were acknowledged are missing, that is damage.
 */
export function readJournal(disk: Disk, log: string): JournalContent {
  return read(disk, log, false)
}

/** As `readJournal`, but what is damaged ends the journal, and is said in `lost`. Throws where no checkpoint is left. */
export function readDamagedJournal(disk: Disk, log: string): JournalContent {
  return read(disk, log, true)
}

function read(disk: Disk, log: string, lenient: boolean): JournalContent {
  const numbers = disk
    .list(journalFolder(log))
    .map(journalNumber)
    .filter((number) => number !== undefined)
  const files: FileContent[] = []
  let checkpoint: JournalEntry | undefined
  for (const number of numbers.sort((a, b) => b - a)) {
    const file = readFile(disk, journalFile(log, number), number)
    files.unshift(file)
    checkpoint = file.entries.findLast((entry) => entry.type === ENTRY_TYPE.checkpoint)
    if (checkpoint !== undefined) break
  }
  if (checkpoint === undefined) throw noCheckpoint(log, files)
  return joined(files, checkpoint, log, lenient)
}

function joined(
  files: readonly FileContent[],
  checkpoint: JournalEntry,
  log: string,
  lenient: boolean,
): JournalContent {
  const durable = Math.max(...files.map((file) => file.durable))
  const entries: JournalEntry[] = []
  let last = files[0] as FileContent
  let next = last.first
  for (const file of files) {
    // Entries that a later file repeats had been cut at an opening; a file that begins too late follows a torn tail.
    if (file.first !== next) break
    last = file
    for (const entry of file.entries) if (entry.type !== ENTRY_TYPE.checkpoint) entries.push(entry)
    next += file.entries.length
  }
  if (next < durable && lenient) {
    const why = `entries ${next} to ${durable - 1} had been acknowledged: ${last.why}`
    const lost = { file: journalFile(log, last.first), from: last.stoppedAt, to: last.sizeBytes, why }
    return {
      torn: undefined,
      lost,
      checkpoint,
      entries,
      next: durable,
      durable: next,
      endsWithCheckpoint: false,
    }
  }
  if (next < durable) {
    throw new MillraceError(
      'MILLRACE_CORRUPT',
      `the journal is damaged at ${journalFile(log, last.first)}:${last.stoppedAt} (${last.why}): entry ${next} is missing, but all below ${durable} had been acknowledged; restore the file from a copy, or make it again from the segments with millrace check --repair`,
    )
  }
  const file = journalFile(log, last.first)
  const torn =
    last.tornUntil > last.stoppedAt
      ? { file, from: last.stoppedAt, to: last.tornUntil, why: `no whole entry: ${last.why}` }
      : undefined
  const endsWithCheckpoint = checkpoint.number === next - 1
  return { torn, lost: undefined, checkpoint, entries, next, durable, endsWithCheckpoint }
}

function readFile(disk: Disk, path: string, first: number): FileContent {
  const file = disk.open(path, 'read')
  let bytes: Uint8Array
  try {
    bytes = new Uint8Array(file.size())
    file.read(bytes, 0)
  } finally {
    file.close()
  }
  const entries: JournalEntry[] = []
  let durable = 0
  let at = 0
  let why = ''
  for (;;) {
    const entry = readEntry(bytes, at, path)
    if (typeof entry === 'string') {
      why = entry
      break
    }
    if (entry.number !== first + entries.length) {
      why = `entry ${entry.number} instead of ${first + entries.length}`
      break
    }
    refuseUnknown(entry)
    entries.push(entry)
    durable = Math.max(durable, entry.durable)
    at = nextEntryPosition(entry)
  }
  const expected = first + entries.length
  const tornUntil = isEndMark(bytes, at) ? at : bytes.length
  return {
    tornUntil,
    sizeBytes: bytes.length,
    first,
    entries,
    stoppedAt: at,
    why,
    durable: Math.max(durable, durableBehind(bytes, at, path, expected)),
  }
}

/** The highest `durable` of whole entries behind a bad one; 0 if there are none. Old entries have lower numbers. */
function durableBehind(bytes: Uint8Array, from: number, file: string, expected: number): number {
  let durable = 0
  const high = Math.floor(expected / 0x1_0000_0000)
  for (let at = from; at + ENTRY_HEAD_BYTES <= bytes.length; at += ENTRY_ALIGNMENT) {
    // Nearly always zeros, or the middle of an old entry: told by the length and the upper half of the number.
    const sizeBytes = readInt32(bytes, at)
    if (sizeBytes < ENTRY_HEAD_BYTES || sizeBytes > bytes.length - at) continue
    const upper = readInt32(bytes, at + 8)
    if (upper !== high && upper !== high + 1) continue
    const entry = readEntry(bytes, at, file)
    if (typeof entry !== 'string' && entry.number >= expected) durable = Math.max(durable, entry.durable)
  }
  return durable
}

function refuseUnknown(entry: JournalEntry): void {
  const known = Object.values<number>(ENTRY_TYPE).includes(entry.type)
  if (known && entry.version <= ENTRY_VERSION) return
  throw new MillraceError(
    'MILLRACE_NEWER_FORMAT',
    `the journal entry at ${entry.file}:${entry.position} has type ${entry.type} version ${entry.version}, which this program does not know: use a newer one`,
  )
}

function noCheckpoint(log: string, files: readonly FileContent[]): MillraceError {
  const oldest = files[0]
  const where =
    oldest === undefined ? journalFolder(log) : `${journalFile(log, oldest.first)}:${oldest.stoppedAt}`
  return new MillraceError(
    'MILLRACE_CORRUPT',
    `the journal holds no checkpoint (${where}${oldest === undefined ? ': no journal file' : `: ${oldest.why}`}); restore the journal folder from a copy, or make it again from the segments with millrace check --repair`,
  )
}
