/**
 * From an app's plan to one that runs: what has to be there before the first record, the state of the last commit, then
 * the inputs where that commit left them. Each step of it is a bounded piece of work.
 */
import type { PartitionId, TopicId } from '../../base/brands.ts'
import type { CommittedPosition, Membership, TopicDescription } from '../../broker/broker.ts'
import type { MemoryStore } from '../../state/memory-store.ts'
import type { ConnectorContext } from '../graph/connector.ts'
import {
  engineTopic,
  marksTopic,
  planTopic,
  storeChangelog,
  viewChangelog,
} from '../graph/internal-topics.ts'
import type { TopicSpec } from '../graph/plan.ts'
import type { Topology } from '../graph/topology.ts'
import type { TaskContext } from '../operators/operator.ts'
import type { TopicWriters } from '../output/topic-writer.ts'
import type { ViewTarget } from '../output/view-target.ts'
import type { Tasks } from '../task/build-tasks.ts'
import type { FollowedRecord } from '../task/current-record.ts'
import type { SourceLane } from '../task/source-lane.ts'
import { Committer, type LoggedStore } from './committer.ts'
import { ConnectorInput } from './connector-input.ts'
import { Ends } from './ends.ts'
import type { EngineOptions } from './engine-port.ts'
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

/** For all inputs together. */
const INPUT_BYTES = 8 * 1024 * 1024
const INPUT_BYTES_MIN = 64 * 1024
/** About what a processor's own cache holds: what was read is checked, cut into text and parsed, one after the other. */
const FETCH_BYTES_MAX = 256 * 1024

/** What the engine is made of before it opens. */
export interface OpeningParts {
  readonly topology: Topology
  readonly context: TaskContext
  readonly current: FollowedRecord
  readonly writers: TopicWriters
  readonly tasks: Tasks
  readonly stores: readonly LoggedStore[]
  readonly entries: MemoryStore<EngineEntry>
}

/** What runs from then on. */
export interface Opened {
  readonly membership: Membership
  readonly inputs: readonly Input[]
  readonly groups: readonly InputGroup[]
  readonly marks: MarkLog
  readonly committer: Committer
  readonly snapshots: Snapshots | undefined
  readonly ends: Ends
}

export class Opening {
  readonly #options: EngineOptions
  readonly #parts: OpeningParts
  readonly #starter: Starter
  readonly #targets = new Map<string, ViewTarget>()
  readonly #inputs: Input[] = []
  /** Undefined before all topics are there. */
  #restores: readonly StateRecovery[] | undefined
  #marks: MarkLog | undefined

  constructor(options: EngineOptions, parts: OpeningParts) {
    this.#options = options
    this.#parts = parts
    this.#starter = new Starter(options.broker, options.plan, parts.topology, options.wake)
  }

  /** Entries of changelogs and snapshots; undefined before they are read. */
  get progress(): { readonly done: number; readonly total: number } | undefined {
    const all = this.#restores?.map(({ progress }) => progress)
    if (all === undefined) return undefined
    return {
      done: all.reduce((sum, { done }) => sum + done, 0),
      total: all.reduce((sum, { total }) => sum + total, 0),
    }
  }

  /** The plan differs from the stored one, and waits for the first commit. */
  get storesPlan(): boolean {
    return this.#starter.newPlan !== undefined
  }

  /** False: nothing to do until it is woken. */
  step(): Opened | boolean {
    if (this.#restores === undefined) return this.#start()
    const next = this.#restores.find(({ done }) => !done)
    if (next !== undefined) return next.step()
    this.#marks ??= this.#openMarks()
    if (!this.#marks.done) return this.#marks.step()
    this.#marks.close()
    for (const recovery of this.#restores) recovery.close()
    const opened = this.#open(this.#marks, this.#restores)
    this.#restores = []
    return opened
  }

  /** Lets go of all that it opened, the inputs as well. */
  close(): void {
    for (const recovery of this.#restores ?? []) recovery.close()
    this.#marks?.close()
    for (const input of this.#inputs) input.close()
  }

  #start(): boolean {
    const done = this.#starter.step()
    if (done !== true) return done === false
    const { broker, plan, sys, stateFolder, wake, views } = this.#options
    const { writers, entries, stores, tasks, topology } = this.#parts
    for (const topic of broker.topics()) writers.setTopicId(topic.name, topic.id)
    if (this.#starter.newPlan !== undefined)
      writers.writer(planTopic(plan.name), 0).appendText(0, null, this.#starter.newPlan)
    const described = (name: string): TopicDescription => broker.topic(name) as TopicDescription
    const engine = engineTopic(plan.name)
    const states: LoggedState[] = [
      storeState(entries, described(engine), writers.writer(engine, 0)),
      ...stores.map(({ store, writer }) =>
        storeState(store, described(storeChangelog(plan.name, store.name)), writer),
      ),
    ]
    for (const view of tasks.views) {
      const { name } = view.node
      let target = this.#targets.get(name)
      if (target === undefined) {
        target = views.open(view.node, topology.of(view.node).partitions)
        this.#targets.set(name, target)
      }
      const changelog = viewChangelog(plan.name, name)
      const writer = writers.writer(changelog, view.partition)
      states.push(new ViewState(view, target, described(changelog), writer))
    }
    this.#restores = states.map((state) => new StateRecovery(state, { broker, sys, stateFolder, wake }))
    return true
  }

  /** Marks that are not behind the inputs: none, unless the positions of the inputs were lost. */
  #openMarks(): MarkLog {
    const { broker, plan, wake } = this.#options
    const { entries, writers } = this.#parts
    const name = marksTopic(plan.name)
    const from = entries.get(0, MARKS_KEY)?.offset ?? 0
    return new MarkLog(broker, broker.topic(name) as TopicDescription, writers.writer(name, 0), from, wake)
  }

  /** All state is back: gives operators their time and opens the inputs where the last commit left them. */
  #open(marks: MarkLog, recovered: readonly StateRecovery[]): Opened {
    const { broker, plan, sys, wake, baseFolder } = this.#options
    const { writers, entries, stores, tasks, topology } = this.#parts
    const committed = broker.positions(plan.name)
    const at = (topic: TopicId, partition: PartitionId): CommittedPosition | undefined =>
      committed.find((position) => position.topic === topic && position.partition === partition)
    const entry = (key: string): EngineEntry | undefined => entries.get(0, key)
    for (const operator of tasks.timed) {
      operator.restored(parseOperatorTime(entry(timeKey(operator.name, operator.partition))?.text))
    }
    for (const operator of tasks.aggregating) operator.groups.restored()
    const connector: ConnectorContext = { sys, baseFolder, wake }
    for (const sink of tasks.sinks) sink.open(connector, entry(sinkKey(sink.sinkId, sink.partition))?.text)
    const groups: InputGroup[] = []
    const bytesMax = Math.min(
      FETCH_BYTES_MAX,
      Math.max(INPUT_BYTES_MIN, Math.floor(INPUT_BYTES / tasks.lanes.length)),
    )
    for (const group of groupLanes(topology, tasks.lanes)) {
      const inputs = group.map(({ lanes, rank, checksKeys }) => {
        const input = this.#input(lanes, rank, checksKeys, bytesMax, at, connector)
        this.#inputs.push(input)
        return input
      })
      const resumed = inputs.some((input) =>
        input.metadata === undefined
          ? at(input.topic, input.partition) !== undefined
          : entry(sourceKey(input.name, input.partition)) !== undefined,
      )
      groups.push(new InputGroup(inputs, sys.clock, resumed, marks.stored))
    }
    for (const input of this.#inputs) {
      const outside = input.metadata !== undefined
      const text = outside
        ? entry(sourceKey(input.name, input.partition))?.text
        : at(input.topic, input.partition)?.metadata
      restoreLanes(input, text)
    }
    for (const operator of tasks.timed) operator.announce()
    for (const operator of tasks.timed) operator.time.realign()
    const { stateFolder: folder, snapshotBytesMin: bytesMin } = this.#options
    return {
      membership: this.#starter.membership as Membership,
      inputs: this.#inputs,
      groups,
      marks,
      committer: new Committer({
        broker,
        clock: sys.clock,
        writers,
        stores,
        entries,
        entriesWriter: writers.writer(engineTopic(plan.name), 0),
        tasks,
        targets: this.#targets,
        committed,
        wake,
      }),
      snapshots:
        folder === undefined ? undefined : new Snapshots({ sys, broker, folder, bytesMin, wake, recovered }),
      ends: new Ends(topology, groups, broker),
    }
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
    const { context, current, entries } = this.#parts
    const first = lanes[0] as SourceLane
    const shared = { lanes, rank, clock: sys.clock, context, current }
    if (first.node.kind === 'connectorSource') {
      const committed = entries.get(0, sourceKey(first.node.source.id, first.partition))
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
}
