/**
 * Repairs a log that its recovery would refuse, or that has damage in what a clean start does not read.
 *
 * Every segment is read as a whole. Batches that do not hold are replaced in their places by empty ones; what a damaged
 * journal does not say any more is taken from the segments: whole batches stay, topics that only the journal had named
 * are called `recovered-` and their id. All that is cut out is kept in files beside. In the end the journal is begun
 * anew, so a repair that is cut off can be done again.
 */
import type { LeaderEpoch, Offset, TopicId } from '../base/brands.ts'
import { isMillraceError, MillraceError, messageOf } from '../base/errors.ts'
import { batchBaseOffset, batchLeaderEpoch, batchSizeBytes, verifyBatch } from '../record/batch-header.ts'
import type { Disk } from '../sys/disk.ts'
import type { Sys } from '../sys/sys.ts'
import { readDirectoryFormat, writeDirectoryFormat } from './directory-format.ts'
import { restartJournal } from './journal.ts'
import { ENTRY_TYPE, ENTRY_VERSION, type JournalEntry } from './journal-entry.ts'
import { type JournalContent, readDamagedJournal } from './journal-reader.ts'
import {
  journalFolder,
  journalNumber,
  segmentBase,
  segmentPath,
  topicOfFolder,
  topicsFolder,
} from './log-paths.ts'
import { Mender, type Repair } from './mender.ts'
import { checkpointBlock } from './open.ts'
import { OpenFiles } from './open-files.ts'
import { Recovery } from './recovery.ts'
import {
  newPartitionRecords,
  type PartitionRecord,
  readCheckpoint,
  readTopicCreated,
  type TopicRecord,
  writeShape,
} from './shape-entries.ts'
import { completeSettings } from './topic-settings.ts'

const OPEN_FILES = 64

/**
 * Repairs the log in `folder`, which nobody has open, and says what was done; nothing where all is good. Blocks until
 * every segment was read.
 *
 * Throws MILLRACE_LOCKED, MILLRACE_NEWER_FORMAT, MILLRACE_DISK.
 */
export function repairLog(sys: Sys, folder: string): readonly Repair[] {
  const { disk } = sys
  const lock = disk.lock(folder)
  if (lock === undefined) {
    const message = `another process has the log ${folder} open; stop it before a repair`
    throw new MillraceError('MILLRACE_LOCKED', message)
  }
  const files = new OpenFiles(disk, OPEN_FILES)
  try {
    const mender = new Mender(disk, files)
    repairFormat(disk, folder, mender)
    const journal = withUnknownTopics(disk, folder, journalOf(disk, folder, mender), mender)
    const state = new Recovery(disk, files, folder, sys.clock.now(), { mender, journal }).run()
    restartJournal(disk, folder, state.nextNumber, checkpointBlock(state.nextNumber, state))
    return mender.repairs
  } finally {
    files.closeAll()
    lock.release()
  }
}

function repairFormat(disk: Disk, folder: string, mender: Mender): void {
  const file = `${folder}/format.json`
  let what = 'it was missing: made again'
  try {
    if (readDirectoryFormat(disk, folder) !== undefined) return
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'MILLRACE_CORRUPT') throw error
    what = 'it did not say the format: made again'
  }
  const bytes = mender.read(file, 0, disk.size(file) ?? 0)
  const kept = mender.keep(file, 0, bytes)
  writeDirectoryFormat(disk, folder)
  mender.repairs.push({ file, from: 0, to: bytes.length, offsets: undefined, what, kept })
}

function journalOf(disk: Disk, folder: string, mender: Mender): JournalContent {
  try {
    const journal = readDamagedJournal(disk, folder)
    if (journal.lost === undefined) return journal
    const { file, from, to, why } = journal.lost
    keepJournal(mender, folder, file, from, to, `entries are lost (${why}); the segments say what they can`)
    return journal
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'MILLRACE_CORRUPT') throw error
    return journalOfNothing(disk, folder, mender, messageOf(error))
  }
}

/** No checkpoint is left: what there is, the segments say. */
function journalOfNothing(disk: Disk, folder: string, mender: Mender, why: string): JournalContent {
  disk.makeFolder(journalFolder(folder))
  disk.makeFolder(topicsFolder(folder))
  let next = 1
  for (const name of disk.list(journalFolder(folder))) {
    const number = journalNumber(name)
    const file = `${journalFolder(folder)}/${name}`
    const sizeBytes = disk.size(file) ?? 0
    if (number === undefined) continue
    // No entry can be shorter, so no number that was given is beyond.
    next = Math.max(next, number + sizeBytes)
    keepJournal(mender, folder, file, 0, sizeBytes, 'it holds no checkpoint; the segments say what they can')
  }
  const file = journalFolder(folder)
  const body = writeShape({ clean: false, topics: [] })
  const checkpoint: JournalEntry = {
    number: next - 1,
    durable: next - 1,
    type: ENTRY_TYPE.checkpoint,
    version: ENTRY_VERSION,
    file,
    position: 0,
    body,
  }
  const lost = { file, from: 0, to: 0, why }
  return { checkpoint, entries: [], next, durable: next, endsWithCheckpoint: false, torn: undefined, lost }
}

/** Beside the journal's folder: inside, nothing stays but the journal. */
function keepJournal(
  mender: Mender,
  folder: string,
  file: string,
  from: number,
  to: number,
  what: string,
): void {
  const target = `${folder}/${file.slice(file.lastIndexOf('/') + 1)}`
  const kept = mender.keep(file, from, mender.read(file, from, to), target)
  mender.repairs.push({ file, from, to, offsets: undefined, what, kept })
}

/** Folders of topics that no entry names any more become topics. */
function withUnknownTopics(
  disk: Disk,
  folder: string,
  journal: JournalContent,
  mender: Mender,
): JournalContent {
  if (journal.lost === undefined) return journal
  const checkpoint = readCheckpoint(journal.checkpoint)
  const created = journal.entries.filter((entry) => entry.type === ENTRY_TYPE.topicCreated)
  const known = new Set([...checkpoint.topics, ...created.map(readTopicCreated)].map(({ id }) => id))
  const counts = new Map<TopicId, number>()
  for (const name of disk.list(topicsFolder(folder))) {
    const id = topicOfFolder(name)
    const index = Number(name.slice(id.length + 1))
    if (!known.has(id)) counts.set(id, Math.max(counts.get(id) ?? 0, index + 1))
  }
  const recovered = [...counts].map(([id, partitions]): TopicRecord => {
    const name = `recovered-${id}`
    const what = `nothing says the name and settings of topic ${id} any more: it is called ${name}`
    mender.repairs.push({
      file: topicsFolder(folder),
      from: 0,
      to: 0,
      offsets: undefined,
      what,
      kept: undefined,
    })
    const records = newPartitionRecords(partitions).map((record, index) =>
      foundPartition(disk, mender, `${topicsFolder(folder)}/${id}-${index}`, record),
    )
    return { id, name, settings: completeSettings({ partitions }), partitions: records }
  })
  const body = writeShape({ clean: false, topics: [...checkpoint.topics, ...recovered] })
  return { ...journal, checkpoint: { ...journal.checkpoint, body } }
}

/** A partition that begins with the first segment that is there; the rest of it is found by its batches. */
function foundPartition(disk: Disk, mender: Mender, folder: string, empty: PartitionRecord): PartitionRecord {
  const bases = disk
    .list(folder)
    .map(segmentBase)
    .filter((base) => base !== undefined)
  const [start] = bases
  if (start === undefined) return empty
  const epochs: [LeaderEpoch, Offset][] = []
  for (const base of bases) {
    const file = `${segmentPath(folder, base)}.log`
    const bytes = mender.read(file, 0, disk.size(file) ?? 0)
    for (let at = 0; verifyBatch(bytes, at, bytes.length) === undefined; at += batchSizeBytes(bytes, at)) {
      const epoch = batchLeaderEpoch(bytes, at)
      const offset = epochs.length === 0 ? start : batchBaseOffset(bytes, at)
      if (epoch > (epochs.at(-1)?.[0] ?? -1)) epochs.push([epoch, offset])
    }
  }
  if (epochs.length === 0) epochs.push([0, start])
  return { ...empty, start, epochs, segments: [[start, 0, start]] }
}
