import { assert } from '../base/assert.ts'
import type { LeaderEpoch, Offset, PartitionId, Timestamp } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import { BATCH_HEADER_BYTES, batchSizeBytes, verifyBatch } from '../record/batch-header.ts'
import type { Answer, EpochStart, LogPartition, LogTopic, ReadBatches } from './log.ts'
import { segmentPath } from './log-paths.ts'
import { PartitionTransactions, type TransactionsHost } from './partition-transactions.ts'
import type { AbortedTransaction, OpenTransaction, ProducerState } from './producers.ts'
import { type BatchPlace, Segment, type SegmentHost } from './segment.ts'
import { swappedRecord } from './segment-swap.ts'
import { PARTITION_RECORD_VERSION, type PartitionRecord, type SegmentSwap } from './shape-entries.ts'

/** Ends of reads that are remembered, so that a reader that goes on needs no search. */
const HINTS_MAX = 8

interface ReadHint {
  readonly offset: Offset
  readonly segment: Segment
  readonly position: number
}

/** What the partition asks of the log. */
export interface PartitionHost extends TransactionsHost, SegmentHost {
  readonly verifyReads: boolean
  /** The start moved: journals it, then drops what lies below it and answers with it. */
  startMoved(partition: Partition, answer: Answer<Offset>): void
  /** Removes the segment's files. */
  removeSegment(segment: Segment): void
}

/**
 * One partition: its segments and the offsets that say what of them counts.
 *
 * `start <= end <= appended`; `placed` lies between the last two: offsets below `appended` are assigned, below `placed`
 * written to the segments, below `end` acknowledged. Readers see only what is below `end`, found by its segment and
 * position, which are kept beside it.
 */
export class Partition implements LogPartition {
  readonly topic: LogTopic
  readonly index: PartitionId
  readonly folder: string
  start: Offset
  end: Offset
  appended: Offset
  placed: Offset
  /** Bytes appended for this partition that are not placed yet. */
  waitingBytes = 0
  /** Its topic is deleted, or about to be. */
  removed = false
  readonly segments: Segment[]
  readonly epochs: EpochStart[]
  readonly open: boolean
  readonly keyRange: readonly [number, number] | null
  removedTombstone: Offset | null
  /** Compaction: no key has two records below. */
  cleanedTo: Offset
  readonly transactions: PartitionTransactions
  readonly #host: PartitionHost
  readonly #listeners = new Set<() => void>()
  #endSegment: Segment
  #endPosition: number
  #hints: ReadHint[] = []
  /** A swap of segments whose entry is in the journal, and whose files are not in their places yet. */
  #swap: SegmentSwap | undefined
  #swapping = false
  /** A durable start below which segments may go when no swap is under way. */
  #dropBelow: Offset = -1

  constructor(
    host: PartitionHost,
    topic: LogTopic,
    index: PartitionId,
    folder: string,
    record: PartitionRecord,
  ) {
    this.#host = host
    this.topic = topic
    this.index = index
    this.folder = folder
    this.start = record.start
    this.open = record.open
    this.keyRange = record.keyRange
    this.removedTombstone = record.removedTombstone
    this.cleanedTo = record.cleanedTo ?? 0
    this.epochs = record.epochs.map(([epoch, start]) => ({ epoch, start }))
    this.segments = record.segments.map(
      ([base, sizeBytes, next]) => new Segment(host, segmentPath(folder, base), base, sizeBytes, next),
    )
    if (this.segments.length === 0) this.segments.push(this.newSegment(record.start))
    for (const segment of this.segments.slice(0, -1)) segment.seal()
    this.transactions = new PartitionTransactions(
      host,
      this.name,
      this.segments,
      record.producers,
      record.aborted,
    )
    const active = this.active
    this.end = active.next
    this.appended = active.next
    this.placed = active.next
    this.#endSegment = active
    this.#endPosition = active.sizeBytes
  }

  /** The segment that takes appends. */
  get active(): Segment {
    return this.segments.at(-1) as Segment
  }

  get segmentCount(): number {
    return this.segments.length
  }

  get sizeBytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0)
  }

  get leaderEpoch(): LeaderEpoch {
    return (this.epochs.at(-1) as EpochStart).epoch
  }

  get name(): string {
    return `${this.topic.name}-${this.index}`
  }

  newSegment(base: Offset): Segment {
    return new Segment(this.#host, segmentPath(this.folder, base), base)
  }

  /** Acknowledges everything below `next`, which ends at that place. */
  acknowledge(next: Offset, segment: Segment, position: number): void {
    assert(next >= this.end && next <= this.placed, () => `${this.name}: ${next} is not above ${this.end}`)
    this.end = next
    this.#endSegment = segment
    this.#endPosition = position
    this.transactions.acknowledged(next)
  }

  /** What was appended and is not placed was refused. */
  giveBack(): void {
    this.appended = this.placed
    this.waitingBytes = 0
    this.transactions.giveBack()
  }

  tellFollowers(): void {
    for (const listener of this.#listeners) listener()
  }

  follow(listener: () => void): () => void {
    // A wrapper of its own: the same function may follow twice and leave once.
    const entry = () => listener()
    this.#listeners.add(entry)
    return () => this.#listeners.delete(entry)
  }

  get lastStable(): Offset {
    return this.transactions.lastStable(this.start, this.end)
  }

  aborted(from: Offset, to: Offset): readonly AbortedTransaction[] {
    return this.transactions.aborted(from, to)
  }

  openTransactions(): readonly OpenTransaction[] {
    return this.transactions.openTransactions()
  }

  producers(): readonly ProducerState[] {
    return this.transactions.producers()
  }

  read(from: Offset, bytesMax: number, until = this.end): ReadBatches | undefined {
    if (from < this.start || from > this.end || this.removed) throw this.#outOfRange(from)
    if (from >= until) return undefined
    const hint = this.#hints.find(
      // A hint at the end of a segment that was closed since leads nowhere.
      (known) => known.offset === from && known.position < this.#limitOf(known.segment),
    )
    const segment = hint?.segment ?? this.#segmentOf(from)
    const position = hint?.position ?? this.#positionOf(segment, from)
    return this.#readAt(segment, position, Math.max(bytesMax, BATCH_HEADER_BYTES), from, until)
  }

  offsetForTime(timestamp: Timestamp): Offset {
    if (this.removed) throw this.#outOfRange(this.end)
    for (const segment of this.segments) {
      if (segment.next <= this.start || segment.base >= this.end || segment.sizeBytes === 0) continue
      if (segment.maxTimestamp < timestamp) continue
      const found = this.#firstOf(segment, timestamp)
      if (found !== undefined) return Math.max(found, this.start)
    }
    return this.end
  }

  cutBefore(offset: Offset, answer?: Answer<Offset>): void {
    if (offset < 0 || offset > this.end || this.removed) throw this.#outOfRange(offset)
    // Also where the start is beyond: that may not be durable yet, and the answer is for what is.
    if (offset <= this.start && answer === undefined) return
    this.start = Math.max(this.start, offset)
    this.#host.startMoved(this, answer ?? nothing)
  }

  /**
   * The start is durable, so whole segments below it go. If the power fails between, they are removed at the next
   * opening, which knows the start.
   */
  dropBelow(start: Offset): void {
    this.#dropBelow = Math.max(this.#dropBelow, start)
    if (this.#swapping) return
    while (this.segments.length > 1 && (this.segments[0] as Segment).next <= start) {
      const segment = this.segments.shift() as Segment
      this.#hints = this.#hints.filter((hint) => hint.segment !== segment)
      this.#host.removeSegment(segment)
    }
  }

  /** Compaction: until `swapDone` or `swapRefused`, the segments stay as they are. */
  swapBegun(): void {
    this.#swapping = true
  }

  swapRefused(): void {
    this.#swapping = false
    this.dropBelow(this.#dropBelow)
  }

  /** From here on a checkpoint holds the swap. */
  swapWritten(swap: SegmentSwap): void {
    this.#swap = swap
  }

  /** The files are in their places: the new segment is read from now on. */
  swapDone({ old }: SegmentSwap, segment: Segment): void {
    const at = this.segments.findIndex(({ base }) => base === segment.base)
    const replaced = this.segments.splice(at, old.length, segment)
    for (const each of replaced) each.abandon()
    this.#hints = this.#hints.filter((hint) => !replaced.includes(hint.segment))
    this.#swap = undefined
    this.#swapping = false
    this.dropBelow(this.#dropBelow)
  }

  record(): PartitionRecord {
    const record = this.#record()
    return this.#swap === undefined ? record : swappedRecord(record, this.#swap)
  }

  #record(): PartitionRecord {
    return {
      version: PARTITION_RECORD_VERSION,
      start: this.start,
      epochs: this.epochs.map(({ epoch, start }) => [epoch, start] as const),
      open: this.open,
      keyRange: this.keyRange,
      removedTombstone: this.removedTombstone,
      segments: this.segments.map(({ base, sizeBytes, next }) => [base, sizeBytes, next] as const),
      ...(this.cleanedTo > 0 ? { cleanedTo: this.cleanedTo } : {}),
      ...this.transactions.record(),
    }
  }

  /** The checksum of a batch leaves its epoch out, so damage to it is found here. */
  checkEpoch(segment: Segment, { position, first, leaderEpoch }: BatchPlace): void {
    let at = this.epochs.length - 1
    while (at > 0 && (this.epochs[at] as EpochStart).start > first) at -= 1
    const { epoch } = this.epochs[at] as EpochStart
    if (leaderEpoch !== epoch)
      throw segment.damage(position, `offset ${first} has leader epoch ${leaderEpoch}, expected ${epoch}`)
  }

  /** The last segment whose base is at most `offset`. */
  #segmentOf(offset: Offset): Segment {
    let low = 0
    let high = this.segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.segments[middle] as Segment).base <= offset) low = middle + 1
      else high = middle
    }
    return this.segments[Math.max(0, low - 1)] as Segment
  }

  #limitOf(segment: Segment): number {
    return segment === this.#endSegment ? this.#endPosition : segment.sizeBytes
  }

  /** Of the batch in the segment that holds `offset`. */
  #positionOf(segment: Segment, offset: Offset): number {
    let index = segment.index()
    for (let attempt = 0; ; attempt += 1) {
      const from = index.positionOf(offset)
      const noted = index.lastOffsetAt(offset)
      let found = -1
      let holds = true
      try {
        segment.scan(from, this.#limitOf(segment), (batch) => {
          if (batch.position === from && noted !== undefined) holds = batch.last === noted
          found = batch.position
          return !holds || batch.last >= offset
        })
      } catch (error) {
        // An index that points into the middle of a batch looks like damage of the segment. The rebuild decides.
        if (attempt > 0) throw error
        holds = false
      }
      if (holds) return found
      assert(attempt === 0, () => `${segment.file}: a fresh index is wrong at offset ${offset}`)
      index = segment.rebuildIndex()
    }
  }

  #readAt(segment: Segment, position: number, bytesMax: number, from: Offset, until: Offset): ReadBatches {
    const limit = this.#limitOf(segment)
    let bytes: Uint8Array = unzeroed(Math.min(bytesMax, limit - position))
    segment.read(bytes, position)
    if (bytes.length < BATCH_HEADER_BYTES) throw segment.damage(position, 'a batch is cut off')
    const firstBytes = batchSizeBytes(bytes, 0)
    if (firstBytes > bytes.length && position + firstBytes <= limit) {
      bytes = unzeroed(firstBytes)
      segment.read(bytes, position)
    }
    let used = 0
    let expected = -1
    let first = -1
    while (used + BATCH_HEADER_BYTES <= bytes.length) {
      const batch = segment.head(bytes, used, position + used, limit, expected)
      if (used + batch.sizeBytes > bytes.length || batch.first >= until) break
      if (used === 0 && (batch.first > from || batch.last < from)) {
        throw segment.damage(position, `offsets ${batch.first} to ${batch.last}, expected ${from}`)
      }
      this.checkEpoch(segment, batch)
      if (this.#host.verifyReads) {
        const wrong = verifyBatch(bytes, used, bytes.length)
        if (wrong !== undefined) throw segment.damage(position + used, wrong)
      }
      if (used === 0) first = batch.first
      expected = batch.last + 1
      used += batch.sizeBytes
    }
    if (used === 0) throw segment.damage(position, 'a batch is cut off')
    this.#remember(from, expected, segment, position + used)
    return { bytes: used === bytes.length ? bytes : fitting(bytes, used), from: first, next: expected }
  }

  #remember(from: Offset, next: Offset, segment: Segment, position: number): void {
    const old = this.#hints.findIndex((hint) => hint.offset === from)
    if (old >= 0) this.#hints.splice(old, 1)
    else if (this.#hints.length === HINTS_MAX) this.#hints.shift()
    // At the end of a sealed segment the next read begins in the one that follows.
    if (position < segment.sizeBytes || segment === this.active)
      this.#hints.push({ offset: next, segment, position })
  }

  #firstOf(segment: Segment, timestamp: Timestamp): Offset | undefined {
    const entry = segment.index().lastBefore(timestamp)
    // The index knows batches that are not acknowledged; all below its entry have lower timestamps.
    if (entry !== undefined && entry.offset >= this.end) return undefined
    const from = Math.max(entry?.offset ?? segment.base, this.start)
    let found: Offset | undefined
    let holds = true
    segment.scan(this.#positionOf(segment, from), this.#limitOf(segment), (batch) => {
      // The entry's own batch comes first, if the start has not passed it: damage to the entry shows.
      if (batch.last === entry?.offset) holds = batch.maxTimestamp === entry.timestamp
      if (!holds) return true
      if (batch.last < this.start || batch.maxTimestamp < timestamp) return false
      found = batch.first
      return true
    })
    if (holds) return found
    segment.rebuildIndex()
    return this.#firstOf(segment, timestamp)
  }

  #outOfRange(offset: Offset): MillraceError {
    if (this.removed) {
      const message = `topic ${this.topic.name} was deleted: ${this.name}@${offset} is not there any more`
      return new MillraceError('MILLRACE_UNKNOWN_TOPIC', message)
    }
    return new MillraceError(
      'MILLRACE_OFFSET_OUT_OF_RANGE',
      `offset ${offset} of ${this.name} is not there: the partition holds ${this.start} to ${this.end}; choose where to go on (earliest, latest)`,
    )
  }
}

function nothing(): void {}

/** A small rest of a large buffer is copied, so that the caller does not keep the buffer alive. */
function fitting(bytes: Uint8Array, used: number): Uint8Array {
  return used * 2 < bytes.length ? bytes.slice(0, used) : bytes.subarray(0, used)
}

/** Memory that a read fills. No Buffer: the `slice` of one shares memory, which a holder of a Uint8Array does not expect. */
function unzeroed(sizeBytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer)
}
