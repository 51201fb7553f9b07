/**
 * The engine: one worker that owns all tasks of an app (ARCHITECTURE D5). It does bounded pieces of work when it is asked to,
 * waits for nothing, and reaches the world only through its options.
 *
 * State: the tasks with their stores, the inputs in groups, operators with something due, the commit on its way.
 * Invariants: between two records all that a watermark made due was fired, or `#firing` says what is left, and no
 * record is taken before that. A commit is cut only there. After a failure nothing is touched any more: what was not
 * committed never happened, and a new engine goes on from the last commit.
 */
import {
  type DurationMs,
  MIN_TIMESTAMP,
  type Offset,
  type PartitionId,
  type Timestamp,
  type TopicId,
} from '../../base/brands.ts'
import { MemoryStore } from '../../state/memory-store.ts'
import { jsonStoreCodec, type StoreCodec } from '../../state/store-codec.ts'
import { checkPlan } from '../graph/check-plan.ts'
import { storeChangelog } from '../graph/internal-topics.ts'
import type { PlanNode } from '../graph/plan.ts'
import type { Topology } from '../graph/topology.ts'
import { Counters, type Firing, type TaskContext } from '../operators/operator.ts'
import { TopicWriters } from '../output/topic-writer.ts'
import { buildTasks, type Tasks } from '../task/build-tasks.ts'
import { FollowedRecord } from '../task/current-record.ts'
import type { SourceLane } from '../task/source-lane.ts'
import type { Committer, LoggedStore } from './committer.ts'
import { EngineMetrics } from './engine-metrics.ts'
import type { EngineHandle, EngineOptions, EngineState, EngineStatus, InputStatus } from './engine-port.ts'
import { treatFailure } from './failures.ts'
import type { Input } from './input.ts'
import type { InputGroup } from './input-group.ts'
import { type Opened, Opening } from './opening.ts'
import { type EngineEntry, MARKS_KEY } from './operator-time.ts'
import type { Snapshots } from './snapshots.ts'

/** Records of one group of inputs taken in a step, unless the options say otherwise. */
const RECORDS_PER_STEP = 512
/** Results fired in a step, unless the options say otherwise. */
const RESULTS_PER_STEP = 20_000
/** A step takes no more records after this long; the clock is read once in `CLOCK_MASK + 1` records. */
const STEP_MS = 5
const CLOCK_MASK = 15
/** A commit is cut early when it weighs so much; twice that, and input waits for the commit on its way. */
const COMMIT_BYTES = 8 * 1024 * 1024

export function createEngine(options: EngineOptions): EngineHandle {
  return new Engine(options)
}

class Engine implements EngineHandle {
  state: EngineState = 'starting'
  failure: Error | undefined
  readonly #options: EngineOptions
  readonly #topology: Topology
  readonly #writers = new TopicWriters()
  readonly #stores: LoggedStore[] = []
  /** What the engine keeps for itself. */
  readonly #entries = new MemoryStore<EngineEntry>('engine', jsonStoreCodec<EngineEntry>())
  readonly #counters = new Counters()
  readonly #current = new FollowedRecord()
  readonly #epoch = { now: 1 }
  readonly #context: TaskContext
  readonly #tasks: Tasks
  readonly #opening: Opening
  readonly #metrics: EngineMetrics
  readonly #firing: Firing[] = []
  readonly #listeners = new Set<() => void>()
  readonly #commitBytes: number
  #opened: Opened | undefined
  #commitAt = 0
  #commitWanted = false
  #dirty = false
  #commits = 0
  /** Of the inputs, when they were closed. */
  #lastStatus: readonly InputStatus[] | undefined
  readonly #recordsPerStep: number
  readonly #resultsPerStep: number

  constructor(options: EngineOptions) {
    const { plan, broker } = options
    this.#options = options
    this.#recordsPerStep = options.recordsPerStep ?? RECORDS_PER_STEP
    this.#resultsPerStep = options.resultsPerStep ?? RESULTS_PER_STEP
    this.#topology = checkPlan(plan)
    this.#commitBytes = Math.min(COMMIT_BYTES, Math.floor(broker.limits.commitBytesMax / 4))
    this.#context = {
      current: this.#current,
      counters: this.#counters,
      epoch: this.#epoch,
      failed: (node, error) => this.#failed(node, error),
      schedule: (operator) => this.#schedule(operator),
      store: (name, partition, codec) => this.#store(name, partition, codec),
    }
    this.#metrics = new EngineMetrics(options.metrics, plan.name, this.#counters, () => this.#inputs)
    this.#tasks = buildTasks(
      this.#topology,
      this.#context,
      this.#writers,
      plan.name,
      broker.limits.recordBytesMax,
    )
    this.#opening = new Opening(options, {
      topology: this.#topology,
      context: this.#context,
      current: this.#current,
      writers: this.#writers,
      tasks: this.#tasks,
      stores: this.#stores,
      entries: this.#entries,
    })
  }

  step(): boolean {
    try {
      switch (this.state) {
        case 'starting':
        case 'restoring':
          return this.#open()
        case 'running':
        case 'draining':
          return this.#run(this.#opened as Opened)
        case 'ended':
        case 'failed':
          return false
      }
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error))
      this.state = 'failed'
      this.#close()
      return false
    }
  }

  dueAt(): number | undefined {
    if (this.state !== 'running' || this.#opened === undefined) return undefined
    const { committer, groups } = this.#opened
    let due = this.#dirty && !committer.busy ? this.#commitAt : undefined
    for (const group of groups) {
      if (group.replaying) continue
      const dueAt = group.dueAt()
      if (dueAt !== undefined && (due === undefined || dueAt < due)) due = dueAt
    }
    return due
  }

  commitSoon(): void {
    this.#commitWanted = true
    this.#options.wake()
  }

  advanceEventTime(ms: DurationMs): void {
    for (const lane of this.#tasks.lanes) {
      if (lane.maxTimestamp !== MIN_TIMESTAMP && !lane.ended) lane.advance(lane.maxTimestamp + ms)
    }
    this.#dirty = true
    this.#options.wake()
  }

  get dirty(): boolean {
    return this.#dirty || this.#opened?.committer.busy === true
  }

  drain(): void {
    if (this.state === 'starting' || this.state === 'restoring') {
      this.abandon()
      return
    }
    if (this.state !== 'running') return
    this.state = 'draining'
    this.#options.wake()
  }

  abandon(): void {
    if (this.state === 'ended' || this.state === 'failed') return
    this.state = 'ended'
    this.#close()
  }

  committed(topic: TopicId, partition: PartitionId): Offset | undefined {
    return this.#opened?.committer.committed(topic, partition)?.offset
  }

  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  status(): EngineStatus {
    const watermark = lowestWatermark(this.#tasks.lanes)
    return {
      state: this.state,
      inputs: this.#lastStatus ?? this.#inputs.map((input) => input.status()),
      watermark: watermark === MIN_TIMESTAMP ? undefined : watermark,
      restore: this.state === 'restoring' ? this.#opening.progress : undefined,
      records: this.#counters.records,
      late: this.#counters.late,
      dropped: this.#counters.dropped,
      deadLetters: this.#counters.deadLetters,
      commits: this.#commits,
    }
  }

  get #inputs(): readonly Input[] {
    return this.#opened?.inputs ?? []
  }

  #open(): boolean {
    const opened = this.#opening.step()
    if (typeof opened === 'boolean') {
      if (this.state === 'starting' && this.#opening.progress !== undefined) this.state = 'restoring'
      return opened
    }
    this.#opened = opened
    if (this.#opening.storesPlan) this.#dirty = true
    this.#commitAt = this.#options.sys.clock.monotonic() + this.#options.commitIntervalMs
    this.state = 'running'
    return true
  }

  #run(opened: Opened): boolean {
    const { committer, membership, snapshots, groups } = opened
    const ms = committer.poll(membership)
    if (ms !== undefined) this.#committed(ms, snapshots)
    let worked = ms !== undefined
    if (this.#commitDue(committer)) worked = this.#cut(opened) || worked
    if (committer.preparing) return false
    // What is cut next must not grow without bound while a commit is on its way.
    if (committer.busy && committer.pendingBytes > 2 * this.#commitBytes) return false
    if (this.#firing.length > 0) {
      this.#fire()
      return true
    }
    worked = snapshots?.step(!committer.busy) === true || worked
    if (this.state === 'draining') return this.#drained(opened) ? false : worked
    for (const group of groups) worked = this.#take(group) || worked
    if (!worked) worked = this.#quiet(opened)
    return worked
  }

  #take(group: InputGroup): boolean {
    const { clock } = this.#options.sys
    const until = clock.monotonic() + STEP_MS
    let count = 0
    while (count < this.#recordsPerStep) {
      // A pipeline whose functions are slow must still let signals, requests and commits have their turn.
      if ((count & CLOCK_MASK) === CLOCK_MASK && clock.monotonic() > until) break
      const input = group.choose()
      if (input !== undefined) input.take()
      else if (!group.passIdle()) break
      count += 1
      if (this.#firing.length > 0 && !this.#fire()) break
    }
    if (count === 0) return false
    this.#dirty = true
    return true
  }

  /** Fires what is due, in order of steps. False: there is more, after the results so far can be committed. */
  #fire(): boolean {
    while (this.#firing.length > 0) {
      let first = 0
      for (let index = 1; index < this.#firing.length; index += 1) {
        if ((this.#firing[index] as Firing).order < (this.#firing[first] as Firing).order) first = index
      }
      const operator = this.#firing[first] as Firing
      this.#dirty = true
      // It is off the list while it fires: what passes on its watermark may put others on.
      this.#firing.splice(first, 1)
      if (!operator.fire(this.#resultsPerStep)) {
        this.#firing.push(operator)
        return false
      }
    }
    return true
  }

  #schedule(operator: Firing): void {
    this.#firing.push(operator)
  }

  /** Nothing was read: time may pass by idleness, or all may be done. */
  #quiet({ groups, committer, ends }: Opened): boolean {
    const now = this.#options.sys.clock.monotonic()
    for (const group of groups) {
      // Marks say when an input became idle then.
      if (group.replaying) {
        if (group.endReplay()) return true
      } else if (group.becomeIdle(now)) {
        this.#dirty = true
      }
    }
    if (this.#firing.length > 0) return true
    if (!this.#options.untilEnd) return false
    const settled = !this.#dirty && !committer.busy
    if (ends.advance(settled)) {
      this.#dirty = true
      return true
    }
    if (!settled) {
      this.#commitWanted = true
      return !committer.busy
    }
    if (ends.done) {
      this.state = 'ended'
      this.#close()
    }
    return false
  }

  #drained({ committer, snapshots }: Opened): boolean {
    if (committer.busy) return true
    if (this.#dirty) {
      this.#commitWanted = true
      return false
    }
    if (snapshots?.drain() === true) return false
    this.state = 'ended'
    this.#close()
    return true
  }

  #commitDue(committer: Committer): boolean {
    if (committer.busy || !(this.#dirty || this.#commitWanted)) return false
    if (this.#commitWanted || this.state === 'draining') return true
    return this.#options.sys.clock.monotonic() >= this.#commitAt || committer.pendingBytes > this.#commitBytes
  }

  #cut(opened: Opened): boolean {
    this.#commitWanted = false
    this.#dirty = false
    this.#current.passHeaders = false
    this.#current.origin = undefined
    this.#writeMarks(opened)
    const cut = opened.committer.cut(opened.membership, opened.inputs)
    this.#epoch.now += 1
    this.#commitAt = this.#options.sys.clock.monotonic() + this.#options.commitIntervalMs
    return cut
  }

  /** What the data alone do not tell, for a run that takes them again (SEMANTICS 1.5). */
  #writeMarks({ groups, marks: log }: Opened): void {
    let next: number | undefined
    for (const group of groups) {
      const marks = group.marks.take()
      if (marks !== undefined) log.write(marks)
      const first = group.firstMark
      if (first !== undefined && (next === undefined || first < next)) next = first
    }
    next ??= log.next
    if ((this.#entries.get(0, MARKS_KEY)?.offset ?? 0) !== next) {
      this.#entries.put(0, MARKS_KEY, { offset: next, text: '' })
    }
  }

  #committed(ms: number, snapshots: Snapshots | undefined): void {
    this.#commits += 1
    snapshots?.committed()
    this.#metrics.committed(ms)
    for (const listener of [...this.#listeners]) listener()
  }

  #failed(node: PlanNode, error: unknown): void {
    treatFailure(node, error, {
      topology: this.#topology,
      current: this.#current,
      counters: this.#counters,
      writers: this.#writers,
      skipped: (reason) => this.#metrics.skipped(reason),
    })
  }

  #store<V>(name: string, partition: PartitionId, codec: StoreCodec<V>): MemoryStore<V> {
    const store = new MemoryStore<V>(name, codec)
    const changelog = storeChangelog(this.#options.plan.name, name)
    const writer = this.#writers.writer(changelog, partition)
    // From here on only its changes are looked at, never a value.
    this.#stores.push({ store, writer })
    return store
  }

  #close(): void {
    this.#lastStatus = statusOf(this.#inputs)
    this.#opened?.snapshots?.close()
    this.#opening.close()
    for (const sink of this.#tasks.sinks) sink.writer?.close()
    this.#metrics.close()
  }
}

/** Of the sources that count; when all are idle, the highest of them. */
function lowestWatermark(lanes: readonly SourceLane[]): Timestamp {
  const active = lanes.filter(({ idle }) => !idle)
  const marks = (active.length === 0 ? lanes : active).map(({ watermark }) => watermark)
  if (marks.length === 0) return MIN_TIMESTAMP
  return active.length === 0 ? Math.max(...marks) : Math.min(...marks)
}

/** A reader that failed may not be able to say anything any more. */
function statusOf(inputs: readonly Input[]): readonly InputStatus[] {
  try {
    return inputs.map((input) => input.status())
  } catch {
    return []
  }
}
