import type { Offset, TopicId } from '../base/brands.ts'
import type { Disk } from '../sys/disk.ts'
import { readGroup } from './group-entry.ts'
import { ENTRY_TYPE, type JournalEntry } from './journal-entry.ts'
import { partitionFolder, segmentPath } from './log-paths.ts'
import { swapFile } from './segment-swap.ts'
import { readShape, type SegmentsSwapped, type StartMoved, type TopicDeleted } from './shape-entries.ts'

/** What the entries say of one segment. */
interface ForeseenSegment {
  readonly topic: TopicId
  readonly folder: string
  /** Some of its bytes are not in these entries. */
  partial: boolean
  end: Offset
}

/**
 * What will be in the end, asked of all entries before the first of them is played: some of it was done already when
 * the power failed, and its files are not what the earlier entries expect.
 *
 * Asked before anything is written, so that a recovery which does not come to its end cannot mislead the next one.
 */
export class Foresight {
  /** Topics that the entries delete: their files may be gone already. */
  readonly deleted = new Set<TopicId>()
  readonly #disk: Disk
  readonly #log: string
  /** Start offsets by folder: segments below them may be gone already. */
  readonly #starts = new Map<string, Offset>()
  /** By file, without suffix. */
  readonly #segments = new Map<string, ForeseenSegment>()
  /** Files of segments, without suffix, of which another one has taken the place. */
  readonly #replaced = new Set<string>()
  /** And of those that are gone: nothing of them is made again, since the journal has not all. */
  readonly #gone = new Set<string>()

  /** @param ends where segments end is wanted in any case. */
  constructor(disk: Disk, log: string, entries: readonly JournalEntry[], ends: boolean) {
    this.#disk = disk
    this.#log = log
    for (const entry of entries) this.#noteShape(entry)
    if (!ends && this.deleted.size + this.#starts.size === 0) return
    for (const entry of entries) if (entry.type === ENTRY_TYPE.group) this.#noteParts(entry)
    for (const [path, segment] of this.#segments) {
      if (segment.partial && this.#isPassed(segment) && !disk.exists(`${path}.log`)) this.#gone.add(path)
    }
  }

  /** The start of the partition in the folder; 0 if it does not move. */
  start(folder: string): Offset {
    return this.#starts.get(folder) ?? 0
  }

  /** Behind the last part of the segment, if ends were asked for; 0: it gets none. */
  end(path: string): Offset {
    return this.#segments.get(path)?.end ?? 0
  }

  isReplaced(path: string): boolean {
    return this.#replaced.has(path)
  }

  /**
   * Replaced, or not there because the start moved beyond it later, or its topic was deleted. That was acknowledged, so
   * the segment was durable once; if it stays after all, its length tells the damage in the end.
   */
  isGone(path: string): boolean {
    return this.#replaced.has(path) || this.#gone.has(path)
  }

  #noteShape(entry: JournalEntry): void {
    if (entry.type === ENTRY_TYPE.topicDeleted) this.deleted.add(readShape<TopicDeleted>(entry).id)
    else if (entry.type === ENTRY_TYPE.segmentsSwapped) this.#noteSwap(readShape<SegmentsSwapped>(entry))
    else if (entry.type === ENTRY_TYPE.startMoved) {
      const { topic, partition, start } = readShape<StartMoved>(entry)
      const folder = partitionFolder(this.#log, topic, partition)
      this.#starts.set(folder, Math.max(start, this.start(folder)))
    }
  }

  /** Its files are in their places: what was written to the old segments was durable, and is not there any more. */
  #noteSwap({ topic, partition, swap }: SegmentsSwapped): void {
    const folder = partitionFolder(this.#log, topic, partition)
    if (this.#disk.exists(swapFile(folder, swap))) return
    for (const base of swap.old) this.#replaced.add(segmentPath(folder, base))
  }

  #noteParts({ body, file, position: at }: JournalEntry): void {
    for (const part of readGroup(body, `${file}:${at}`)) {
      const { topic, partition, segment, position, bytes, next } = part
      const folder = partitionFolder(this.#log, topic, partition)
      const path = segmentPath(folder, segment)
      let known = this.#segments.get(path)
      if (known === undefined) {
        // A checkpoint covers what lies before its first part.
        known = { topic, folder, partial: position > 0, end: next }
        this.#segments.set(path, known)
      }
      known.end = next
      if (bytes === undefined) known.partial = true
    }
  }

  #isPassed({ topic, folder, end }: ForeseenSegment): boolean {
    return this.deleted.has(topic) || end <= this.start(folder)
  }
}
