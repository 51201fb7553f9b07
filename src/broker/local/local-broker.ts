/**
 * The broker over the log of this process (ARCHITECTURE D3).
 *
 * Groups are a keyed store over an internal topic: `__positions`, one partition, a record for each join and each commit.
 * A commit's record goes into the same group of the log as its batches, so both are there or neither is.
 *
 * Invariants: whether a membership is current is decided in the same step in which the log assigns offsets, so nothing
 * of an older generation can come behind a join. Positions change when they are durable, in the order of the log.
 *
 * Cost: one record with the changed positions a commit. The topic is rewritten as one record a group when it has grown
 * by `POSITIONS_BYTES_MAX`.
 */
import type { Offset, PartitionId, Timestamp, TopicId } from '../../base/brands.ts'
import { isMillraceError, MillraceError } from '../../base/errors.ts'
import type { Log, LogPartition, LogTopic } from '../../log/log.ts'
import { BatchBuilder } from '../../record/batch-builder.ts'
import { batchRecordCount } from '../../record/batch-header.ts'
import type { Sys } from '../../sys/sys.ts'
import type {
  Answer,
  Broker,
  BrokerLimits,
  CommitGroup,
  CommitOutcome,
  CommittedPosition,
  Membership,
  PartitionBatch,
  PartitionBounds,
  PartitionReader,
  TopicDescription,
  TopicSettings,
} from '../broker.ts'
import { boundsOf } from './bounds.ts'
import { GroupStates } from './group-states.ts'
import { LocalReader } from './local-reader.ts'
import { offsetForTime } from './offset-for-time.ts'
import { appendPositionRecord, type PositionRecord } from './position-record.ts'

export const POSITIONS_TOPIC = '__positions'

export interface LocalBrokerOptions {
  /** The positions topic is rewritten when it has grown by so much. Default 4 MiB. */
  readonly positionsBytesMax?: number
}

const POSITIONS_BYTES_MAX = 4 * 1024 * 1024
const POSITIONS_SEGMENT_BYTES = 8 * 1024 * 1024

/** Kafka's `message.max.bytes`; a group is bounded by what a journal entry should hold in memory. */
const LIMITS: BrokerLimits = Object.freeze({
  recordBytesMax: 1_048_588,
  commitBytesMax: 256 * 1024 * 1024,
  conditions: true,
})

export class LocalBroker implements Broker {
  readonly limits = LIMITS
  readonly #sys: Sys
  readonly #log: Log
  readonly #positionsBytesMax: number
  readonly #groups = new GroupStates()
  readonly #builder = new BatchBuilder()
  /** Groups with positions on their way to the disk, all together. */
  #inFlight = 0
  #positionsBytes = 0
  #closed = false

  /** @throws MillraceError MILLRACE_CORRUPT, MILLRACE_NEWER_FORMAT when the positions cannot be read. */
  constructor(sys: Sys, log: Log, options: LocalBrokerOptions = {}) {
    this.#sys = sys
    this.#log = log
    this.#positionsBytesMax = options.positionsBytesMax ?? POSITIONS_BYTES_MAX
    const partition = this.#positionsPartition()
    if (partition !== undefined) this.#groups.replay(partition)
  }

  topics(): readonly TopicDescription[] {
    return this.#log.topics().map(describe)
  }

  topic(name: string): TopicDescription | undefined {
    const topic = this.#log.topic(name)
    return topic === undefined ? undefined : describe(topic)
  }

  createTopic(name: string, settings: TopicSettings, answer: Answer<TopicDescription>): void {
    guarded(answer, (once) =>
      this.#log.createTopic(name, settings, (error, topic) => {
        once(error, topic === undefined ? undefined : describe(topic))
      }),
    )
  }

  bounds(topic: TopicId, partition: PartitionId): PartitionBounds {
    return boundsOf(this.#partition(topic, partition))
  }

  offsetForTime(topic: TopicId, partition: PartitionId, timestamp: Timestamp, answer: Answer<Offset>): void {
    guarded(answer, (once) => once(undefined, offsetForTime(this.#partition(topic, partition), timestamp)))
  }

  read(topic: TopicId, partition: PartitionId, from: Offset, wake: () => void): PartitionReader {
    return new LocalReader(this.#partition(topic, partition), from, wake)
  }

  append(batches: readonly PartitionBatch[], answer: Answer<readonly Offset[]>): void {
    guarded(answer, (once) => {
      const error = this.#tooLarge(batches)
      if (error === undefined) this.#log.append(batches, once)
      else once(error, undefined)
    })
  }

  join(group: string, answer: Answer<Membership>): void {
    const settings = { partitions: 1, internal: true, segmentBytes: POSITIONS_SEGMENT_BYTES }
    guarded(answer, (once) =>
      this.#log.createTopic(POSITIONS_TOPIC, settings, (error, topic) => {
        if (topic === undefined) once(error, undefined)
        else this.#join(group, once)
      }),
    )
  }

  positions(group: string): readonly CommittedPosition[] {
    return [...this.#groups.of(group).positions.values()]
  }

  commit(commit: CommitGroup, answer: (outcome: CommitOutcome) => void): void {
    const refused = this.#refusal(commit)
    if (refused !== undefined) {
      answer(refused)
      return
    }
    const { group, generation, member } = commit.membership
    // While commits are on their way nobody knows what they leave: then all positions are written.
    const positions = this.#inFlight === 0 ? this.#groups.changed(group, commit.positions) : commit.positions
    if (positions.length === 0 && commit.batches.length === 0) {
      answer({ kind: 'committed', baseOffsets: [] })
      return
    }
    const batches = [...commit.batches]
    const records = positions.length === 0 ? [] : [{ group, generation, member, positions, whole: false }]
    this.#write(batches, records, (error, offsets) => {
      if (offsets !== undefined) {
        answer({ kind: 'committed', baseOffsets: offsets.slice(0, commit.batches.length) })
      } else if (this.#log.failure === undefined) {
        answer({ kind: 'refused', reason: 'disk', error: error as Error })
      } else {
        answer({ kind: 'unknown', error: error as Error })
      }
    })
  }

  releaseChangelog(topic: TopicId, partition: PartitionId, before: Offset): void {
    const changelog = this.#partition(topic, partition)
    changelog.cutBefore(Math.min(before, changelog.end))
  }

  close(answer: Answer<void>): void {
    this.#closed = true
    this.#log.close(answer)
  }

  #join(group: string, answer: Answer<Membership>): void {
    const state = this.#groups.of(group)
    // From this step on commits of older generations are refused; those before it are before it in the log as well.
    state.generation += 1
    state.member = this.#sys.random.uuid()
    const { generation, member } = state
    this.#write([], [{ group, generation, member, positions: [], whole: false }], (error) => {
      answer(error, error === undefined ? { group, member, generation } : undefined)
    })
  }

  /** Why a commit is not even tried. */
  #refusal({ batches, positions, membership, conditions }: CommitGroup): CommitOutcome | undefined {
    const { group, generation, member } = membership
    const state = this.#groups.of(group)
    if (generation !== state.generation || member !== state.member) {
      const message = `generation ${generation} of group ${group} is over, the present one is ${state.generation}: join again`
      return { kind: 'refused', reason: 'fenced', error: new MillraceError('MILLRACE_FENCED', message) }
    }
    const stopped = this.#stopped()
    if (stopped !== undefined) return { kind: 'refused', reason: 'disk', error: stopped }
    const tooLarge = this.#tooLarge(batches)
    if (tooLarge !== undefined) return { kind: 'refused', reason: 'tooLarge', error: tooLarge }
    for (const { topic, partition } of positions) this.#partition(topic, partition)
    for (const { topic, partition, end } of conditions) {
      const { appended, topic: named } = this.#partition(topic, partition)
      if (appended === end) continue
      const message = `${named.name}-${partition} ends at offset ${appended}, expected ${end}: read on and try again`
      return { kind: 'refused', reason: 'condition', error: new MillraceError('MILLRACE_REFUSED', message) }
    }
    return undefined
  }

  /** Appends batches and records of positions as one group, and applies the records when they are durable. */
  #write(
    batches: PartitionBatch[],
    records: readonly PositionRecord[],
    answer: Answer<readonly Offset[]>,
  ): void {
    const partition = this.#positionsPartition()
    if (records.length > 0 && partition !== undefined) {
      const bytes = this.#encode(records)
      this.#positionsBytes += bytes.length
      batches.push({ topic: partition.topic.id, partition: partition.index, bytes })
    }
    this.#inFlight += 1
    this.#log.append(batches, (error, offsets) => {
      this.#inFlight -= 1
      if (error === undefined) for (const record of records) this.#groups.apply(record)
      answer(error, offsets)
      if (error === undefined) this.#rewritePositions()
    })
  }

  /**
   * Keeps the positions topic small. Only while no commit is on its way: a whole record must not come behind a
   * commit that it does not know. Power fails between its durability and the cut: the topic is longer, replay ends
   * the same.
   */
  #rewritePositions(): void {
    const partition = this.#positionsPartition()
    if (this.#positionsBytes < this.#positionsBytesMax || this.#inFlight > 0 || partition === undefined)
      return
    if (this.#stopped() !== undefined) return
    const bytes = this.#encode(this.#groups.whole())
    this.#positionsBytes = 0
    this.#inFlight += 1
    this.#log.append([{ topic: partition.topic.id, partition: partition.index, bytes }], (error, offsets) => {
      this.#inFlight -= 1
      const base = offsets?.[0]
      // A full disk is no harm here: it is tried again after the next growth.
      if (error === undefined && base !== undefined) partition.cutBefore(base)
    })
  }

  #encode(records: readonly PositionRecord[]): Uint8Array {
    const now = this.#sys.clock.now()
    this.#builder.reset()
    for (const record of records) appendPositionRecord(this.#builder, now, record)
    return this.#builder.build()
  }

  #stopped(): Error | undefined {
    if (this.#log.failure !== undefined) return this.#log.failure
    if (!this.#closed) return undefined
    return new MillraceError('MILLRACE_CLOSED', `the log in ${this.#log.folder} is closed: open it again`)
  }

  /** @throws MillraceError MILLRACE_UNKNOWN_TOPIC. */
  #tooLarge(batches: readonly PartitionBatch[]): MillraceError | undefined {
    let total = 0
    for (const { topic, partition, bytes } of batches) {
      total += bytes.length
      const known = this.#partition(topic, partition).topic
      if (bytes.length <= LIMITS.recordBytesMax || batchRecordCount(bytes, 0) > 1) continue
      // State that one key holds may be larger than what a user may send.
      if (known.settings.internal) continue
      const message = `a record for ${known.name}-${partition} takes ${bytes.length} bytes, at most ${LIMITS.recordBytesMax} are allowed: split it`
      return new MillraceError('MILLRACE_RECORD_TOO_LARGE', message)
    }
    if (total <= LIMITS.commitBytesMax) return undefined
    const message = `a group takes ${total} bytes, at most ${LIMITS.commitBytesMax} are allowed: commit earlier`
    return new MillraceError('MILLRACE_RECORD_TOO_LARGE', message)
  }

  #positionsPartition(): LogPartition | undefined {
    return this.#log.topic(POSITIONS_TOPIC)?.partitions[0]
  }

  #partition(topic: TopicId, partition: PartitionId): LogPartition {
    const known = this.#log.topicById(topic)
    const found = known?.partitions[partition]
    if (found !== undefined) return found
    const what =
      known === undefined
        ? `there is no topic with the id ${topic}`
        : `${known.name} has ${known.partitions.length} partitions`
    throw new MillraceError('MILLRACE_UNKNOWN_TOPIC', `partition ${partition} is wanted, but ${what}`)
  }
}

function describe({ id, name, settings }: LogTopic): TopicDescription {
  const { partitions, durability, internal } = settings
  return { id, name, partitions, durability, internal }
}

/** What the log throws for a fault of the caller goes the way of all other errors; faults of the program do not. */
function guarded<T>(answer: Answer<T>, call: (answer: Answer<T>) => void): void {
  let answered = false
  try {
    call((error, value) => {
      answered = true
      answer(error, value)
    })
  } catch (error) {
    // An error of the answer itself is its owner's.
    if (answered || !isMillraceError(error)) throw error
    answer(error, undefined)
  }
}
