import type { Broker, TopicDescription } from '../../broker/broker.ts'
import type { MemoryStore } from '../../state/memory-store.ts'
import { StoreRestore } from '../../state/restore.ts'
import type { Sys } from '../../sys/sys.ts'
import { RestoreLog } from './restore-log.ts'

const SLICE_BYTES = 1024 * 1024

/** A piece of work that brings something back, a slice at a time. */
export interface Recovery {
  readonly done: boolean
  /** Offsets of the changelog: how far, and how far it has to come. */
  readonly position: number
  readonly end: number
  /** False: nothing was there now. */
  step(): boolean
  close(): void
}

/** What a snapshot has to be of, to be used for a store. */
export function storeIdentity(store: string, changelog: TopicDescription, partition: number): string {
  return `${store} ${changelog.id} ${partition}`
}

/** A store's own folder of snapshots. */
export function snapshotFolder(stateFolder: string, changelog: string, partition: number): string {
  return `${stateFolder}/${changelog}-${partition}`
}

/** Brings a store back: from its newest snapshot, then from its changelog. */
export class StoreRecovery<V> implements Recovery {
  readonly end: number
  readonly #snapshot: StoreRestore<V>
  readonly #replay: (from: number) => RestoreLog
  #log: RestoreLog | undefined

  constructor(
    store: MemoryStore<V>,
    parts: {
      readonly broker: Broker
      readonly sys: Sys
      readonly stateFolder: string | undefined
      readonly changelog: TopicDescription
      readonly partition: number
      readonly wake: () => void
    },
  ) {
    const { broker, sys, stateFolder, changelog, partition, wake } = parts
    const { start, end } = broker.bounds(changelog.id, partition)
    this.end = end
    this.#snapshot = new StoreRestore(store, {
      disk: sys.disk,
      lines: sys.lines,
      folder: stateFolder === undefined ? undefined : snapshotFolder(stateFolder, changelog.name, partition),
      identity: storeIdentity(store.name, changelog, partition),
      changelog: { name: `${changelog.name}-${partition}`, start, end },
    })
    this.#replay = (from) =>
      new RestoreLog(broker, changelog, partition, from, wake, (record) =>
        store.restore(record.bytes, record.keyStart, record.keyEnd, record.valueStart, record.valueEnd),
      )
  }

  get done(): boolean {
    return this.#log?.done === true
  }

  get position(): number {
    return this.#log?.position ?? 0
  }

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
