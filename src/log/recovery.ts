import type { Offset, Timestamp, TopicId } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import type { Disk } from '../sys/disk.ts'
import { checksum } from './checksum.ts'
import { type GroupPart, readGroup } from './group-entry.ts'
import { confirmJournal } from './journal-confirmation.ts'
import { ENTRY_TYPE, type JournalEntry } from './journal-entry.ts'
import { type JournalContent, readJournal } from './journal-reader.ts'
import type { TailCut } from './log.ts'
import { partitionFolder, topicsFolder } from './log-paths.ts'
import type { Mender } from './mender.ts'
import type { OpenFiles } from './open-files.ts'
import { RecoveredTransactions } from './recovered-transactions.ts'
import { Foresight } from './recovery-foresight.ts'
import {
  damaged,
  folderOf,
  type MutablePartition,
  type MutableSegment,
  type MutableTopic,
  neverCreated,
  newSegment,
  recordOf,
  shortened,
} from './recovery-state.ts'
import { SEGMENT_SUFFIXES } from './segment.ts'
import { finishSwap, swapFile } from './segment-swap.ts'
import {
  newPartitionRecords,
  type PartitionCleaned,
  type PartitionRecord,
  readCheckpoint,
  readShape,
  readTopicCreated,
  type SegmentRolled,
  type SegmentSwap,
  type SegmentsSwapped,
  type StartMoved,
  type TopicAltered,
  type TopicCreated,
  type TopicDeleted,
  type TopicRecord,
} from './shape-entries.ts'
import { removeStrayFiles } from './stray-files.ts'

export interface Recovered {
  readonly topics: readonly TopicRecord[]
  readonly nextNumber: number
  readonly clean: boolean
  readonly entriesReplayed: number
  readonly tailsCut: readonly TailCut[]
}

/** How `check --repair` recovers. */
export interface Mending {
  readonly mender: Mender
  readonly journal: JournalContent
}

/**
 * Brings the segments to what the journal says, and gives the state of the log.
 *
 * From the last checkpoint on the entries are played in order: bytes that lie in the journal are written to their
 * segments, bytes that went to the segments first are compared with their checksum. The first entry that does not hold
 * ends the replay, if nobody was told of it; else it is damage. Then each segment is cut to what the entries cover.
 * Only the end of a segment is read, never what the checkpoint covers.
 *
 * Doing all this again after a power cut in the middle gives the same: the journal is kept until a new checkpoint is
 * durable, and a replay writes the same bytes to the same places; and of a segment that is gone by right, and cannot be
 * made whole, it makes nothing.
 */
export class Recovery {
  readonly #disk: Disk
  readonly #files: OpenFiles
  readonly #log: string
  readonly #now: Timestamp
  readonly #mender: Mender | undefined
  readonly #journal: JournalContent
  readonly #topics = new Map<TopicId, MutableTopic>()
  readonly #tailsCut: TailCut[] = []
  readonly #foresight: Foresight
  /** Folders may have names that are not durable. */
  #foldersNamed = false
  #next: number
  #replayed = 0

  /**
   * @param now what the clock says.
   * @param mending with it, damage is put right instead of refused.
   */
  constructor(disk: Disk, files: OpenFiles, log: string, now: Timestamp, mending?: Mending) {
    this.#disk = disk
    this.#files = files
    this.#log = log
    this.#now = now
    this.#mender = mending?.mender
    this.#journal = mending?.journal ?? readJournal(disk, log)
    this.#foresight = new Foresight(disk, log, this.#journal.entries, mending !== undefined)
    this.#next = this.#journal.next
    if (this.#journal.torn !== undefined) this.#tailsCut.push(this.#journal.torn)
  }

  run(): Recovered {
    const checkpoint = readCheckpoint(this.#journal.checkpoint)
    confirmJournal(this.#disk, this.#log, this.#journal)
    for (const topic of checkpoint.topics) this.#addTopic(topic, topic.partitions)
    if (this.#mender !== undefined) this.#mendCovered(this.#mender)
    for (const entry of this.#journal.entries) {
      if (!this.#play(entry)) break
      this.#replayed += 1
    }
    const clean = checkpoint.clean && this.#journal.endsWithCheckpoint
    for (const topic of this.#topics.values()) {
      for (const partition of topic.partitions) {
        if (this.#journal.lost !== undefined) this.#mender?.adopt(partition)
        this.#settle(partition, clean)
      }
    }
    if (this.#foldersNamed) this.#disk.syncFolder(topicsFolder(this.#log))
    const topics = [...this.#topics.values()]
    const strays = { clean, deleted: this.#foresight.deleted, keep: this.#keepStray() }
    this.#tailsCut.push(...removeStrayFiles(this.#disk, this.#files, this.#log, topics, strays))
    return {
      topics: topics.map((topic) => recordOf(topic, !clean, this.#files)),
      nextNumber: this.#next,
      clean,
      entriesReplayed: this.#replayed,
      tailsCut: this.#tailsCut,
    }
  }

  /** What the checkpoint covers. */
  #mendCovered(mender: Mender): void {
    for (const { created, partitions } of this.#topics.values()) {
      for (const partition of partitions) {
        for (const segment of partition.segments)
          if (!this.#foresight.isReplaced(segment.path)) this.#mend(mender, created.id, partition, segment)
      }
    }
  }

  /**
   * What is there is mended, also where nobody reads it any more: it may stay, and be looked at. What is not there is
   * made, unless its topic was deleted, or the start passed all of it: then it went by right.
   */
  #mend(mender: Mender, topic: TopicId, partition: MutablePartition, segment: MutableSegment): void {
    const file = fileOf(segment, partition)
    const end = Math.max(segment.next, this.#foresight.end(segment.path))
    const mayBeGone = end <= this.#startOf(partition) || this.#foresight.deleted.has(topic)
    if (mayBeGone && !this.#disk.exists(file)) return
    mender.covered(segment, partition, file)
  }

  /** As it will be in the end. */
  #startOf({ start, folder }: MutablePartition): Offset {
    return Math.max(start, this.#foresight.start(folder))
  }

  #addTopic({ id, name, settings }: TopicCreated, partitions: readonly PartitionRecord[]): void {
    const topic: MutableTopic = { created: { id, name, settings }, partitions: [] }
    this.#addPartitions(topic, partitions)
    this.#topics.set(id, topic)
  }

  #addPartitions({ created, partitions }: MutableTopic, records: readonly PartitionRecord[]): void {
    for (const record of records) {
      const folder = partitionFolder(this.#log, created.id, partitions.length)
      const segments = record.segments.map(([base, sizeBytes, next]) =>
        newSegment(folder, base, sizeBytes, next),
      )
      const transactions = new RecoveredTransactions(record, this.#now)
      const partition = { folder, record, start: record.start, segments, transactions }
      partitions.push(partition)
      if (record.swap !== undefined) this.#goOnWith(record.swap, partition)
    }
  }

  /** The new segment counts from here on. What is left to do waits until all of this is durable. */
  #goOnWith(swap: SegmentSwap, partition: MutablePartition): void {
    const { folder, record } = partition
    if (this.#disk.exists(swapFile(folder, swap))) {
      partition.record = { ...record, swap }
      return
    }
    const { swap: _, ...rest } = record
    partition.record = rest
    finishSwap(this.#disk, this.#files, folder, swap)
  }

  #playSwap(entry: JournalEntry): void {
    const { topic, partition, swap, removedTombstone, producers } = readShape<SegmentsSwapped>(entry)
    const state = this.#partition(topic, partition, entry)
    const { folder, segments, transactions } = state
    const at = segments.findIndex(({ base }) => swap.old.includes(base))
    const count = segments.filter(({ base }) => swap.old.includes(base)).length
    const taken = newSegment(folder, swap.old[0] as Offset, swap.sizeBytes, swap.next)
    segments.splice(at, count, taken)
    transactions.swapped(swap.old, swap.next, swap.aborted, producers ?? [])
    state.record = { ...state.record, removedTombstone }
    this.#goOnWith(swap, state)
    // It was durable before the entry was written.
    if (this.#mender !== undefined) this.#mend(this.#mender, topic, state, taken)
  }

  /** False: the entry does not hold, and nobody was told of it. */
  #play(entry: JournalEntry): boolean {
    switch (entry.type) {
      case ENTRY_TYPE.topicCreated: {
        const created = readTopicCreated(entry)
        this.#addTopic(created, newPartitionRecords(created.settings.partitions))
        return true
      }
      case ENTRY_TYPE.topicAltered: {
        const { id, settings } = readShape<TopicAltered>(entry)
        const topic = this.#topic(id, entry)
        topic.created = { ...topic.created, settings }
        this.#addPartitions(topic, newPartitionRecords(settings.partitions - topic.partitions.length))
        return true
      }
      case ENTRY_TYPE.topicDeleted: {
        const { id } = readShape<TopicDeleted>(entry)
        this.#topic(id, entry)
        this.#topics.delete(id)
        return true
      }
      case ENTRY_TYPE.startMoved: {
        const { topic, partition, start, producers } = readShape<StartMoved>(entry)
        const state = this.#partition(topic, partition, entry)
        state.start = Math.max(state.start, start)
        if (producers !== undefined) state.transactions.reset(producers)
        return true
      }
      case ENTRY_TYPE.segmentRolled: {
        const { topic, partition, base } = readShape<SegmentRolled>(entry)
        const { folder, segments } = this.#partition(topic, partition, entry)
        segments.push(newSegment(folder, base, 0, base))
        return true
      }
      case ENTRY_TYPE.segmentsSwapped:
        this.#playSwap(entry)
        return true
      case ENTRY_TYPE.partitionCleaned: {
        const { topic, partition, cleanedTo } = readShape<PartitionCleaned>(entry)
        const state = this.#partition(topic, partition, entry)
        state.record = { ...state.record, cleanedTo }
        return true
      }
      default:
        return this.#playGroup(entry)
    }
  }

  #playGroup(entry: JournalEntry): boolean {
    const parts = readGroup(entry.body, `${entry.file}:${entry.position}`)
    const places = parts.map((part) => this.#placeOf(part, entry))
    for (const [index, part] of parts.entries()) {
      const place = places[index] as PartPlace
      const { segment } = place
      if (segment.gone || part.bytes !== undefined) continue
      const found = this.#readPart(segment, part)
      if (typeof found !== 'string') {
        place.bytes = found
        continue
      }
      if (entry.number < this.#journal.durable) {
        if (this.#mender === undefined) throw damaged(segment, part.position, found)
        this.#mender.part(segment, place.partition, part)
        continue
      }
      this.#stopAt(entry, `${segment.path}.log: ${found}`)
      // What the group's earlier parts added is taken back: the group counts whole or not at all.
      for (const { segment: taken, before } of places) {
        taken.sizeBytes = Math.min(taken.sizeBytes, before.sizeBytes)
        taken.next = Math.min(taken.next, before.next)
      }
      return false
    }
    for (const [index, part] of parts.entries()) {
      const { segment, partition, bytes } = places[index] as PartPlace
      if (part.bytes !== undefined) this.#write(segment, part.bytes, part)
      // Read back is not durable: after a sync that failed, the bytes may be in the page cache only, and as if they had
      // been written. Only what is written again is synced again.
      else if (bytes !== undefined && entry.number >= this.#journal.durable) this.#write(segment, bytes, part)
      segment.touched = true
      if (bytes !== undefined) partition.transactions.replay(bytes)
    }
    return true
  }

  /** Checks that the part follows what is there, and adds it. */
  #placeOf(part: GroupPart, entry: JournalEntry): PartPlace {
    const partition = this.#partition(part.topic, part.partition, entry)
    const last = partition.segments.at(-1) as MutableSegment
    // A roll comes before its group, whose first parts may still belong to the segment before.
    const segment = partition.segments.findLast((each) => each.base === part.segment)
    if (segment?.sizeBytes !== part.position || segment.next !== part.first) {
      throw new MillraceError(
        'MILLRACE_CORRUPT',
        `the journal entry at ${entry.file}:${entry.position} puts offset ${part.first} to ${part.segment}:${part.position} of ${partition.folder}, which ends with offset ${last.next} at ${last.base}:${last.sizeBytes}`,
      )
    }
    const before = { sizeBytes: segment.sizeBytes, next: segment.next }
    if (this.#foresight.isGone(segment.path)) segment.gone = true
    if (!segment.gone) this.#checkCovered(segment)
    segment.sizeBytes += part.sizeBytes
    segment.next = part.next
    return { partition, segment, before, bytes: part.bytes }
  }

  /** What the checkpoint covers must be there before anything is written behind it. */
  #checkCovered(segment: MutableSegment): void {
    const sizeBytes = this.#disk.size(`${segment.path}.log`)
    if (sizeBytes !== undefined && sizeBytes < segment.coveredBytes) throw shortened(segment, sizeBytes)
  }

  /** The bytes of a part that went to the segment, or what is wrong with them. */
  #readPart(segment: MutableSegment, part: GroupPart): Uint8Array | string {
    const path = `${segment.path}.log`
    const sizeBytes = this.#disk.size(path)
    const end = part.position + part.sizeBytes
    if (sizeBytes === undefined || sizeBytes < end) return `it has ${sizeBytes ?? 0} bytes, expected ${end}`
    const bytes = new Uint8Array(part.sizeBytes)
    this.#files.use(path).read(bytes, part.position)
    const crc = checksum(bytes, 0, bytes.length)
    return crc === part.crc ? bytes : `the bytes from ${part.position} to ${end} have another checksum`
  }

  #write(segment: MutableSegment, bytes: Uint8Array, part: GroupPart): void {
    if (segment.gone) return
    const path = `${segment.path}.log`
    if (!this.#disk.exists(path)) {
      if (part.position > 0) throw shortened(segment, 0)
      this.#disk.makeFolder(folderOf(segment))
      this.#files.create(path)
    }
    this.#files.use(path).write(bytes, part.position)
  }

  #stopAt(entry: JournalEntry, why: string): void {
    this.#next = entry.number
    this.#tailsCut.push({
      file: entry.file,
      from: entry.position,
      to: entry.position + entry.body.length,
      why,
    })
  }

  /** Cuts what no entry covers, drops segments below the start, syncs what the replay wrote. */
  #settle(partition: MutablePartition, clean: boolean): void {
    const { segments, record } = partition
    // A segment that was begun for a group that does not count, behind what was taken back with it.
    while (segments.length > 1 && segments.at(-1)?.base !== segments.at(-2)?.next) segments.pop()
    // Then these: an empty segment that the others made way for is the one that stays.
    while (segments.length > 1 && (segments[0] as MutableSegment).next <= partition.start) {
      // A file that waits for its place: the log drops it when the start moves again.
      if (segments[0]?.base === record.swap?.old[0]) break
      this.#removeSegment((segments.shift() as MutableSegment).path)
    }
    // A segment was begun, but the group for it does not count. Its file is a stray one.
    while (segments.length > 1 && (segments.at(-1) as MutableSegment).sizeBytes === 0) segments.pop()
    this.#letGo(partition, clean)
    let named = false
    for (const segment of segments) {
      const path = fileOf(segment, partition)
      const sizeBytes = this.#disk.size(path) ?? 0
      if (sizeBytes < segment.sizeBytes) {
        if (this.#mender === undefined) throw shortened(segment, sizeBytes, path)
        // It seemed to have gone by right; but it stays.
        this.#mender.covered(segment, partition, path)
      }
      if (sizeBytes > segment.sizeBytes) {
        this.#files.use(path).truncate(segment.sizeBytes)
        this.#tailsCut.push({
          file: path,
          from: segment.sizeBytes,
          to: sizeBytes,
          why: 'no durable journal entry covers these bytes',
        })
      }
      if (segment.touched || sizeBytes > segment.sizeBytes) {
        this.#files.use(path).syncNow()
        // A checkpoint that covers some of a segment made its name durable.
        if (segment.coveredBytes === 0 && segment.sizeBytes > 0) named = true
      }
    }
    if (!named) return
    this.#disk.syncFolder(partition.folder)
    this.#foldersNamed = true
  }

  /**
   * The start passed the last segment while the roll to the next one was not durable: the segment went, the roll was
   * lost with the power. Nothing of it is needed.
   */
  #letGo(partition: MutablePartition, clean: boolean): void {
    const { segments, start, folder } = partition
    const [segment, ...others] = segments
    if (clean || segment === undefined || others.length > 0) return
    const { next, sizeBytes } = segment
    if (sizeBytes > 0 && next <= start && !this.#disk.exists(fileOf(segment, partition)))
      segments[0] = newSegment(folder, next, 0, next)
  }

  /** Where entries were lost, a segment that nobody knows may be one that counts. */
  #keepStray(): ((cut: TailCut) => void) | undefined {
    const mender = this.#mender
    if (mender === undefined || this.#journal.lost === undefined) return undefined
    return ({ file, from, to, why }) => {
      const kept = mender.keep(file, from, mender.read(file, from, to))
      mender.repairs.push({ file, from, to, offsets: undefined, what: `${why}: cut`, kept })
    }
  }

  #removeSegment(path: string): void {
    for (const suffix of SEGMENT_SUFFIXES) {
      this.#files.forget(path + suffix)
      this.#disk.remove(path + suffix)
    }
  }

  #partition(topic: TopicId, index: number, entry: JournalEntry): MutablePartition {
    const partition = this.#topic(topic, entry).partitions[index]
    if (partition !== undefined) return partition
    throw neverCreated(`partition ${index} of topic ${topic}`, entry)
  }

  #topic(id: TopicId, entry: JournalEntry): MutableTopic {
    const topic = this.#topics.get(id)
    if (topic !== undefined) return topic
    throw neverCreated(`topic ${id}`, entry)
  }
}

/** Where the segment's batches are: the file that compaction made may still wait for its place. */
function fileOf({ base, path }: MutableSegment, { folder, record: { swap } }: MutablePartition): string {
  return swap?.old[0] === base ? swapFile(folder, swap) : `${path}.log`
}

interface PartPlace {
  readonly partition: MutablePartition
  readonly segment: MutableSegment
  readonly before: { readonly sizeBytes: number; readonly next: Offset }
  /** Undefined: they are gone, with a segment that the start passed. */
  bytes: Uint8Array | undefined
}
