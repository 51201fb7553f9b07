/**
 * The broker over the log of this process (ARCHITECTURE D3).
 *
 * Groups, their positions and transactions are state machines over internal topics (`coordinators/`); their runtime
 * writes them. The positions of a commit go into the same group of the log as its batches, so both are there or
 * neither is.
 *
 * Invariant: whether a membership is current is decided in the same step in which the log assigns offsets, so nothing
 * of an older generation can come behind a join.
 */
import type { Offset, PartitionId, Timestamp, TopicId } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type { Log, LogPartition, LogTopic } from '../../log/log.ts'
import { batchRecordCount } from '../../record/batch-header.ts'
import type { TopicSettings } from '../../record/topic-settings.ts'
import type { Sys } from '../../sys/sys.ts'
import type {
  Answer,
  BrokerLimits,
  CommitGroup,
  CommitOutcome,
  CommittedPosition,
  Isolation,
  Membership,
  PartitionBatch,
  PartitionBounds,
  PartitionReader,
  TopicDescription,
} from '../broker.ts'
import type { CoordinatorRecord } from '../coordinators/coordinator.ts'
import { GroupMachine } from '../coordinators/groups/group-machine.ts'
import { positionRecord } from '../coordinators/groups/group-record.ts'
import { TransactionMachine } from '../coordinators/transactions/transaction-machine.ts'
import type { FullBroker } from '../full-broker.ts'
import type { NewPosition } from '../groups.ts'
import { boundsOf } from './bounds.ts'
import { COORDINATOR_TOPICS, LocalCoordinatorRuntime } from './coordinator-runtime.ts'
import { faultOf, guarded } from './guarded.ts'
import { LocalAdmin } from './local-admin.ts'
import { LocalGroups } from './local-groups.ts'
import { LocalReader } from './local-reader.ts'
import { LocalTransactions } from './local-transactions.ts'
import { offsetForTime } from './offset-for-time.ts'

export interface LocalBrokerOptions {
  /** The topic of a coordinator is rewritten when it has grown by so much. Default 4 MiB. */
  readonly positionsBytesMax?: number
  /** Positions of a group that was empty for so long, while the log was open, are removed. Default 7 days. */
  readonly positionsRetentionMs?: number
}

const REWRITE_BYTES = 4 * 1024 * 1024

/** Kafka's `message.max.bytes`; a group is bounded by what a journal entry should hold in memory. */
const LIMITS: BrokerLimits = Object.freeze({
  recordBytesMax: 1_048_588,
  commitBytesMax: 256 * 1024 * 1024,
  conditions: true,
})

export class LocalBroker implements FullBroker {
  readonly limits = LIMITS
  readonly admin: LocalAdmin
  readonly groups: LocalGroups
  readonly transactions: LocalTransactions
  readonly #log: Log
  readonly #machine: GroupMachine
  readonly #runtime: LocalCoordinatorRuntime

  /** @throws MillraceError MILLRACE_CORRUPT, MILLRACE_NEWER_FORMAT when the state of a coordinator cannot be read. */
  constructor(sys: Sys, log: Log, options: LocalBrokerOptions = {}) {
    this.#log = log
    this.admin = new LocalAdmin(log, {
      partition: (topic, partition) => this.#partition(topic, partition),
      describe,
      deleted: (topic) => this.groups.forgetTopic(topic),
      ownTopics: COORDINATOR_TOPICS,
    })
    const { positionsRetentionMs, positionsBytesMax = REWRITE_BYTES } = options
    const retention = positionsRetentionMs === undefined ? {} : { positionsRetentionMs }
    this.#machine = new GroupMachine(() => sys.random.uuid(), retention)
    const transactions = new TransactionMachine()
    const machines = { groups: this.#machine, transactions }
    this.#runtime = new LocalCoordinatorRuntime(sys, log, machines, { rewriteBytes: positionsBytesMax })
    this.groups = new LocalGroups(this.#machine, {
      runtime: this.#runtime,
      timers: sys.timers,
      stopped: () => this.#runtime.stopped,
      positionFault: (positions) => this.#positionFault(positions),
    })
    this.transactions = new LocalTransactions(transactions, {
      runtime: this.#runtime,
      groups: this.#machine,
      timers: sys.timers,
      stopped: () => this.#runtime.stopped,
      batchFault: (batches) => this.#batchFault(batches),
      exists: ({ topic, partition }) => log.topicById(topic)?.partitions[partition] !== undefined,
    })
    // What is replayed begins to live now.
    this.#machine.begin(this.#runtime.now())
    this.#runtime.replay()
    this.groups.start()
    this.transactions.start()
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

  read(
    topic: TopicId,
    partition: PartitionId,
    from: Offset,
    wake: () => void,
    isolation: Isolation = 'read_committed',
  ): PartitionReader {
    return new LocalReader(this.#partition(topic, partition), from, wake, isolation)
  }

  append(batches: readonly PartitionBatch[], answer: Answer<readonly Offset[]>): void {
    guarded(answer, (once) => {
      const error = this.#tooLarge(batches)
      if (error === undefined) this.#log.append(batches, once)
      else once(error, undefined)
    })
  }

  join(group: string, answer: Answer<Membership>): void {
    this.groups.takeOver(group, answer)
  }

  positions(group: string): readonly CommittedPosition[] {
    const { positions } = this.#machine.positions(group)
    return positions.map(({ topic, partition, offset, leaderEpoch, metadata }) => {
      return { topic, partition, offset, leaderEpoch, metadata }
    })
  }

  commit(commit: CommitGroup, answer: (outcome: CommitOutcome) => void): void {
    const refused = this.#refusal(commit)
    if (refused !== undefined) {
      answer(refused)
      return
    }
    const { batches } = commit
    const groups = this.#positionRecords(commit)
    if (groups.length === 0 && batches.length === 0) {
      answer({ kind: 'committed', baseOffsets: [] })
      return
    }
    this.#runtime.write({ groups, batches }, (error, baseOffsets) => {
      if (baseOffsets !== undefined) answer({ kind: 'committed', baseOffsets })
      else if (this.#log.failure === undefined) {
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
    const { folder } = this.#log
    this.#runtime.close()
    this.transactions.close()
    this.groups.close(new MillraceError('MILLRACE_CLOSED', `the log in ${folder} is closed: open it again`))
    this.#log.close(answer)
  }

  /** Positions that have changed. While writes are on their way nobody knows what they leave: then all are written. */
  #positionRecords({ membership, positions }: CommitGroup): readonly CoordinatorRecord[] {
    const { group } = membership
    const committedAt = this.#runtime.now().wall
    const { isSettled } = this.#runtime
    const records: CoordinatorRecord[] = []
    for (const { topic, partition, offset, leaderEpoch, metadata } of positions) {
      const known = isSettled ? this.#machine.position(group, topic, partition) : undefined
      const same =
        known?.offset === offset && known.metadata === metadata && known.leaderEpoch === leaderEpoch
      if (same) continue
      const position = { topic, partition, offset, leaderEpoch, metadata, committedAt }
      records.push(positionRecord({ group, topic, partition }, position))
    }
    return records
  }

  /** Why a commit is not even tried. */
  #refusal({ batches, positions, membership, conditions }: CommitGroup): CommitOutcome | undefined {
    if (!this.#machine.owns(membership)) {
      const { group, generation } = membership
      const message = `generation ${generation} of group ${group} is over, the present one is ${this.#machine.generation(group)}: join again`
      return { kind: 'refused', reason: 'fenced', error: new MillraceError('MILLRACE_FENCED', message) }
    }
    const { stopped } = this.#runtime
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

  /** @throws MillraceError MILLRACE_UNKNOWN_TOPIC. */
  #tooLarge(batches: readonly PartitionBatch[]): MillraceError | undefined {
    let total = 0
    for (const { topic, partition, bytes } of batches) {
      total += bytes.length
      const known = this.#partition(topic, partition).topic
      const { recordBytesMax } = known.settings
      if (bytes.length <= recordBytesMax || batchRecordCount(bytes, 0) > 1) continue
      const message = `a record for ${known.name}-${partition} takes ${bytes.length} bytes, at most ${recordBytesMax} are allowed: split it, or raise recordBytesMax of the topic`
      return new MillraceError('MILLRACE_RECORD_TOO_LARGE', message)
    }
    if (total <= LIMITS.commitBytesMax) return undefined
    const message = `a group takes ${total} bytes, at most ${LIMITS.commitBytesMax} are allowed: commit earlier`
    return new MillraceError('MILLRACE_RECORD_TOO_LARGE', message)
  }

  #batchFault(batches: readonly PartitionBatch[]): MillraceError | undefined {
    return faultOf(() => this.#tooLarge(batches))
  }

  #positionFault(positions: readonly NewPosition[]): MillraceError | undefined {
    return faultOf(() => {
      for (const { topic, partition } of positions) this.#partition(topic, partition)
      return undefined
    })
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
