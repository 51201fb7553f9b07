import { MillraceError } from '../base/errors.ts'
import type { Disk } from '../sys/disk.ts'
import type { Sys } from '../sys/sys.ts'
import { DIRECTORY_FORMAT, readDirectoryFormat, writeDirectoryFormat } from './directory-format.ts'
import { Journal, restartJournal } from './journal.ts'
import { ENTRY_TYPE, JournalBlock } from './journal-entry.ts'
import { LocalLog } from './local-log.ts'
import type { Log, LogOptions } from './log.ts'
import { journalFolder, partitionFolder, topicsFolder } from './log-paths.ts'
import { OpenFiles } from './open-files.ts'
import { type Recovered, Recovery } from './recovery.ts'
import { finishSwap } from './segment-swap.ts'
import { type Checkpoint, writeShape } from './shape-entries.ts'

const DEFAULTS: Required<LogOptions> = {
  verifyReads: false,
  housekeeping: undefined,
  journalBytesMax: 64 * 1024 * 1024,
  segmentFirstBytes: 256 * 1024,
  compactionBytesMax: 128 * 1024 * 1024,
  openFilesMax: 256,
  indexBytesMax: 32 * 1024 * 1024,
  producerExpirationMs: 24 * 60 * 60 * 1000,
  producersMax: 10_000,
}

/**
 * Opens the log in `folder`, and makes it if there is none. Repairs what a crash left, and says so in `recovery`.
 *
 * Throws MILLRACE_LOCKED if another process has it open, MILLRACE_CORRUPT with file and position if acknowledged data
 * is damaged, MILLRACE_NEWER_FORMAT if a newer program wrote it, MILLRACE_DISK.
 */
export function openLog(sys: Sys, folder: string, options: LogOptions = {}): Log {
  const started = sys.clock.monotonic()
  const { disk } = sys
  const all = { ...DEFAULTS, ...options }
  disk.makeFolder(folder)
  const lock = disk.lock(folder)
  if (lock === undefined) {
    throw new MillraceError(
      'MILLRACE_LOCKED',
      `another process, or this one, has the log ${folder} open; use it there, stop it, or take another folder`,
    )
  }
  const files = new OpenFiles(disk, all.openFilesMax)
  try {
    const format = readDirectoryFormat(disk, folder)
    const fresh = format === undefined ? EMPTY : undefined
    if (fresh !== undefined) prepareFolders(sys, folder)
    // An opening that failed may have left the names of format and folders unsynced.
    else disk.syncFolder(folder)
    const state = fresh ?? new Recovery(disk, files, folder, sys.clock.now()).run()
    if (format !== undefined && format < DIRECTORY_FORMAT) {
      writeDirectoryFormat(disk, folder)
      sys.lines.write(
        'info',
        `the log ${folder} was of format ${format} and is now of format ${DIRECTORY_FORMAT}`,
      )
    }
    // Numbered anew from here: a torn tail can never be taken for an entry. Not clean from now on.
    const first = state.nextNumber
    const position = restartJournal(disk, folder, first, checkpointBlock(first, state))
    if (fresh !== undefined) writeDirectoryFormat(disk, folder)
    finishSwaps(disk, files, folder, state)
    const { clean, entriesReplayed, tailsCut } = state
    const ms = sys.clock.monotonic() - started
    for (const { file, from, to, why } of tailsCut) {
      sys.lines.write('warn', `a torn tail was cut: ${file}:${from} to ${to}: ${why}`, { file, from, to })
    }
    return new LocalLog({
      sys,
      folder,
      options: all,
      lock,
      files,
      journal: new Journal(disk, folder, all.journalBytesMax, first, position),
      nextNumber: first + 1,
      topics: state.topics,
      recovery: { clean, entriesReplayed, tailsCut, ms },
    })
  } catch (error) {
    files.closeAll()
    lock.release()
    throw error
  }
}

/** The state that names them is durable now. */
function finishSwaps(disk: Disk, files: OpenFiles, folder: string, { topics }: Recovered): void {
  for (const { id, partitions } of topics) {
    for (const [index, { swap }] of partitions.entries()) {
      if (swap !== undefined) finishSwap(disk, files, partitionFolder(folder, id, index), swap)
    }
  }
}

const EMPTY: Recovered = { topics: [], nextNumber: 1, clean: true, entriesReplayed: 0, tailsCut: [] }

/** If the power failed while the log was made, what is there has no format yet and is made anew. */
function prepareFolders(sys: Sys, folder: string): void {
  const { disk } = sys
  if (disk.list(topicsFolder(folder)).length > 0) {
    throw new MillraceError(
      'MILLRACE_CORRUPT',
      `${folder}/format.json:0 is missing, but ${topicsFolder(folder)} has content; restore the file {"format":"millrace-log","version":${DIRECTORY_FORMAT}}`,
    )
  }
  disk.makeFolder(journalFolder(folder))
  disk.makeFolder(topicsFolder(folder))
  disk.syncFolder(folder)
}

/** A journal's begin: the state that all before it left. */
export function checkpointBlock(number: number, { topics }: Recovered): JournalBlock {
  const checkpoint: Checkpoint = { clean: false, topics }
  const block = new JournalBlock()
  block.begin(number, number, ENTRY_TYPE.checkpoint)
  block.put(writeShape(checkpoint))
  block.end()
  return block
}
