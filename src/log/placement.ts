import { assert } from '../base/assert.ts'
import type { Offset } from '../base/brands.ts'
import { isMillraceError } from '../base/errors.ts'
import { batchMaxTimestamp } from '../record/batch-header.ts'
import type { Journal } from './journal.ts'
import type { Partition } from './partition.ts'
import type { Segment } from './segment.ts'
import type { SyncRound } from './sync-round.ts'
import type { WritePieces } from './write-pieces.ts'

/** One item of an append, and where a flush put it. */
export interface PlacedPart {
  readonly partition: Partition
  readonly bytes: Uint8Array
  readonly first: Offset
  /** Behind the last record. */
  readonly next: Offset
  segment: Segment | undefined
  position: number
  /** The segment was begun with this part. */
  rolled: boolean
  /** The bytes are not journaled, the segment is synced instead. */
  segmentFirst: boolean
}

export interface PlacementHost {
  readonly segmentFirstBytes: number
  readonly journal: Journal
  readonly syncNames: (partition: Partition) => void
  readonly prepareFolder: (partition: Partition) => void
  readonly warn: (message: string) => void
}

/**
 * A large write goes to the disk in so many pieces at most. Syncs are work for the threads of Node, which has four of
 * them: one is left for the journal's.
 */
const PIECES_MAX = 3

/** What index entries can hold. */
const RELATIVE_OFFSET_MAX = 0x7fff_ffff

interface SegmentWrite {
  readonly segment: Segment
  readonly isNew: boolean
  readonly chunks: Uint8Array[]
  sizeBytes: number
}

interface PartitionPlan {
  readonly partition: Partition
  readonly segmentFirst: boolean
  readonly segmentCount: number
  readonly active: Segment
  readonly activeBytes: number
  readonly activeNext: Offset
  readonly activeExisted: boolean
  readonly writes: SegmentWrite[]
}

/** Where one flush puts its batches: planned, written, and undone as a whole if a write fails. */
export class Placement {
  readonly #host: PlacementHost
  readonly #plans = new Map<Partition, PartitionPlan>()

  constructor(host: PlacementHost) {
    this.#host = host
  }

  /** Gives each part its segment and position. */
  place(parts: readonly PlacedPart[]): void {
    for (const part of parts) {
      const plan = this.#planOf(part.partition)
      let write = plan.writes.at(-1) as SegmentWrite
      part.rolled = false
      if (mustRoll(write, part)) {
        write = { segment: part.partition.newSegment(part.first), isNew: true, chunks: [], sizeBytes: 0 }
        plan.writes.push(write)
        part.rolled = true
      }
      part.segment = write.segment
      part.position = write.segment.sizeBytes + write.sizeBytes
      part.segmentFirst = plan.segmentFirst
      write.chunks.push(part.bytes)
      write.sizeBytes += part.bytes.length
    }
  }

  /**
   * Writes the batches. They are in the page cache then; if the power fails, the journal decides what counts.
   *
   * Syncs of segments whose bytes are not journaled join the round at once, so that the disk works while the rest is
   * written: durable bytes that no entry names are cut by a recovery.
   */
  write(round: SyncRound | undefined): void {
    for (const plan of this.#plans.values()) {
      const { partition } = plan
      for (const { segment, isNew, chunks, sizeBytes } of plan.writes) {
        if (chunks.length === 0) continue
        if (!segment.exists) {
          this.#host.prepareFolder(partition)
          segment.create()
        }
        if (isNew) partition.segments.push(segment)
        const early = plan.segmentFirst ? round : undefined
        segment.write(chunks, sizeBytes, early === undefined ? undefined : this.#pieces(sizeBytes, early))
        early?.start(segment)
        partition.placed = segment.next
      }
      // The entry that names these bytes counts only if the file can be found.
      if (plan.segmentFirst) this.#host.syncNames(partition)
    }
  }

  /** The segments whose bytes are not journaled. */
  eachToSync(visit: (segment: Segment) => void): void {
    for (const { segmentFirst, writes } of this.#plans.values()) {
      if (!segmentFirst) continue
      for (const { segment, chunks } of writes) if (chunks.length > 0) visit(segment)
    }
  }

  /** The journal has the entries. */
  finish(): void {
    for (const { partition, writes } of this.#plans.values()) {
      partition.waitingBytes = 0
      partition.transactions.placed()
      for (const { segment } of writes) {
        if (segment === partition.active) continue
        segment.seal()
        this.#saveIndexes(segment)
      }
    }
  }

  /** Puts segments and offsets back. Throws if that is not possible: the log must be opened again then. */
  undo(): void {
    for (const plan of this.#plans.values()) {
      const { partition } = plan
      partition.segments.length = plan.segmentCount
      partition.placed = plan.activeNext
      assert(
        partition.end <= partition.placed,
        () => `${partition.name}: what was acknowledged is not undone`,
      )
      if (plan.activeExisted) plan.active.truncate(plan.activeBytes, plan.activeNext)
      else plan.active.reset()
    }
  }

  /** One file's sync is slow for its bytes; where several files are synced anyway, more of them gain nothing. */
  #pieces(sizeBytes: number, round: SyncRound): WritePieces {
    const count = this.#plans.size > 1 ? 1 : Math.floor(sizeBytes / this.#host.segmentFirstBytes)
    return { count: Math.max(1, Math.min(PIECES_MAX, count)), written: (piece) => round.start(piece) }
  }

  #planOf(partition: Partition): PartitionPlan {
    const known = this.#plans.get(partition)
    if (known !== undefined) return known
    const { active } = partition
    const plan: PartitionPlan = {
      partition,
      segmentFirst: this.#isSegmentFirst(partition.waitingBytes),
      segmentCount: partition.segments.length,
      active,
      activeBytes: active.sizeBytes,
      activeNext: active.next,
      activeExisted: active.exists,
      writes: [{ segment: active, isNew: false, chunks: [], sizeBytes: 0 }],
    }
    this.#plans.set(partition, plan)
    return plan
  }

  /** Where the journal would have to grow for the bytes, the second sync costs less than that from a quarter on. */
  #isSegmentFirst(bytes: number): boolean {
    const { segmentFirstBytes, journal } = this.#host
    if (bytes >= segmentFirstBytes) return true
    if (bytes < segmentFirstBytes / 4 || bytes <= journal.usedAgainBytes) return false
    journal.noteLack()
    return true
  }

  #saveIndexes(segment: Segment): void {
    try {
      segment.saveIndexes()
    } catch (error) {
      if (!isMillraceError(error)) throw error
      // They are made again from the segment; the append itself is safe.
      this.#host.warn(`the indexes of ${segment.path} were not written: ${String(error)}`)
    }
  }
}

function mustRoll(write: SegmentWrite, part: PlacedPart): boolean {
  const { segment } = write
  const position = segment.sizeBytes + write.sizeBytes
  if (position === 0) return false
  // A part without bytes is there to begin a segment.
  if (part.bytes.length === 0) return true
  return (
    position + part.bytes.length > part.partition.topic.settings.segmentBytes ||
    part.next - segment.base > RELATIVE_OFFSET_MAX ||
    spansTooLong(write, part)
  )
}

/** As in Kafka, by what the batches say, not by a clock: loading old records again gives the same segments. */
function spansTooLong({ segment, chunks }: SegmentWrite, { partition, bytes }: PlacedPart): boolean {
  const begin = chunks.find((chunk) => chunk.length > 0) as Uint8Array
  const first = segment.sizeBytes > 0 ? segment.firstTimestamp : batchMaxTimestamp(begin, 0)
  return first !== undefined && batchMaxTimestamp(bytes, 0) - first > partition.topic.settings.segmentMs
}
