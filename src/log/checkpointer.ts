import { isDiskError } from './disk-error.ts'
import type { Partition } from './partition.ts'
import type { Segment } from './segment.ts'

export interface CheckpointerHost {
  /** Makes the names of the partition's folder and files durable. */
  readonly syncNames: (partition: Partition) => void
  readonly partitions: () => Iterable<Partition>
  /** The log's state as the body of a checkpoint entry. */
  readonly snapshot: (clean: boolean) => Uint8Array
  /** Journals the checkpoint; `done` when it is durable, or was refused. */
  readonly commit: (body: Uint8Array, done: (error: Error | undefined) => void) => void
  /** Older journal files may go. */
  readonly covered: () => void
  readonly fail: (error: Error) => void
}

/**
 * Cuts the journal without a stall. When the journal begins a new file, the state at that moment is taken; then the
 * segments that had unsynced bytes are synced one after the other in the background, while appends go on in the new
 * file; then the state goes into that file as an entry. When it is durable, the older files are not needed.
 * If the power fails before that, the older files are still there, and hold everything.
 */
export class Checkpointer {
  readonly #host: CheckpointerHost
  #running = false
  #whenDone: (() => void)[] = []

  constructor(host: CheckpointerHost) {
    this.#host = host
  }

  get running(): boolean {
    return this.#running
  }

  /** The journal has just begun a new file, and nothing was placed since. */
  begin(): void {
    this.#running = true
    const body = this.#host.snapshot(false)
    this.syncAll((error) => {
      if (error !== undefined) {
        // Before those that wait are told: a close must not take the log for a sound one.
        this.#host.fail(error)
        this.#end()
        return
      }
      this.#host.commit(body, (refused) => {
        // On a full disk the older files stay: the next checkpoint, when this file is full as well, covers them too.
        if (refused === undefined) this.#host.covered()
        this.#end()
      })
    })
  }

  /** Calls `done` when no checkpoint is under way. */
  whenDone(done: () => void): void {
    if (this.#running) this.#whenDone.push(done)
    else done()
  }

  /** Makes every segment, as long as it is now, and its name durable; one after the other. */
  syncAll(done: (error: Error | undefined) => void): void {
    const work: [Partition, Segment][] = []
    try {
      for (const partition of this.#host.partitions()) {
        const before = work.length
        for (const segment of partition.segments) {
          if (segment.syncedBytes < segment.sizeBytes || segment.indexesUnsaved)
            work.push([partition, segment])
        }
        // A round that was undone may have synced bytes, but not the name of their file.
        if (work.length === before) this.#host.syncNames(partition)
      }
    } catch (error) {
      if (!isDiskError(error)) throw error
      done(error as Error)
      return
    }
    this.#syncNext(work, 0, done)
  }

  #syncNext(
    work: readonly (readonly [Partition, Segment])[],
    from: number,
    done: (error: Error | undefined) => void,
  ): void {
    // A loop, not a recursion, where syncs end at once: there may be thousands.
    for (let at = from; at < work.length; at += 1) {
      const [partition, segment] = work[at] as readonly [Partition, Segment]
      let ended = false
      let inside = true
      try {
        segment.saveIndexes()
        this.#host.syncNames(partition)
        segment.sync((error) => {
          ended = true
          if (error !== undefined) done(error)
          else if (!inside) this.#syncNext(work, at + 1, done)
          else return
          ended = false
        })
      } catch (error) {
        if (!isDiskError(error)) throw error
        done(error as Error)
        return
      }
      inside = false
      if (!ended) return
    }
    done(undefined)
  }

  #end(): void {
    this.#running = false
    const waiting = this.#whenDone
    this.#whenDone = []
    for (const done of waiting) done()
  }
}
