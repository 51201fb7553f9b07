import type { DurationMs, Offset, PartitionId, Timestamp, TopicId } from '../../base/brands.ts'
import type { Broker } from '../../broker/broker.ts'
import type { Metrics } from '../../observe/metrics.ts'
import type { Sys } from '../../sys/sys.ts'
import type { Plan } from '../graph/plan.ts'
import type { ViewTargets } from '../output/view-target.ts'

/** All that an engine is made of. Settings are plain values, components are injected (STYLE 27). */
export interface EngineOptions {
  readonly sys: Sys
  readonly broker: Broker
  readonly plan: Plan
  readonly views: ViewTargets
  readonly metrics: Metrics
  /** Folder for local snapshots of the stores; undefined: restore from changelogs only. */
  readonly stateFolder: string | undefined
  /** A snapshot is not due before the changelog behind the last one has so many bytes. Default 16 MiB. */
  readonly snapshotBytesMin?: number
  /** Folder that relative paths of connectors are relative to. */
  readonly baseFolder: string
  /** Default 100. */
  readonly commitIntervalMs: number
  /** True: when all sources of the outside ended and their topics are read, the watermark goes to infinity. */
  readonly untilEnd: boolean
  /** How much a step does at most. Small ones let a test put a commit between any two records or results. */
  readonly recordsPerStep?: number
  readonly resultsPerStep?: number
  /** Called when a `step` may find work again. Must only note it. */
  readonly wake: () => void
}

/**
 * - `starting`: joins, creates internal topics, compares the plan with the stored one.
 * - `restoring`: reads snapshots and changelogs, a slice a step.
 * - `running`
 * - `draining`: no new input; the last commit is on its way.
 * - `ended`: drained or, with `untilEnd`, done. Everything is committed.
 * - `failed`: `failure` says why. Nothing uncommitted is visible; a new engine on the same broker goes on.
 */
export type EngineState = 'starting' | 'restoring' | 'running' | 'draining' | 'ended' | 'failed'

/** The engine as its drivers see it: the asynchronous loop of an app, the synchronous test driver, the simulator. */
export interface EngineHandle {
  readonly state: EngineState
  readonly failure: Error | undefined
  /** Does a bounded piece of work (about a millisecond or one batch). False: nothing to do until `wake` or `dueAt`. */
  step(): boolean
  /** When a step has something to do though nothing woke it, in `clock.monotonic()` ms; undefined: never. */
  dueAt(): number | undefined
  /** Commits as soon as it can, without waiting for the interval. */
  commitSoon(): void
  /** For test drivers: event time of every source goes on by `ms`, as if its inputs were that much further. */
  advanceEventTime(ms: DurationMs): void
  /** Whether anything was taken in or changed that no commit has made durable yet. */
  readonly dirty: boolean
  drain(): void
  /** Lets go of everything at once, without a commit. Idempotent. */
  abandon(): void
  /** The committed position of an input partition: everything below it is visible in the views. */
  committed(topic: TopicId, partition: PartitionId): Offset | undefined
  /** Calls the listener after each commit became visible; returns how to stop. */
  onCommit(listener: () => void): () => void
  status(): EngineStatus
}

export interface EngineStatus {
  readonly state: EngineState
  readonly inputs: readonly InputStatus[]
  /** The lowest watermark over all sources, undefined before the first record. */
  readonly watermark: Timestamp | undefined
  readonly restore: { readonly done: number; readonly total: number } | undefined
  readonly records: number
  readonly late: number
  readonly dropped: number
  /** Records that failed and went to a dead letter topic. */
  readonly deadLetters: number
  readonly commits: number
}

export interface InputStatus {
  readonly name: string
  readonly partition: PartitionId
  readonly position: Offset
  /** Records behind the end; undefined where nobody knows. */
  readonly lag: number | undefined
  readonly watermark: Timestamp | undefined
  /** Bytes read and in all, of a bounded input. */
  readonly progress: { readonly done: number; readonly total: number | undefined } | undefined
}
