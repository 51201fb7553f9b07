import type { Offset } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import type { JournalEntry } from './journal-entry.ts'
import { segmentPath } from './log-paths.ts'
import type { OpenFiles } from './open-files.ts'
import type { RecoveredTransactions } from './recovered-transactions.ts'
import type { PartitionRecord, TopicCreated, TopicRecord } from './shape-entries.ts'

/* What a recovery brings from the checkpoint to the end of the journal, entry by entry. */

export interface MutableSegment {
  readonly base: Offset
  readonly path: string
  sizeBytes: number
  next: Offset
  /** What the checkpoint says was synced. */
  readonly coveredBytes: number
  /** Written to or checked by the replay: to be synced. */
  touched: boolean
  /** It was removed already: the start moved beyond it later, its topic was deleted, or another one took its place. */
  gone: boolean
}

export interface MutablePartition {
  readonly folder: string
  record: PartitionRecord
  start: Offset
  readonly segments: MutableSegment[]
  readonly transactions: RecoveredTransactions
}

export interface MutableTopic {
  created: TopicCreated
  readonly partitions: MutablePartition[]
}

export function recordOf(
  { created, partitions }: MutableTopic,
  unclean: boolean,
  files: OpenFiles,
): TopicRecord {
  // What the operating system had acknowledged may be gone without a trace: readers are told by a new epoch.
  const raised = unclean && created.settings.durability === 'os'
  return {
    ...created,
    partitions: partitions.map(({ record, start, segments, transactions }) => {
      const last = segments.at(-1) as MutableSegment
      const epochs = [...record.epochs]
      const current = epochs.at(-1) as readonly [number, Offset]
      if (raised) {
        // An epoch without records is replaced, so that restarts alone do not make the list longer.
        if (current[1] === last.next) epochs.pop()
        epochs.push([current[0] + 1, last.next])
      }
      return {
        ...record,
        start,
        epochs,
        segments: segments.map(({ base, sizeBytes, next }) => [base, sizeBytes, next] as const),
        ...transactions.finish(files, segments, unclean),
      }
    }),
  }
}

export function newSegment(folder: string, base: Offset, sizeBytes: number, next: Offset): MutableSegment {
  const path = segmentPath(folder, base)
  return { base, path, sizeBytes, next, coveredBytes: sizeBytes, touched: false, gone: false }
}

export function folderOf(segment: MutableSegment): string {
  return segment.path.slice(0, segment.path.lastIndexOf('/'))
}

/** @param file that of the segment, if it has not its own name yet. */
export function shortened(
  segment: MutableSegment,
  sizeBytes: number,
  file = `${segment.path}.log`,
): MillraceError {
  const durable = Math.max(segment.coveredBytes, segment.sizeBytes)
  return damaged(segment, sizeBytes, `the file ends, but ${durable} bytes of it were durable`, file)
}

export function damaged(
  segment: MutableSegment,
  position: number,
  what: string,
  file = `${segment.path}.log`,
): MillraceError {
  return new MillraceError(
    'MILLRACE_CORRUPT',
    `the log segment is damaged at ${file}:${position}: ${what}; restore the file from a copy, or cut the damage out with millrace check --repair`,
  )
}

export function neverCreated(what: string, { file, position }: JournalEntry): MillraceError {
  return new MillraceError(
    'MILLRACE_CORRUPT',
    `the journal entry at ${file}:${position} names ${what}, which was never created`,
  )
}
