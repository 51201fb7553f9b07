/**
 * Makes commits: one atomic group of outputs, changelogs, views, positions and operator time (SEMANTICS 6.1).
 *
 * State: at most one commit on its way; what was last committed of each position, so that only what moved is written.
 * If the power fails before the group is durable, nothing of it happened; afterwards all of it did. The views take
 * their changes only when the answer is there.
 */
import type { PartitionId, TopicId } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import type {
  Broker,
  CommitOutcome,
  CommittedPosition,
  Membership,
  PartitionBatch,
} from '../../broker/broker.ts'
import type { MemoryStore } from '../../state/memory-store.ts'
import type { Clock } from '../../sys/sys.ts'
import type { SinkOutputOperator } from '../operators/output-operators.ts'
import type { PartitionWriter, TopicWriters } from '../output/topic-writer.ts'
import type { ViewTarget } from '../output/view-target.ts'
import type { Tasks } from '../task/build-tasks.ts'
import type { Input } from './input.ts'
import {
  type EngineEntry,
  inputMetadata,
  operatorTimeText,
  sinkKey,
  sourceKey,
  timeKey,
} from './operator-time.ts'
import { type PendingCommit, placeOf, type ViewPart } from './pending-commit.ts'

/** A store with the writer of its changelog. */
export interface LoggedStore {
  readonly store: MemoryStore<unknown>
  readonly writer: PartitionWriter
}

export class Committer {
  readonly #broker: Broker
  readonly #clock: Clock
  readonly #writers: TopicWriters
  readonly #stores: readonly LoggedStore[]
  readonly #entries: MemoryStore<EngineEntry>
  readonly #entriesWriter: PartitionWriter
  readonly #tasks: Tasks
  readonly #targets: ReadonlyMap<string, ViewTarget>
  readonly #wake: () => void
  readonly #committed = new Map<string, CommittedPosition>()
  #pending: PendingCommit | undefined

  constructor(parts: {
    readonly broker: Broker
    readonly clock: Clock
    readonly writers: TopicWriters
    readonly stores: readonly LoggedStore[]
    readonly entries: MemoryStore<EngineEntry>
    readonly entriesWriter: PartitionWriter
    readonly tasks: Tasks
    readonly targets: ReadonlyMap<string, ViewTarget>
    readonly committed: readonly CommittedPosition[]
    readonly wake: () => void
  }) {
    this.#broker = parts.broker
    this.#clock = parts.clock
    this.#writers = parts.writers
    this.#stores = parts.stores
    this.#entries = parts.entries
    this.#entriesWriter = parts.entriesWriter
    this.#tasks = parts.tasks
    this.#targets = parts.targets
    this.#wake = parts.wake
    for (const position of parts.committed)
      this.#committed.set(placeOf(position.topic, position.partition), position)
  }

  get busy(): boolean {
    return this.#pending !== undefined
  }

  /** A sink makes its rows durable: until it has, it must not be written to. */
  get preparing(): boolean {
    return this.#pending !== undefined && this.#pending.preparing > 0
  }

  committed(topic: TopicId, partition: PartitionId): CommittedPosition | undefined {
    return this.#committed.get(placeOf(topic, partition))
  }

  /** What the next commit will weigh, roughly, so that it can be cut before it is too large. */
  get pendingBytes(): number {
    let bytes = this.#writers.bytes
    for (const { store } of this.#stores) bytes += store.changes * 64
    return bytes
  }

  /** Cuts a commit here, between two records. False: there was nothing to commit. */
  cut(membership: Membership, inputs: readonly Input[]): boolean {
    for (const flusher of this.#tasks.flushers) flusher.flush()
    const changes = this.#tasks.views.map((view) => ({ view, changes: view.take() }))
    for (const { store, writer } of this.#stores) writeChanges(store, writer)
    const batches: PartitionBatch[] = []
    const firstBatch = new Map<string, number>()
    for (const writer of this.#writers.all()) {
      const taken = writer.take()
      if (taken.length === 0) continue
      const topic = writer.topic()
      firstBatch.set(placeOf(topic, writer.partition), batches.length)
      for (const bytes of taken) batches.push({ topic, partition: writer.partition, bytes })
    }
    const views: ViewPart[] = []
    for (const { view, changes: rows } of changes) {
      if (rows.length === 0) continue
      views.push({
        view,
        changes: rows,
        firstBatch: firstBatch.get(placeOf(view.changelog, view.partition)) as number,
      })
    }
    const sinks = this.#tasks.sinks.filter((sink) => sink.dirty)
    const positions = this.#moved(inputs)
    this.#noteTimes(inputs)
    if (batches.length === 0 && positions.length === 0 && sinks.length === 0 && this.#entries.changes === 0)
      return false
    const pending: PendingCommit = {
      batches,
      positions,
      views,
      sinks,
      cutAt: this.#clock.monotonic(),
      preparing: sinks.length,
      submitted: false,
      outcome: undefined,
    }
    this.#pending = pending
    for (const sink of sinks) this.#prepare(sink, pending)
    this.#submitWhenPrepared(pending, membership)
    return true
  }

  /** Looks after the commit on its way. Answers how long it took when it became durable. Throws when it failed. */
  poll(membership: Membership): number | undefined {
    const pending = this.#pending
    if (pending === undefined) return undefined
    this.#submitWhenPrepared(pending, membership)
    const { outcome } = pending
    if (outcome === undefined) return undefined
    if (outcome.kind !== 'committed') throw failureOf(outcome)
    this.#pending = undefined
    for (const position of pending.positions) {
      this.#committed.set(placeOf(position.topic, position.partition), position)
    }
    for (const { view, changes, firstBatch } of pending.views) {
      const base = outcome.baseOffsets[firstBatch] as number
      this.#targets.get(view.node.name)?.commit(view.partition, changes, base + changes.length)
    }
    return this.#clock.monotonic() - pending.cutAt
  }

  #moved(inputs: readonly Input[]): CommittedPosition[] {
    const moved: CommittedPosition[] = []
    for (const input of inputs) {
      // Sources of the outside have no topic: their positions are entries of the engine's store.
      if (input.metadata !== undefined) continue
      const { topic, partition, position: offset, leaderEpoch } = input
      const metadata = inputMetadata(input)
      const last = this.#committed.get(placeOf(topic, partition))
      if (last?.offset !== offset || last.metadata !== metadata) {
        moved.push({ topic, partition, offset, leaderEpoch, metadata })
      }
    }
    return moved
  }

  #noteTimes(inputs: readonly Input[]): void {
    for (const operator of this.#tasks.timed) {
      this.#note(timeKey(operator.name, operator.partition), 0, operatorTimeText(operator.stored))
    }
    for (const input of inputs) {
      if (input.metadata === undefined) continue
      this.#note(sourceKey(input.name, input.partition), input.position, inputMetadata(input))
    }
  }

  #note(key: string, offset: number, text: string): void {
    const known = this.#entries.get(0, key)
    if (known?.offset !== offset || known.text !== text) this.#entries.put(0, key, { offset, text })
  }

  #prepare(sink: SinkOutputOperator, pending: PendingCommit): void {
    sink.dirty = false
    sink.writer?.prepare((error, mark) => {
      pending.preparing -= 1
      if (error !== undefined) pending.outcome = { kind: 'refused', reason: 'disk', error }
      else if (mark !== undefined) this.#note(sinkKey(sink.sinkId, sink.partition), 0, mark)
      this.#wake()
    })
  }

  #submitWhenPrepared(pending: PendingCommit, membership: Membership): void {
    if (pending.submitted || pending.preparing > 0 || pending.outcome !== undefined) return
    pending.submitted = true
    const { batches, positions } = pending
    writeChanges(this.#entries, this.#entriesWriter)
    const { partition } = this.#entriesWriter
    const topic = this.#entriesWriter.topic()
    for (const bytes of this.#entriesWriter.take()) batches.push({ topic, partition, bytes })
    this.#broker.commit({ batches, positions, membership, conditions: [] }, (outcome) => {
      pending.outcome = outcome
      this.#wake()
    })
  }
}

function writeChanges<V>(store: MemoryStore<V>, writer: PartitionWriter): void {
  if (store.changes === 0) return
  store.writeChanges({
    change: (bytes, keyStart, keyEnd, valueStart, valueEnd) =>
      writer.appendRanges(bytes, keyStart, keyEnd, valueStart, valueEnd),
  })
}

function failureOf(outcome: Exclude<CommitOutcome, { kind: 'committed' }>): MillraceError {
  const { error } = outcome
  if (outcome.kind === 'unknown') {
    return new MillraceError(
      'MILLRACE_REFUSED',
      `whether the last commit was written is not known (${error.message}): start the app again, it goes on from what is`,
      { cause: error },
    )
  }
  switch (outcome.reason) {
    case 'fenced':
      return new MillraceError(
        'MILLRACE_FENCED',
        'another instance of the app took over its work: this one has stopped, and nothing of it is half done',
        { cause: error },
      )
    case 'tooLarge':
      return new MillraceError(
        'MILLRACE_RECORD_TOO_LARGE',
        `the commit is larger than the broker takes (${error.message}): one record makes too many results; ` +
          'let it make fewer, or raise the limit',
        { cause: error },
      )
    case 'disk':
    case 'condition':
      return new MillraceError(
        'MILLRACE_DISK',
        `the commit was refused: ${error.message}; nothing of it was written`,
        {
          cause: error,
        },
      )
  }
}
