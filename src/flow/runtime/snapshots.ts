/**
 * Takes snapshots of stores and views, one at a time, in slices between batches (ARCHITECTURE D6).
 *
 * A snapshot is due when the changelog behind the last one is longer than the state and than `bytesMin`. It begins when
 * no commit is on its way, so the begin is the durable end of the changelog; it ends with a durable commit after its
 * last slice. Then the changelog is let go before the older of the two snapshots that are kept.
 * If the power fails in between, the older snapshot and all of the changelog behind it are still there.
 *
 * A disk that takes no snapshot (it may be full) stops nothing: the changelog stays, and the next try is when it has
 * grown by as much again.
 */
import { isMillraceError, type MillraceError } from '../../base/errors.ts'
import type { Broker } from '../../broker/broker.ts'
import { SnapshotWriter } from '../../state/snapshot.ts'
import type { ChangelogPosition } from '../../state/snapshot-format.ts'
import type { Sys } from '../../sys/sys.ts'
import type { LoggedState } from './logged-state.ts'
import { type StateRecovery, snapshotFolder, snapshotIdentity } from './state-recovery.ts'

/** Default of `bytesMin`. */
const BYTES_MIN = 16 * 1024 * 1024
/** At the end a snapshot is taken for so much less, so that the next start is quick. */
const DRAIN_PART = 8
/** Work of one step: about a millisecond. */
const SLICE_BYTES = 96 * 1024

interface Kept {
  readonly state: LoggedState
  /** Bytes of the changelog before this run, and of the writer at the begin of the last snapshot. */
  tailBytes: number
  takenBytes: number
  snapshotBytes: number
}

export class Snapshots {
  readonly #sys: Sys
  readonly #broker: Broker
  readonly #folder: string
  readonly #bytesMin: number
  readonly #sliceBytes: number
  readonly #wake: () => void
  readonly #kept: readonly Kept[]
  /** A commit may have made a snapshot due. */
  #look = true
  #current: { readonly kept: Kept; readonly writer: SnapshotWriter } | undefined
  #finishing = false
  #failure: Error | undefined

  constructor(parts: {
    readonly sys: Sys
    readonly broker: Broker
    readonly folder: string
    readonly bytesMin: number | undefined
    readonly wake: () => void
    readonly recovered: readonly StateRecovery[]
  }) {
    this.#sys = parts.sys
    this.#broker = parts.broker
    this.#folder = parts.folder
    this.#bytesMin = parts.bytesMin ?? BYTES_MIN
    // Small thresholds are for tests, which want more than one slice.
    this.#sliceBytes = Math.min(SLICE_BYTES, this.#bytesMin)
    this.#wake = parts.wake
    this.#kept = parts.recovered.map(({ state, tailBytes, snapshotBytes }) => {
      return { state, tailBytes, takenBytes: 0, snapshotBytes }
    })
  }

  /** A commit became durable. */
  committed(): void {
    this.#look = true
  }

  /** A bounded piece of work; false when there is none now. @param quiet no commit is on its way. */
  step(quiet: boolean): boolean {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#finishing) return false
    try {
      return this.#work(quiet)
    } catch (error) {
      return this.#giveUp(error)
    }
  }

  /** Nothing more is committed: takes the snapshots that spare the next start work. False: that is done. */
  drain(): boolean {
    // Nothing else happens any more that would ask for the next step.
    if (this.#current === undefined && this.#begin(this.#bytesMin / DRAIN_PART)) this.#wake()
    return this.#current !== undefined
  }

  close(): void {
    try {
      if (!this.#finishing) this.#current?.writer.abandon()
    } catch (error) {
      // What is left of it is removed by the next snapshot.
      if (!isFaultOfDisk(error)) throw error
    }
  }

  #work(quiet: boolean): boolean {
    const current = this.#current
    if (current === undefined) {
      if (!quiet || !this.#look) return false
      this.#look = false
      return this.#begin(this.#bytesMin)
    }
    const { kept, writer } = current
    if (writer.busy) return false
    if (!writer.complete) {
      writer.slice(this.#sliceBytes)
      return true
    }
    // What was dirty when its turn came must be in a durable commit before the end.
    if (!quiet || !writer.settled) return false
    this.#finish(kept, writer)
    return true
  }

  #begin(bytesMin: number): boolean {
    const due = this.#kept.find((kept) => tailOf(kept) > Math.max(kept.snapshotBytes, bytesMin))
    if (due === undefined) return false
    // From here on the tail of the next snapshot is counted, also if this one fails.
    due.tailBytes = 0
    due.takenBytes = due.state.writer.takenBytes
    const { disk } = this.#sys
    try {
      disk.makeFolder(this.#folder)
      disk.syncFolder(parentOf(this.#folder))
      const writer = new SnapshotWriter(due.state.source, {
        disk,
        folder: snapshotFolder(this.#folder, due.state),
        identity: snapshotIdentity(due.state),
        begin: this.#end(due),
        wake: this.#wake,
      })
      this.#current = { kept: due, writer }
    } catch (error) {
      return this.#giveUp(error)
    }
    return true
  }

  #finish(kept: Kept, writer: SnapshotWriter): void {
    this.#finishing = true
    writer.finish(this.#end(kept), (error, release) => {
      this.#finishing = false
      this.#current = undefined
      this.#look = true
      if (error !== undefined) {
        if (isFaultOfDisk(error)) this.#warn(error)
        else this.#failure = error
      } else {
        kept.snapshotBytes = writer.sizeBytes
        const { changelog, partition } = kept.state
        if (release !== undefined) this.#broker.releaseChangelog(changelog.id, partition, release)
      }
      this.#wake()
    })
  }

  #giveUp(error: unknown): false {
    if (!isFaultOfDisk(error)) throw error
    this.close()
    this.#current = undefined
    this.#warn(error)
    return false
  }

  #warn(error: Error): void {
    this.#sys.lines.write('warn', `a snapshot could not be taken, the changelog is kept: ${error.message}`)
  }

  /** The durable end of the changelog, as nothing is on its way. */
  #end({ state }: Kept): ChangelogPosition {
    const { end, leaderEpoch } = this.#broker.bounds(state.changelog.id, state.partition)
    return { offset: end, leaderEpoch }
  }
}

function isFaultOfDisk(error: unknown): error is MillraceError {
  return isMillraceError(error) && error.code === 'MILLRACE_DISK'
}

function tailOf({ state, tailBytes, takenBytes }: Kept): number {
  return tailBytes + state.writer.takenBytes - takenBytes
}

function parentOf(folder: string): string {
  return folder.slice(0, folder.lastIndexOf('/')) || '/'
}
