import { messageOf } from '../../base/errors.ts'
import type { Disk } from '../../sys/disk.ts'
import { isDiskError } from '../disk-error.ts'
import { ENTRY_TYPE, type EntryType } from '../journal-entry.ts'
import type { OpenFiles } from '../open-files.ts'
import type { Partition } from '../partition.ts'
import type { Segment } from '../segment.ts'
import type { SegmentIndex } from '../segment-index.ts'
import { finishSwap, swapFile } from '../segment-swap.ts'
import { type SegmentSwap, writeShape } from '../shape-entries.ts'

export interface SwapHost {
  readonly disk: Disk
  readonly files: OpenFiles
  /** Journals a change; see `ChangeItem`. */
  readonly change: (
    type: EntryType,
    body: Uint8Array,
    written: () => void,
    done: (error: Error | undefined) => void,
  ) => void
  readonly failed: () => boolean
  /** Nothing is acknowledged from now on: what the disk holds is known only after reopening. */
  readonly fail: (error: Error) => void
  readonly warn: (message: string) => void
}

export interface PreparedSwap {
  readonly swap: SegmentSwap
  /** The new one: its file is synced, beside. */
  readonly segment: Segment
  readonly index: SegmentIndex
  /** Null: none was removed in these segments. */
  readonly removedTombstone: number | null
}

/** Puts a cleaned segment in the place of the old ones. */
export class SegmentSwapper {
  readonly #host: SwapHost

  constructor(host: SwapHost) {
    this.#host = host
  }

  /** The old segments are in the partition, and their topic is not about to be deleted. */
  swap(
    partition: Partition,
    { swap, segment, index, removedTombstone }: PreparedSwap,
    done: (error: Error | undefined) => void,
  ): void {
    const producers = partition.transactions.appended()
    const removed = highest(partition.removedTombstone, removedTombstone)
    const entry = { topic: partition.topic.id, partition: partition.index, swap, removedTombstone: removed }
    const written = () => {
      partition.removedTombstone = removed
      partition.swapWritten(swap)
    }
    const body = writeShape(producers.length === 0 ? entry : { ...entry, producers })
    partition.swapBegun()
    this.#host.change(ENTRY_TYPE.segmentsSwapped, body, written, (error) => {
      if (error === undefined) {
        done(this.#finish(partition, swap, segment, index))
        return
      }
      partition.swapRefused()
      // Of a log that failed nobody knows whether the entry is in the journal.
      if (!this.#host.failed()) this.#host.files.remove(swapFile(partition.folder, swap))
      done(error)
    })
  }

  /** All keys below were seen. */
  cleaned(partition: Partition, cleanedTo: number, done: (error: Error | undefined) => void): void {
    const body = writeShape({ topic: partition.topic.id, partition: partition.index, cleanedTo })
    const written = () => {
      partition.cleanedTo = cleanedTo
    }
    this.#host.change(ENTRY_TYPE.partitionCleaned, body, written, done)
  }

  #finish(partition: Partition, swap: SegmentSwap, segment: Segment, index: SegmentIndex): Error | undefined {
    const { disk, files, fail, warn } = this.#host
    try {
      finishSwap(disk, files, partition.folder, swap)
      partition.swapDone(swap, segment)
    } catch (error) {
      if (!isDiskError(error)) throw error
      // Some files may be in their new places: the next opening goes on from there.
      fail(error as Error)
      return error as Error
    }
    if (segment.removed) return undefined
    try {
      segment.adoptIndex(index)
      segment.saveIndexes()
    } catch (error) {
      if (!isDiskError(error)) throw error
      warn(`the indexes of ${segment.path} were not written, and are made again: ${messageOf(error)}`)
    }
    return undefined
  }
}

function highest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b)
}
