import type { Offset, TopicId } from '../base/brands.ts'
import { isMillraceError, MillraceError, messageOf } from '../base/errors.ts'
import type { TopicSettings } from '../record/topic-settings.ts'
import type { DiskLock } from '../sys/disk.ts'
import type { Sys } from '../sys/sys.ts'
import { assignAll, assignOfProducers } from './append-assignment.ts'
import { assignBatches, checkBatches } from './append-batches.ts'
import { Checkpointer } from './checkpointer.ts'
import { compactionKind } from './compaction/compaction.ts'
import { SegmentSwapper } from './compaction/segment-swapper.ts'
import { isDiskError } from './disk-error.ts'
import { FolderNames } from './folder-names.ts'
import { FolderRemover } from './folder-remover.ts'
import { GroupCommit } from './group-commit.ts'
import { Housekeeper, type HousekeepingKind } from './housekeeper.ts'
import type { Housekeeping } from './housekeeping.ts'
import { IndexCache } from './index-cache.ts'
import { type Journal, restartJournal } from './journal.ts'
import { ENTRY_TYPE, type EntryType, JournalBlock } from './journal-entry.ts'
import type { Answer, Log, LogBatch, LogOptions, LogTopic, RecoveryReport } from './log.ts'
import type { OpenFiles } from './open-files.ts'
import type { Partition } from './partition.ts'
import { retentionKind } from './retention.ts'
import { type TopicRecord, writeShape } from './shape-entries.ts'
import type { Topic } from './topic.ts'
import { Topics } from './topics.ts'

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
  readonly #topics: Topics
  readonly #names: FolderNames
  readonly #indexes: IndexCache
  readonly #remover: FolderRemover
  readonly #housekeeper: Housekeeper
  #bytesSinceCheckpoint = 0
  #closing: Answer<void>[] | undefined
  #closed = false

  constructor(parts: LocalLogParts) {
    this.#parts = parts
    this.folder = parts.folder
    this.recovery = parts.recovery
    const { files, options, sys, journal } = parts
    const warn = (message: string) => sys.lines.write('warn', message)
    this.#indexes = new IndexCache(options.indexBytesMax)
    this.#names = new FolderNames(sys.disk, parts.folder)
    this.#remover = new FolderRemover({ disk: sys.disk, files, timers: sys.timers, warn })
    this.#topics = new Topics(
      {
        folder: parts.folder,
        partitions: {
          files,
          indexes: this.#indexes,
          verifyReads: options.verifyReads,
          producerLimits: options,
          now: () => sys.clock.now(),
          startMoved: (partition, answer) => this.#startMoved(partition, answer),
          removeSegment: (segment) => segment.remove((path) => sys.disk.remove(path)),
        },
        newId: (): TopicId => sys.random.uuid(),
        stopped: () => this.#stopped(),
        change: (type, body, written, done) => this.#change(type, body, written, done),
        deleted: (topic) => this.#removeFiles(topic),
      },
      parts.topics,
    )
    this.#commit = new GroupCommit(
      {
        journal,
        timers: sys.timers,
        segmentFirstBytes: options.segmentFirstBytes,
        topicIdBytes: (partition) => (partition.topic as Topic).idBytes,
        beforeFlush: (next) => this.#beforeFlush(next),
        syncNames: (partition) => this.#names.sync(partition),
        prepareFolder: (partition) => this.#names.prepare(partition),
        warn,
      },
      parts.nextNumber,
    )
    this.#checkpointer = new Checkpointer({
      partitions: () => this.#topics.partitions(),
      snapshot: (clean) => this.#snapshot(clean),
      commit: (body, done) => this.#change(ENTRY_TYPE.checkpoint, body, nothing, done),
      covered: () => this.#dropOlderJournals(),
      fail: (error) => this.#commit.fail(error),
      syncNames: (partition) => this.#names.sync(partition),
    })
    this.#housekeeper = this.#makeHousekeeper()
  }

  #makeHousekeeper(): Housekeeper {
    const { sys, options } = this.#parts
    const retention = retentionKind({ roll: (partition, answer) => this.#roll(partition, answer) })
    const housekeeper = new Housekeeper(
      {
        timers: sys.timers,
        clock: sys.clock,
        kinds: [retention, this.#compaction()],
        partitions: () => this.#topics.partitions(),
        warn: (message) => sys.lines.write('warn', message),
      },
      options.housekeeping,
    )
    if (options.housekeeping !== undefined) housekeeper.start()
    return housekeeper
  }

  #compaction(): HousekeepingKind {
    const { sys, options, files } = this.#parts
    const swapper = new SegmentSwapper({
      disk: sys.disk,
      files,
      change: (type, body, written, done) => this.#change(type, body, written, done),
      failed: () => this.failure !== undefined,
      fail: (error) => this.#commit.fail(error),
      warn: (message) => sys.lines.write('warn', message),
    })
    return compactionKind({
      files,
      indexes: this.#indexes,
      swapper,
      mapBytesMax: options.compactionBytesMax,
      now: () => sys.clock.now(),
      random: () => Number.parseInt(sys.random.uuid().slice(0, 8), 16),
      syncFolder: (path) => sys.disk.syncFolder(path),
      nextEntry: () => this.#commit.nextNumber,
      stopped: () => this.#stopped() !== undefined,
      roll: (partition, answer) => this.#roll(partition, answer),
    })
  }

  get housekeeping(): Housekeeping {
    return this.#housekeeper
  }

  get failure(): Error | undefined {
    return this.#commit.failure
  }

  topics(): readonly LogTopic[] {
    return this.#topics.all()
  }

  topic(name: string): LogTopic | undefined {
    return this.#topics.byName(name)
  }

  topicById(id: TopicId): LogTopic | undefined {
    return this.#topics.byId(id)
  }

  createTopic(name: string, settings: TopicSettings, answer: Answer<LogTopic>): void {
    this.#topics.create(name, settings, answer)
  }

  alterTopic(
    name: string,
    changes: Partial<Omit<TopicSettings, 'internal'>>,
    answer: Answer<LogTopic>,
  ): void {
    this.#topics.alter(name, changes, answer)
  }

  deleteTopic(name: string, answer: Answer<void>): void {
    this.#topics.delete(name, answer)
  }

  append(batches: readonly LogBatch[], answer: Answer<readonly Offset[]>): readonly Offset[] {
    const stopped = this.#stopped()
    if (stopped !== undefined) {
      answer(stopped, undefined)
      return []
    }
    let fsync = batches.length === 0
    let ofProducers = false
    const partitions = batches.map((batch) => {
      const partition = this.#topics.partitionOf(batch)
      if (checkBatches(partition, batch.bytes)) ofProducers = true
      if (partition.topic.settings.durability === 'fsync') fsync = true
      return partition
    })
    const now = this.#parts.sys.clock.now()
    // From here on nothing is refused before the disk is asked, but by what is known of the producers.
    const assigned = ofProducers
      ? assignOfProducers(partitions, batches, now)
      : assignAll(partitions, batches, now)
    if (isMillraceError(assigned)) {
      answer(assigned, undefined)
      return []
    }
    const { parts, offsets, waits } = assigned
    for (const part of parts) this.#bytesSinceCheckpoint += part.bytes.length
    if (parts.length === 0 && !waits) answer(undefined, offsets)
    else this.#commit.put({ kind: 'append', parts, fsync: fsync || waits, offsets, answer })
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
    this.#housekeeper.stop(() =>
      this.#commit.whenIdle(() => {
        if (this.failure !== undefined) this.#end(undefined)
        else this.#checkpointer.whenDone(() => this.#commit.whenIdle(() => this.#closeCleanly()))
      }),
    )
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
    this.#remover.stop()
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

  /** Begins a new segment of the partition behind what was appended, by an append without bytes. */
  #roll(partition: Partition, answer: Answer<void>): void {
    const stopped = this.#stopped()
    if (stopped !== undefined) {
      answer(stopped, undefined)
      return
    }
    const part = assignBatches(partition, new Uint8Array(0), 0)
    const answerRolled: Answer<unknown> = (error) => answer(error, undefined)
    this.#commit.put({ kind: 'append', parts: [part], fsync: true, offsets: [], answer: answerRolled })
  }

  #startMoved(partition: Partition, answer: Answer<Offset>): void {
    const { start } = partition
    const stopped = this.#stopped()
    if (stopped !== undefined) {
      answer(stopped, undefined)
      return
    }
    const producers = partition.transactions.appended()
    const moved = { topic: partition.topic.id, partition: partition.index, start }
    const body = writeShape(producers.length === 0 ? moved : { ...moved, producers })
    this.#change(ENTRY_TYPE.startMoved, body, nothing, (error) => {
      if (error === undefined) this.#dropBelow(partition, start)
      answer(error, error === undefined ? start : undefined)
    })
  }

  #dropBelow(partition: Partition, start: Offset): void {
    if (partition.removed) return
    try {
      partition.dropBelow(start)
    } catch (failed) {
      if (!isDiskError(failed)) throw failed
      // The files stay until the next opening, which removes what lies below the start.
      this.#parts.sys.lines.write('warn', `old segments of ${partition.name} stay: ${messageOf(failed)}`)
    }
  }

  #removeFiles({ partitions }: Topic): void {
    for (const partition of partitions) {
      this.#names.forget(partition)
      for (const segment of partition.segments) segment.abandon()
    }
    this.#remover.add(partitions.map(({ folder }) => folder))
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
    return writeShape({ clean, topics: this.#topics.records() })
  }
}

function nothing(): void {}
