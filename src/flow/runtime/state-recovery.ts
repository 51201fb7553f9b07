import type { Offset } from '../../base/brands.ts'
import type { Broker } from '../../broker/broker.ts'
import { StoreRestore } from '../../state/restore.ts'
import type { Sys } from '../../sys/sys.ts'
import type { LoggedState } from './logged-state.ts'
import { RestoreLog } from './restore-log.ts'

/** Of a snapshot, in one step. */
const SLICE_BYTES = 1024 * 1024

/** What a snapshot has to be of, to be used for a state. */
export function snapshotIdentity({ name, changelog, partition }: LoggedState): string {
  return `${name} ${changelog.id} ${partition}`
}

/** The folder of a state's own snapshots. */
export function snapshotFolder(stateFolder: string, { changelog, partition }: LoggedState): string {
  return `${stateFolder}/${changelog.name}-${partition}`
}

/** Brings a state back: from its newest good snapshot, then from its changelog. */
export class StateRecovery {
  readonly state: LoggedState
  readonly #start: Offset
  readonly #end: Offset
  readonly #snapshot: StoreRestore
  readonly #replay: (from: Offset) => RestoreLog
  #log: RestoreLog | undefined

  constructor(
    state: LoggedState,
    parts: {
      readonly broker: Broker
      readonly sys: Sys
      readonly stateFolder: string | undefined
      readonly wake: () => void
    },
  ) {
    const { broker, sys, stateFolder, wake } = parts
    const { changelog, partition } = state
    const { start, end } = broker.bounds(changelog.id, partition)
    this.state = state
    this.#start = start
    this.#end = end
    this.#snapshot = new StoreRestore(state.source, {
      disk: sys.disk,
      lines: sys.lines,
      folder: stateFolder === undefined ? undefined : snapshotFolder(stateFolder, state),
      identity: snapshotIdentity(state),
      changelog: { name: `${changelog.name}-${partition}`, start, end },
    })
    this.#replay = (from) =>
      new RestoreLog(
        broker,
        changelog,
        partition,
        from,
        wake,
        (record) => state.replay(record),
        () => state.flush(),
      )
  }

  get done(): boolean {
    return this.#log?.done === true
  }

  /** In offsets of the changelog; a snapshot stands for those before its begin. */
  get progress(): { readonly done: number; readonly total: number } {
    const total = this.#end - this.#start
    if (this.#log !== undefined) return { done: this.#log.position - this.#start, total }
    const { begin, progress } = this.#snapshot
    if (begin === undefined || progress.total === 0) return { done: 0, total }
    return { done: Math.floor(((begin - this.#start) * progress.done) / progress.total), total }
  }

  /** Bytes of the changelog that were replayed. */
  get tailBytes(): number {
    return this.#log?.bytes ?? 0
  }

  /** Bytes of the snapshot; 0 if there was none. */
  get snapshotBytes(): number {
    return this.#snapshot.sizeBytes
  }

  /** False: nothing was there now. */
  step(): boolean {
    if (this.#log !== undefined) return this.#log.step()
    if (!this.#snapshot.step(SLICE_BYTES)) this.#log = this.#replay(this.#snapshot.replayFrom)
    return true
  }

  close(): void {
    this.#snapshot.close()
    this.#log?.close()
  }
}
