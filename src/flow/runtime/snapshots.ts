/**
 * Takes snapshots of stores, one at a time, in slices between batches (ARCHITECTURE D6).
 *
 * A snapshot is due when the changelog behind the last one is longer than the state and than `bytesMin`. It begins when
 * no commit is on its way, so the begin is the durable end of the changelog; it ends with a durable commit after its
 * last slice. Then the changelog is let go before the older of the two snapshots that are kept.
 * If the power fails in between, the older snapshot and all of the changelog behind it are still there.
 */
import type { Broker, TopicDescription } from '../../broker/broker.ts'
import { SnapshotWriter } from '../../state/snapshot.ts'
import type { Sys } from '../../sys/sys.ts'
import type { LoggedStore } from './committer.ts'
import { snapshotFolder, storeIdentity } from './store-recovery.ts'

/** Work of one step. */
const SLICE_BYTES = 256 * 1024

export class Snapshots {
  readonly #sys: Sys
  readonly #broker: Broker
  readonly #folder: string
  readonly #stores: readonly LoggedStore[]
  readonly #bytesMin: number
  #current: { readonly logged: LoggedStore; readonly writer: SnapshotWriter<unknown> } | undefined
  /** Every entry had its turn; what was left out has to be in a commit. */
  #sliced = false
  /** Commits of the store at the last slice. */
  #slicedAt = 0
  #finishing = false
  #failure: Error | undefined

  constructor(parts: {
    readonly sys: Sys
    readonly broker: Broker
    readonly folder: string
    readonly stores: readonly LoggedStore[]
    readonly bytesMin: number
  }) {
    this.#sys = parts.sys
    this.#broker = parts.broker
    this.#folder = parts.folder
    this.#stores = parts.stores
    this.#bytesMin = parts.bytesMin
  }

  /** A bounded piece of work; false when there is none. @param quiet no commit is on its way. */
  step(quiet: boolean): boolean {
    if (this.#failure !== undefined) throw this.#failure
    const current = this.#current
    if (current === undefined) return quiet && this.#begin()
    if (this.#finishing) return false
    if (!this.#sliced) {
      this.#sliced = !current.writer.slice(SLICE_BYTES)
      this.#slicedAt = current.logged.store.commits
      return true
    }
    // What was dirty when its turn came must be in a durable commit before the end.
    const { commits, changes } = current.logged.store
    if (!quiet || (commits <= this.#slicedAt && changes > 0)) return false
    this.#finish(current.logged, current.writer)
    return true
  }

  close(): void {
    if (!this.#finishing) this.#current?.writer.abandon()
  }

  #begin(): boolean {
    const due = this.#stores.find(({ log }) => log.tailBytes > Math.max(log.snapshotBytes, this.#bytesMin))
    if (due === undefined) return false
    const { store, changelog, partition, log } = due
    // From here on the tail of the next snapshot is counted.
    log.tailBytes = 0
    this.#current = {
      logged: due,
      writer: new SnapshotWriter(store, {
        disk: this.#sys.disk,
        folder: snapshotFolder(this.#folder, changelog, partition),
        identity: storeIdentity(store.name, this.#topic(changelog), partition),
        begin: { offset: log.end, leaderEpoch: 0 },
      }),
    }
    this.#sliced = false
    return true
  }

  #finish(logged: LoggedStore, writer: SnapshotWriter<unknown>): void {
    const { log, changelog, partition } = logged
    this.#finishing = true
    writer.finish({ offset: log.end, leaderEpoch: 0 }, (error, release) => {
      this.#failure = error
      this.#finishing = false
      this.#current = undefined
      log.snapshotBytes = writer.sizeBytes
      if (release !== undefined) this.#broker.releaseChangelog(this.#topic(changelog).id, partition, release)
    })
  }

  #topic(name: string): TopicDescription {
    return this.#broker.topic(name) as TopicDescription
  }
}
