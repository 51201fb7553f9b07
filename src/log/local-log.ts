import { assert } from '../base/assert.ts'
import type { Offset, TopicId } from '../base/brands.ts'
import { MillraceError, messageOf } from '../base/errors.ts'
import {
  assignBatch,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchLastOffset,
  batchSizeBytes,
} from '../record/batch-header.ts'
import type { DiskLock } from '../sys/disk.ts'
import type { Sys } from '../sys/sys.ts'
import { Checkpointer } from './checkpointer.ts'
import { isDiskError } from './disk-error.ts'
import { GroupCommit } from './group-commit.ts'
import { uuidBytes } from './group-entry.ts'
import { type Journal, restartJournal } from './journal.ts'
import { ENTRY_TYPE, type EntryType, JournalBlock } from './journal-entry.ts'
import type { Answer, Log, LogBatch, LogOptions, LogTopic, LogTopicSettings, RecoveryReport } from './log.ts'
import { partitionFolder, topicsFolder } from './log-paths.ts'
import type { OpenFiles } from './open-files.ts'
import { Partition, type PartitionHost } from './partition.ts'
import type { PlacedPart } from './placement.ts'
import { newPartitionRecords } from './recovery.ts'
import { type Checkpoint, type TopicRecord, writeShape } from './shape-entries.ts'

export const DEFAULT_SEGMENT_BYTES = 64 * 1024 * 1024
const SEGMENT_BYTES_MIN = 1024
/** Positions in index files are signed 32-bit numbers. */
const SEGMENT_BYTES_MAX = 0x7fff_ffff
const PARTITIONS_MAX = 100_000

/** A topic with its partitions as the log sees them. */
class Topic implements LogTopic {
  readonly id: TopicId
  readonly name: string
  readonly settings: Required<LogTopicSettings>
  readonly partitions: readonly Partition[]
  readonly idBytes: Uint8Array

  constructor(host: PartitionHost, log: string, record: TopicRecord) {
    this.id = record.id
    this.name = record.name
    this.settings = record.settings
    this.idBytes = uuidBytes(record.id)
    this.partitions = record.partitions.map(
      (partition, index) =>
        new Partition(host, this, index, partitionFolder(log, record.id, index), partition),
    )
  }
}

export interface LocalLogParts {
  readonly sys: Sys
  readonly folder: string
  readonly options: Required<LogOptions>
  readonly lock: DiskLock
  readonly files: OpenFiles
  readonly journal: Journal
  readonly nextNumber: number
  readonly topics: readonly TopicRecord[]
  readonly recovery: RecoveryReport
}

/** The log over a disk: topics by name and id; appends and changes of shape go through the group commit. */
export class LocalLog implements Log {
  readonly folder: string
  readonly recovery: RecoveryReport
  readonly #parts: LocalLogParts
  readonly #commit: GroupCommit
  readonly #checkpointer: Checkpointer
  readonly #partitionHost: PartitionHost
  /** In the journal, so a checkpoint names them; acknowledged ones are in the two maps. */
  readonly #written = new Map<TopicId, Topic>()
  readonly #byName = new Map<string, Topic>()
  readonly #byId = new Map<TopicId, Topic>()
  readonly #creating = new Map<string, Answer<LogTopic>[]>()
  /** Partitions whose folder's, or a file's, name is not durable. */
  readonly #unsyncedNames = new Set<Partition>()
  #bytesSinceCheckpoint = 0
  #closing: Answer<void>[] | undefined
  #closed = false

  constructor(parts: LocalLogParts) {
    this.#parts = parts
    this.folder = parts.folder
    this.recovery = parts.recovery
    const { files, options, sys, journal } = parts
    this.#partitionHost = {
      files,
      verifyReads: options.verifyReads,
      startMoved: (partition) => this.#startMoved(partition),
      removeSegment: (segment) => segment.remove((path) => sys.disk.remove(path)),
    }
    for (const record of parts.topics) this.#publish(new Topic(this.#partitionHost, this.folder, record))
    for (const topic of this.#byId.values()) this.#written.set(topic.id, topic)
    const syncNames = (partition: Partition) => this.#syncNames(partition)
    this.#commit = new GroupCommit(
      {
        journal,
        timers: sys.timers,
        segmentFirstBytes: options.segmentFirstBytes,
        topicIdBytes: (partition) => (partition.topic as Topic).idBytes,
        beforeFlush: (next) => this.#beforeFlush(next),
        syncNames,
        prepareFolder: (partition) => this.#prepareFolder(partition),
        warn: (message) => sys.lines.write('warn', message),
      },
      parts.nextNumber,
    )
    this.#checkpointer = new Checkpointer({
      partitions: () => this.#partitions(),
      snapshot: (clean) => this.#snapshot(clean),
      commit: (body, done) => this.#change(ENTRY_TYPE.checkpoint, body, nothing, (error) => !error && done()),
      covered: () => this.#dropOlderJournals(),
      fail: (error) => this.#commit.fail(error),
      syncNames,
    })
  }

  get failure(): Error | undefined {
    return this.#commit.failure
  }

  topics(): readonly LogTopic[] {
    return [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  topic(name: string): LogTopic | undefined {
    return this.#byName.get(name)
  }

  topicById(id: TopicId): LogTopic | undefined {
    return this.#byId.get(id)
  }

  createTopic(name: string, settings: LogTopicSettings, answer: Answer<LogTopic>): void {
    const complete = checkedSettings(name, settings)
    const known = this.#byName.get(name)
    if (known !== undefined) {
      answerExisting(known, complete, answer)
      return
    }
    const stopped = this.#stopped()
    if (stopped !== undefined) {
      answer(stopped, undefined)
      return
    }
    const others = this.#creating.get(name)
    if (others !== undefined) {
      others.push((error, topic) =>
        topic === undefined ? answer(error, undefined) : answerExisting(topic, complete, answer),
      )
      return
    }
    this.#create(name, complete, answer)
  }

  append(batches: readonly LogBatch[], answer: Answer<readonly Offset[]>): readonly Offset[] {
    const stopped = this.#stopped()
    if (stopped !== undefined) {
      answer(stopped, undefined)
      return []
    }
    let fsync = batches.length === 0
    const partitions = batches.map((batch) => {
      const partition = this.#partitionOf(batch)
      checkBatches(partition, batch.bytes)
      if (partition.topic.settings.durability === 'fsync') fsync = true
      return partition
    })
    // All are valid: from here on nothing is refused before the disk is asked.
    const parts = batches.map(({ bytes }, index) => assign(partitions[index] as Partition, bytes))
    for (const part of parts) this.#bytesSinceCheckpoint += part.bytes.length
    const offsets = parts.map((part) => part.first)
    if (parts.length === 0) answer(undefined, offsets)
    else this.#commit.put({ kind: 'append', parts, fsync, offsets, answer })
    return offsets
  }

  close(answer: Answer<void>): void {
    if (this.#closed) {
      answer(undefined, undefined)
      return
    }
    if (this.#closing !== undefined) {
      this.#closing.push(answer)
      return
    }
    this.#closing = [answer]
    this.#commit.whenIdle(() => {
      if (this.failure !== undefined) this.#end(undefined)
      else this.#checkpointer.whenDone(() => this.#commit.whenIdle(() => this.#closeCleanly()))
    })
  }

  /** Everything is synced, then the state as a clean checkpoint is the whole journal. */
  #closeCleanly(): void {
    if (this.failure !== undefined) {
      this.#end(undefined)
      return
    }
    this.#checkpointer.syncAll((error) => {
      if (error !== undefined) {
        this.#end(error)
        return
      }
      try {
        const block = new JournalBlock()
        const number = this.#commit.nextNumber
        block.begin(number, number, ENTRY_TYPE.checkpoint)
        block.put(this.#snapshot(true))
        block.end()
        this.#parts.journal.close()
        restartJournal(this.#parts.sys.disk, this.folder, number, block)
        this.#end(undefined)
      } catch (failed) {
        if (!isDiskError(failed)) throw failed
        this.#end(failed as Error)
      }
    })
  }

  #end(error: Error | undefined): void {
    this.#closed = true
    this.#parts.journal.close()
    this.#parts.files.closeAll()
    this.#parts.lock.release()
    for (const answer of this.#closing ?? []) answer(error, undefined)
  }

  #stopped(): Error | undefined {
    if (this.#closing !== undefined)
      return new MillraceError('MILLRACE_CLOSED', `the log ${this.folder} is closed; open it again`)
    const { failure } = this
    if (failure === undefined) return undefined
    return new MillraceError(
      'MILLRACE_DISK',
      `the log ${this.folder} takes nothing any more since an earlier failure; open it again (${messageOf(failure)})`,
      { cause: failure },
    )
  }

  #create(name: string, settings: Required<LogTopicSettings>, answer: Answer<LogTopic>): void {
    const id: TopicId = this.#parts.sys.random.uuid()
    const created = { id, name, settings }
    const topic = new Topic(this.#partitionHost, this.folder, {
      ...created,
      partitions: newPartitionRecords(settings.partitions),
    })
    const answers = [answer]
    this.#creating.set(name, answers)
    this.#change(
      ENTRY_TYPE.topicCreated,
      writeShape(created),
      () => this.#written.set(id, topic),
      (error) => {
        this.#creating.delete(name)
        if (error === undefined) this.#publish(topic)
        for (const each of answers) each(error, error === undefined ? topic : undefined)
      },
    )
  }

  #publish(topic: Topic): void {
    this.#byName.set(topic.name, topic)
    this.#byId.set(topic.id, topic)
  }

  #startMoved(partition: Partition): void {
    const { start } = partition
    if (this.#stopped() !== undefined) return
    const body = writeShape({ topic: partition.topic.id, partition: partition.index, start })
    this.#change(ENTRY_TYPE.startMoved, body, nothing, (error) => {
      if (error !== undefined) return
      try {
        partition.dropBelow(start)
      } catch (failed) {
        if (!isDiskError(failed)) throw failed
        // The files stay until the next opening, which removes what lies below the start.
        this.#parts.sys.lines.write('warn', `old segments of ${partition.name} stay: ${messageOf(failed)}`)
      }
    })
  }

  #change(
    type: EntryType,
    body: Uint8Array,
    written: () => void,
    done: (error: Error | undefined) => void,
  ): void {
    if (this.failure !== undefined) done(this.failure)
    else this.#commit.put({ kind: 'change', type, body, written, done })
  }

  /** Begins a checkpoint when the journal is full, or when a recovery would have much to compare. */
  #beforeFlush(next: number): void {
    if (this.#checkpointer.running) return
    const { journal, options } = this.#parts
    if (!journal.isFull && this.#bytesSinceCheckpoint < 4 * options.journalBytesMax) return
    journal.rotate(next)
    this.#bytesSinceCheckpoint = 0
    this.#checkpointer.begin()
  }

  #dropOlderJournals(): void {
    try {
      this.#parts.journal.dropOlder()
    } catch (failed) {
      if (!isDiskError(failed)) throw failed
      // No reader looks at what lies below the newest checkpoint; the next one, or the next opening, removes it.
      this.#parts.sys.lines.write('warn', `old journal files stay: ${messageOf(failed)}`)
    }
  }

  #snapshot(clean: boolean): Uint8Array {
    const checkpoint: Checkpoint = {
      clean,
      topics: [...this.#written.values()].map(({ id, name, settings, partitions }) => ({
        id,
        name,
        settings,
        partitions: partitions.map((partition) => partition.record()),
      })),
    }
    return writeShape(checkpoint)
  }

  *#partitions(): Generator<Partition, void, undefined> {
    for (const topic of this.#written.values()) yield* topic.partitions
  }

  #prepareFolder(partition: Partition): void {
    this.#parts.sys.disk.makeFolder(partition.folder)
    this.#unsyncedNames.add(partition)
  }

  #syncNames(partition: Partition): void {
    if (!this.#unsyncedNames.has(partition)) return
    this.#parts.sys.disk.syncFolder(topicsFolder(this.folder))
    this.#parts.sys.disk.syncFolder(partition.folder)
    this.#unsyncedNames.delete(partition)
  }

  #partitionOf({ topic, partition }: LogBatch): Partition {
    const found = this.#byId.get(topic)
    if (found === undefined) {
      throw new MillraceError(
        'MILLRACE_UNKNOWN_TOPIC',
        `there is no topic with the id ${topic} in ${this.folder}`,
      )
    }
    const result = found.partitions[partition]
    if (result === undefined) {
      throw new MillraceError(
        'MILLRACE_INVALID_ARGUMENT',
        `topic ${found.name} has partitions 0 to ${found.partitions.length - 1}, not ${partition}`,
      )
    }
    return result
  }
}

function nothing(): void {}

function answerExisting(topic: LogTopic, wanted: Required<LogTopicSettings>, answer: Answer<LogTopic>): void {
  const { partitions } = topic.settings
  if (partitions === wanted.partitions) {
    answer(undefined, topic)
    return
  }
  answer(
    new MillraceError(
      'MILLRACE_TOPIC_EXISTS',
      `topic ${topic.name} exists with ${partitions} partitions, not ${wanted.partitions}; use that number, or another name`,
    ),
    undefined,
  )
}

function checkedSettings(name: string, settings: LogTopicSettings): Required<LogTopicSettings> {
  const {
    partitions,
    durability = 'fsync',
    internal = false,
    segmentBytes = DEFAULT_SEGMENT_BYTES,
  } = settings
  if (name === '')
    throw new MillraceError('MILLRACE_INVALID_ARGUMENT', 'a topic has a name that is not empty')
  if (!Number.isSafeInteger(partitions) || partitions < 1 || partitions > PARTITIONS_MAX) {
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `topic ${name}: partitions is ${partitions}; expected an integer from 1 to ${PARTITIONS_MAX}`,
    )
  }
  if (
    !Number.isSafeInteger(segmentBytes) ||
    segmentBytes < SEGMENT_BYTES_MIN ||
    segmentBytes > SEGMENT_BYTES_MAX
  ) {
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `topic ${name}: segmentBytes is ${segmentBytes}; expected an integer from ${SEGMENT_BYTES_MIN} to ${SEGMENT_BYTES_MAX}`,
    )
  }
  return { partitions, durability, internal, segmentBytes }
}

/** What the log itself relies on: whole batches of the known format. The checksum is the maker's duty. */
function checkBatches(partition: Partition, bytes: Uint8Array): void {
  let at = 0
  let wrong = bytes.length === 0 ? 'there is no batch' : undefined
  while (at < bytes.length && wrong === undefined) {
    if (at + BATCH_HEADER_BYTES > bytes.length) wrong = 'the head is cut off'
    else if (bytes[at + 16] !== BATCH_MAGIC) wrong = `magic is ${bytes[at + 16]}, expected ${BATCH_MAGIC}`
    else {
      const sizeBytes = batchSizeBytes(bytes, at)
      if (sizeBytes < BATCH_HEADER_BYTES || at + sizeBytes > bytes.length)
        wrong = `it says that it has ${sizeBytes} bytes, ${bytes.length - at} are there`
      else if (batchLastOffset(bytes, at) < 0) wrong = 'its last offset is before its first'
      else at += sizeBytes
    }
  }
  if (wrong === undefined) return
  throw new MillraceError(
    'MILLRACE_INVALID_ARGUMENT',
    `the record batch at byte ${at} for ${partition.name} cannot be appended: ${wrong}`,
  )
}

/** Gives the batches their offsets, in the bytes themselves. */
function assign(partition: Partition, bytes: Uint8Array): PlacedPart {
  const first = partition.appended
  let next = first
  for (let at = 0; at < bytes.length; at += batchSizeBytes(bytes, at)) {
    assignBatch(bytes, at, next, partition.leaderEpoch)
    next = batchLastOffset(bytes, at) + 1
  }
  assert(Number.isSafeInteger(next), () => `${partition.name}: offset ${next} is too large`)
  partition.appended = next
  partition.waitingBytes += bytes.length
  return {
    partition,
    bytes,
    first,
    next,
    segment: undefined,
    position: 0,
    rolled: false,
    segmentFirst: false,
  }
}
