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
import type { CommittedPosition, Membership, TopicDescription } from '../../broker/broker.ts'
import { MemoryStore } from '../../state/memory-store.ts'
import { jsonStoreCodec, type StoreCodec } from '../../state/store-codec.ts'
import { checkPlan } from '../graph/check-plan.ts'
import type { ConnectorContext } from '../graph/connector.ts'
import {
  engineTopic,
  marksTopic,
  planTopic,
  storeChangelog,
  viewChangelog,
} from '../graph/internal-topics.ts'
import type { PlanNode, TopicSpec } from '../graph/plan.ts'
import type { Topology } from '../graph/topology.ts'
import { Counters, type Firing, type TaskContext } from '../operators/operator.ts'
import { TopicWriters } from '../output/topic-writer.ts'
import type { ViewTarget } from '../output/view-target.ts'
import { buildTasks, type Tasks } from '../task/build-tasks.ts'
import { FollowedRecord } from '../task/current-record.ts'
import type { SourceLane } from '../task/source-lane.ts'
import { Committer, type LoggedStore } from './committer.ts'
import { ConnectorInput } from './connector-input.ts'
import { Ends } from './ends.ts'
import { EngineMetrics } from './engine-metrics.ts'
import type { EngineHandle, EngineOptions, EngineState, EngineStatus, InputStatus } from './engine-port.ts'
import { treatFailure } from './failures.ts'
import type { Input } from './input.ts'
import { InputGroup } from './input-group.ts'
import { groupLanes } from './lane-groups.ts'
import { type LoggedState, storeState, ViewState } from './logged-state.ts'
import { MarkLog } from './mark-log.ts'
import {
  type EngineEntry,
  MARKS_KEY,
  parseOperatorTime,
  restoreLanes,
  sinkKey,
  sourceKey,
  sourceMetadata,
  timeKey,
} from './operator-time.ts'
import { Snapshots } from './snapshots.ts'
import { Starter } from './starter.ts'
import { StateRecovery } from './state-recovery.ts'
import { TopicInput } from './topic-input.ts'

/** Records of one group of inputs taken in a step, unless the options say otherwise. */
const RECORDS_PER_STEP = 512
/** Results fired in a step, unless the options say otherwise. */
const RESULTS_PER_STEP = 20_000
/** A step takes no more records after this long; the clock is read once in `CLOCK_MASK + 1` records. */
const STEP_MS = 5
const CLOCK_MASK = 15
/** A commit is cut early when it weighs so much; twice that, and input waits for the commit on its way. */
const COMMIT_BYTES = 8 * 1024 * 1024
/** For all inputs together. */
const INPUT_BYTES = 8 * 1024 * 1024
const INPUT_BYTES_MIN = 64 * 1024
/** About what a processor's own cache holds: what was read is checked, cut into text and parsed, one after the other. */
const FETCH_BYTES_MAX = 256 * 1024

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
  readonly #starter: Starter
  readonly #metrics: EngineMetrics
  readonly #targets = new Map<string, ViewTarget>()
  readonly #firing: Firing[] = []
  readonly #listeners = new Set<() => void>()
  readonly #commitBytes: number
  #restores: StateRecovery[] = []
  #snapshots: Snapshots | undefined
  #inputs: Input[] = []
  #groups: InputGroup[] = []
  #marks: MarkLog | undefined
  #ends: Ends | undefined
  #committer: Committer | undefined
  #commitAt = 0
  #commitWanted = false
  #dirty = false
  #commits = 0
  /** Of the inputs, when they were closed. */
  readonly #recordsPerStep: number
  readonly #resultsPerStep: number
  #lastStatus: readonly InputStatus[] | undefined

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
    this.#starter = new Starter(broker, plan, this.#topology, options.wake)
  }

  step(): boolean {
    try {
      switch (this.state) {
        case 'starting':
          return this.#start()
        case 'restoring':
          return this.#restore()
        case 'running':
        case 'draining':
          return this.#run()
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
    if (this.state !== 'running') return undefined
    let due = this.#dirty && this.#committer?.busy === false ? this.#commitAt : undefined
    for (const group of this.#groups) {
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
    return this.#dirty || this.#committer?.busy === true
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
    return this.#committer?.committed(topic, partition)?.offset
  }

  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  status(): EngineStatus {
    const restoring = this.state === 'restoring'
    const watermark = lowestWatermark(this.#tasks.lanes)
    return {
      state: this.state,
      inputs: this.#lastStatus ?? this.#inputs.map((input) => input.status()),
      watermark: watermark === MIN_TIMESTAMP ? undefined : watermark,
      restore: restoring
        ? {
            done: this.#restores.reduce((sum, { progress }) => sum + progress.done, 0),
            total: this.#restores.reduce((sum, { progress }) => sum + progress.total, 0),
          }
        : undefined,
      records: this.#counters.records,
      late: this.#counters.late,
      dropped: this.#counters.dropped,
      deadLetters: this.#counters.deadLetters,
      commits: this.#commits,
    }
  }

  #start(): boolean {
    const done = this.#starter.step()
    if (done !== true) return done === false
    const { broker, plan, sys, stateFolder, wake, views } = this.#options
    for (const topic of broker.topics()) this.#writers.setTopicId(topic.name, topic.id)
    if (this.#starter.newPlan !== undefined) {
      this.#writers.writer(planTopic(plan.name), 0).appendText(0, null, this.#starter.newPlan)
      this.#dirty = true
    }
    const described = (name: string): TopicDescription => broker.topic(name) as TopicDescription
    const engine = engineTopic(plan.name)
    const states: LoggedState[] = [
      storeState(this.#entries, described(engine), this.#writers.writer(engine, 0)),
      ...this.#stores.map(({ store, writer }) =>
        storeState(store, described(storeChangelog(plan.name, store.name)), writer),
      ),
    ]
    for (const view of this.#tasks.views) {
      const { name } = view.node
      let target = this.#targets.get(name)
      if (target === undefined) {
        target = views.open(view.node, this.#topology.of(view.node).partitions)
        this.#targets.set(name, target)
      }
      const changelog = viewChangelog(plan.name, name)
      const writer = this.#writers.writer(changelog, view.partition)
      states.push(new ViewState(view, target, described(changelog), writer))
    }
    this.#restores = states.map((state) => new StateRecovery(state, { broker, sys, stateFolder, wake }))
    this.state = 'restoring'
    return true
  }

  #restore(): boolean {
    const next = this.#restores.find(({ done }) => !done)
    if (next !== undefined) return next.step()
    const marks = this.#openMarks()
    if (!marks.done) return marks.step()
    marks.close()
    for (const recovery of this.#restores) recovery.close()
    this.#open(marks)
    this.#restores = []
    this.state = 'running'
    return true
  }

  /** Marks that are not behind the inputs: none, unless the positions of the inputs were lost. */
  #openMarks(): MarkLog {
    if (this.#marks !== undefined) return this.#marks
    const { broker, plan, wake } = this.#options
    const name = marksTopic(plan.name)
    const from = this.#entries.get(0, MARKS_KEY)?.offset ?? 0
    const topic = broker.topic(name) as TopicDescription
    this.#marks = new MarkLog(broker, topic, this.#writers.writer(name, 0), from, wake)
    return this.#marks
  }

  /** All state is back: gives operators their time and opens the inputs where the last commit left them. */
  #open(marks: MarkLog): void {
    const { broker, plan, sys, wake, baseFolder } = this.#options
    const committed = broker.positions(plan.name)
    const at = (topic: TopicId, partition: PartitionId): CommittedPosition | undefined =>
      committed.find((position) => position.topic === topic && position.partition === partition)
    const entry = (key: string): EngineEntry | undefined => this.#entries.get(0, key)
    for (const operator of this.#tasks.timed) {
      operator.restored(parseOperatorTime(entry(timeKey(operator.name, operator.partition))?.text))
    }
    for (const operator of this.#tasks.aggregating) operator.groups.restored()
    const connector: ConnectorContext = { sys, baseFolder, wake }
    for (const sink of this.#tasks.sinks)
      sink.open(connector, entry(sinkKey(sink.sinkId, sink.partition))?.text)
    const groups = groupLanes(this.#topology, this.#tasks.lanes)
    const bytesMax = Math.min(
      FETCH_BYTES_MAX,
      Math.max(INPUT_BYTES_MIN, Math.floor(INPUT_BYTES / this.#tasks.lanes.length)),
    )
    for (const group of groups) {
      const inputs = group.map((lanes) =>
        this.#input(lanes.lanes, lanes.rank, lanes.checksKeys, bytesMax, at, connector),
      )
      this.#inputs.push(...inputs)
      const resumed = inputs.some((input) =>
        input.metadata === undefined
          ? at(input.topic, input.partition) !== undefined
          : entry(sourceKey(input.name, input.partition)) !== undefined,
      )
      this.#groups.push(new InputGroup(inputs, sys.clock, resumed, marks.stored))
    }
    for (const input of this.#inputs) {
      const outside = input.metadata !== undefined
      const text = outside
        ? entry(sourceKey(input.name, input.partition))?.text
        : at(input.topic, input.partition)?.metadata
      restoreLanes(input, text)
    }
    for (const operator of this.#tasks.timed) operator.announce()
    for (const operator of this.#tasks.timed) operator.time.realign()
    this.#committer = new Committer({
      broker,
      clock: sys.clock,
      writers: this.#writers,
      stores: this.#stores,
      entries: this.#entries,
      entriesWriter: this.#writers.writer(engineTopic(plan.name), 0),
      tasks: this.#tasks,
      targets: this.#targets,
      committed,
      wake,
    })
    const { stateFolder: folder, snapshotBytesMin: bytesMin } = this.#options
    if (folder !== undefined) {
      this.#snapshots = new Snapshots({ sys, broker, folder, bytesMin, wake, recovered: this.#restores })
    }
    this.#ends = new Ends(this.#topology, this.#groups, broker)
    this.#commitAt = sys.clock.monotonic() + this.#options.commitIntervalMs
  }

  #input(
    lanes: readonly SourceLane[],
    rank: number,
    checksKeys: boolean,
    bytesMax: number,
    at: (topic: TopicId, partition: PartitionId) => CommittedPosition | undefined,
    connector: ConnectorContext,
  ): Input {
    const { broker, sys, wake } = this.#options
    const first = lanes[0] as SourceLane
    const shared = { lanes, rank, clock: sys.clock, context: this.#context, current: this.#current }
    if (first.node.kind === 'connectorSource') {
      const committed = this.#entries.get(0, sourceKey(first.node.source.id, first.partition))
      const stored =
        committed === undefined
          ? undefined
          : { offset: committed.offset, metadata: sourceMetadata(committed.text) }
      return new ConnectorInput({ ...shared, stored, connector })
    }
    const spec: TopicSpec = first.node.topic
    const description = broker.topic(spec.name) as TopicDescription
    const position =
      at(description.id, first.partition)?.offset ?? broker.bounds(description.id, first.partition).start
    return new TopicInput({ ...shared, description, position, broker, bytesMax, checksKeys, wake })
  }

  #run(): boolean {
    const committer = this.#committer as Committer
    const membership = this.#starter.membership as Membership
    const ms = committer.poll(membership)
    if (ms !== undefined) this.#committed(ms)
    let worked = ms !== undefined
    if (this.#commitDue(committer)) worked = this.#cut(committer, membership) || worked
    if (committer.preparing) return false
    // What is cut next must not grow without bound while a commit is on its way.
    if (committer.busy && committer.pendingBytes > 2 * this.#commitBytes) return false
    if (this.#firing.length > 0) {
      this.#fire()
      return true
    }
    worked = this.#snapshots?.step(!committer.busy) === true || worked
    if (this.state === 'draining') return this.#drained(committer) ? false : worked
    for (const group of this.#groups) worked = this.#take(group) || worked
    if (!worked) worked = this.#quiet(committer)
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
  #quiet(committer: Committer): boolean {
    const now = this.#options.sys.clock.monotonic()
    for (const group of this.#groups) {
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
    if (this.#ends?.advance(settled) === true) {
      this.#dirty = true
      return true
    }
    if (!settled) {
      this.#commitWanted = true
      return !committer.busy
    }
    if (this.#ends?.done === true) {
      this.state = 'ended'
      this.#close()
    }
    return false
  }

  #drained(committer: Committer): boolean {
    if (committer.busy) return true
    if (this.#dirty) {
      this.#commitWanted = true
      return false
    }
    if (this.#snapshots?.drain() === true) return false
    this.state = 'ended'
    this.#close()
    return true
  }

  #commitDue(committer: Committer): boolean {
    if (committer.busy || !(this.#dirty || this.#commitWanted)) return false
    if (this.#commitWanted || this.state === 'draining') return true
    return this.#options.sys.clock.monotonic() >= this.#commitAt || committer.pendingBytes > this.#commitBytes
  }

  #cut(committer: Committer, membership: Membership): boolean {
    this.#commitWanted = false
    this.#dirty = false
    this.#current.passHeaders = false
    this.#current.origin = undefined
    this.#writeMarks()
    const cut = committer.cut(membership, this.#inputs)
    this.#epoch.now += 1
    this.#commitAt = this.#options.sys.clock.monotonic() + this.#options.commitIntervalMs
    return cut
  }

  /** What the data alone do not tell, for a run that takes them again (SEMANTICS 1.5). */
  #writeMarks(): void {
    const log = this.#marks as MarkLog
    let next: number | undefined
    for (const group of this.#groups) {
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

  #committed(ms: number): void {
    this.#commits += 1
    this.#snapshots?.committed()
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
    this.#snapshots?.close()
    for (const recovery of this.#restores) recovery.close()
    this.#marks?.close()
    for (const input of this.#inputs) input.close()
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
