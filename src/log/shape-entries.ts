import type { LeaderEpoch, Offset, PartitionId, TopicId } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import type { JournalEntry } from './journal-entry.ts'
import type { ProducerRecord } from './producer-entry.ts'
import { type CompleteSettings, completeSettings } from './topic-settings.ts'

/*
 * The bodies of the journal's rare entries: JSON, because they grow new fields and are read by people in need.
 * Their version is the entry's.
 */

export interface TopicCreated {
  readonly id: TopicId
  readonly name: string
  readonly settings: CompleteSettings
}

/** All settings, the changed ones and the others; partitions beyond those that were there are new and empty. */
export interface TopicAltered {
  readonly id: TopicId
  readonly settings: CompleteSettings
}

export interface TopicDeleted {
  readonly id: TopicId
}

export interface StartMoved {
  readonly topic: TopicId
  readonly partition: PartitionId
  readonly start: Offset
  /**
   * All that is known when the entry is written. The batches that say so may be gone with their segment when the
   * journal is played again. Left out if there are none.
   */
  readonly producers?: readonly ProducerRecord[]
}

export interface SegmentRolled {
  readonly topic: TopicId
  readonly partition: PartitionId
  /** Base offset of the new segment. */
  readonly base: Offset
}

/** One segment takes the place of several; see segment-swap.ts. */
export interface SegmentSwap {
  /** Bases of the old segments; the first one is that of the new segment. */
  readonly old: readonly Offset[]
  readonly sizeBytes: number
  readonly next: Offset
  /** Behind the name of the new file, until it has its own. */
  readonly suffix: string
  /** What the transaction index of the new segment must hold. */
  readonly aborted: AbortedRecord | null
}

export interface SegmentsSwapped {
  readonly topic: TopicId
  readonly partition: PartitionId
  readonly swap: SegmentSwap
  readonly removedTombstone: Offset | null
  /** As in {@link StartMoved}. */
  readonly producers?: readonly ProducerRecord[]
}

/** Compaction went over the partition. */
export interface PartitionCleaned {
  readonly topic: TopicId
  readonly partition: PartitionId
  /** No key has two records below. */
  readonly cleanedTo: Offset
}

/**
 * Everything that is not in the segments, up to some entry number. A journal file's checkpoint covers all entries
 * below the file's first one; what it says about segments is synced.
 */
export interface Checkpoint {
  /** Written by `close`: nothing came after it, and no segment needs a look. */
  readonly clean: boolean
  readonly topics: readonly TopicRecord[]
}

export interface TopicRecord extends TopicCreated {
  readonly partitions: readonly PartitionRecord[]
}

/** The metadata of a partition. Fields of later versions are refused by `version`. */
export interface PartitionRecord {
  readonly version: number
  readonly start: Offset
  /** Ascending; the last one is the current epoch. */
  readonly epochs: readonly (readonly [epoch: LeaderEpoch, start: Offset])[]
  /** False: it takes no appends any more (it was split or merged). */
  readonly open: boolean
  /** The hashes of keys that belong here, both ends included; null: by the number of partitions. */
  readonly keyRange: readonly [from: number, to: number] | null
  /** The highest offset of a tombstone that compaction removed. */
  readonly removedTombstone: Offset | null
  readonly segments: readonly (readonly [base: Offset, sizeBytes: number, next: Offset])[]
  /** No key has two records below; left out: nothing was compacted. */
  readonly cleanedTo?: Offset
  /** It counts, but perhaps its files are not in their places; left out nearly always. */
  readonly swap?: SegmentSwap
  /** Those that wrote lately; since version 2. */
  readonly producers: readonly ProducerRecord[]
  /** Of the segments with abort markers; since version 2. */
  readonly aborted: readonly AbortedRecord[]
}

/** What a segment's transaction index must hold; a count of -1: it is to be made again. */
export type AbortedRecord = readonly [base: Offset, count: number, crc: number]

export const PARTITION_RECORD_VERSION = 2

export type Shape =
  | TopicCreated
  | TopicAltered
  | TopicDeleted
  | StartMoved
  | SegmentRolled
  | SegmentsSwapped
  | PartitionCleaned
  | Checkpoint

export function newPartitionRecords(partitions: number): PartitionRecord[] {
  return Array.from({ length: partitions }, () => ({
    version: PARTITION_RECORD_VERSION,
    start: 0,
    epochs: [[0, 0]] as const,
    open: true,
    keyRange: null,
    removedTombstone: null,
    segments: [[0, 0, 0]] as const,
    producers: [],
    aborted: [],
  }))
}

export function writeShape(shape: Shape): Uint8Array {
  return Buffer.from(JSON.stringify(shape), 'utf8')
}

/** The checksum held, so the bytes are what a writer of this version wrote. */
export function readShape<T extends Shape>(entry: JournalEntry): T {
  try {
    return JSON.parse(Buffer.from(entry.body).toString('utf8')) as T
  } catch (cause) {
    throw new MillraceError(
      'MILLRACE_CORRUPT',
      `the journal entry at ${entry.file}:${entry.position} is no JSON`,
      { cause },
    )
  }
}

export function readCheckpoint(entry: JournalEntry): Checkpoint {
  const checkpoint = readShape<Checkpoint>(entry)
  for (const topic of checkpoint.topics) {
    for (const partition of topic.partitions) {
      if (partition.version > PARTITION_RECORD_VERSION) {
        throw new MillraceError(
          'MILLRACE_NEWER_FORMAT',
          `partition records of topic ${topic.name} in ${entry.file} have version ${partition.version}; this program knows up to ${PARTITION_RECORD_VERSION}: use a newer one`,
        )
      }
    }
  }
  // The first format had fewer settings.
  const topics = checkpoint.topics.map((topic) => ({
    ...topic,
    settings: completeSettings(topic.settings),
    partitions: topic.partitions.map(withProducers),
  }))
  return { ...checkpoint, topics }
}

export function readTopicCreated(entry: JournalEntry): TopicCreated {
  const created = readShape<TopicCreated>(entry)
  return { ...created, settings: completeSettings(created.settings) }
}

/** Before version 2 nothing was known of producers. */
function withProducers(record: PartitionRecord): PartitionRecord {
  if (record.version === PARTITION_RECORD_VERSION) return record
  return { ...record, version: PARTITION_RECORD_VERSION, producers: [], aborted: [] }
}
