/**
 * Compaction of one partition, in steps.
 *
 * A pass reads the section that is new and notes the last offset of each of its keys, as many as the memory takes;
 * then it writes all closed segments up to there anew, group by group, without the records that have a successor, and
 * swaps each group when it is done. If not all keys found room, another pass follows. What the power cuts off is done
 * again from the last swap on; nothing that it did so far is wrong.
 *
 * Cost: each byte of the new section is read twice, each older one once in a pass; what stays is written once.
 */
import type { Offset, Timestamp } from '../../base/brands.ts'
import {
  batchProducerId,
  batchRecordCount,
  CONTROL_BIT,
  NO_PRODUCER_ID,
  TRANSACTIONAL_BIT,
} from '../../record/batch-header.ts'
import type { AbortedEntry } from '../aborted-index.ts'
import type { HousekeepingJob } from '../housekeeper.ts'
import { segmentPath } from '../log-paths.ts'
import type { OpenFiles } from '../open-files.ts'
import type { Partition } from '../partition.ts'
import { type BatchPlace, Segment, type SegmentHost } from '../segment.ts'
import { swapFile, swapSuffix } from '../segment-swap.ts'
import type { SegmentSwap } from '../shape-entries.ts'
import { BatchCleaner, type CleaningRules } from './batch-cleaner.ts'
import { CleanedFile } from './cleaned-file.ts'
import { CleanedTransactions } from './cleaned-transactions.ts'
import type { CleanableSection } from './dirty-section.ts'
import { HASH_WORDS, KeyHasher } from './key-hash.ts'
import { KeyOffsetMap, mapBytesFor, SECTION_OFFSETS_MAX } from './key-offset-map.ts'
import { RECORD_KIND, RecordTable } from './record-table.ts'
import { SegmentBatches } from './segment-batches.ts'
import type { SegmentSwapper } from './segment-swapper.ts'

export interface CompactionHost extends SegmentHost {
  readonly files: OpenFiles
  readonly swapper: SegmentSwapper
  readonly mapBytesMax: number
  readonly now: () => Timestamp
  /** 32 random bits. */
  readonly random: () => number
  readonly syncFolder: (path: string) => void
  /** The log takes nothing any more. */
  readonly stopped: () => boolean
  /** Of the next journal entry. */
  readonly nextEntry: () => number
}

/** What index entries can hold. */
const RELATIVE_OFFSET_MAX = 0x7fff_ffff
/** How much is looked at before a step may end. */
const SLICE_BYTES = 1024 * 1024

/** Something that ends later. */
type Wait = (done: (error: Error | undefined) => void) => void
/** Each value is a point where a step may end, or something to wait for first. */
type Work<T> = Generator<Wait | undefined, T, undefined>

export class CompactionJob implements HousekeepingJob {
  bytesDone = 0
  bytesTotal: number
  readonly #host: CompactionHost
  readonly #partition: Partition
  readonly #to: Offset
  readonly #work: Work<void>
  #map: KeyOffsetMap | undefined
  /** The file that is written now, and not yet swapped. */
  #temporary: string | undefined

  constructor(host: CompactionHost, partition: Partition, section: CleanableSection) {
    this.#host = host
    this.#partition = partition
    this.#to = section.to
    this.bytesTotal = section.dirtyBytes + section.totalBytes
    this.#work = this.#passes()
  }

  step(bytesMax: number, done: (error: Error | undefined, more: boolean) => void): void {
    const enough = this.bytesDone + bytesMax
    const goOn = (error?: Error): void => {
      if (this.#host.stopped()) {
        this.abandon()
        done(error, false)
        return
      }
      let ended: boolean
      let wait: Wait | undefined
      try {
        do {
          const result = error === undefined ? this.#work.next() : this.#work.throw(error)
          ended = result.done === true
          wait = result.done === true ? undefined : result.value
        } while (!ended && wait === undefined && this.bytesDone < enough)
      } catch (thrown) {
        this.abandon()
        done(thrown as Error, false)
        return
      }
      if (wait !== undefined) wait(goOn)
      else done(undefined, !ended)
    }
    goOn()
  }

  abandon(): void {
    this.#work.return()
    this.#map = undefined
    this.#removeTemporary()
  }

  *#passes(): Work<void> {
    const partition = this.#partition
    while (!partition.removed && partition.cleanedTo < this.#to) {
      const segments = partition.segments.filter(({ next }) => next <= this.#to)
      const [first] = segments
      if (first === undefined) return
      this.#expect(segments)
      const from = Math.max(partition.cleanedTo, partition.start, first.base)
      const hash = new KeyHasher(this.#host.random(), this.#host.random())
      const transactions = this.#transactions(segments)
      const { map, upTo } = yield* this.#mapKeys(segments, from, hash)
      const rules: CleaningRules = {
        hash,
        map,
        upTo,
        transactions,
        now: this.#host.now(),
        deleteRetentionMs: partition.topic.settings.deleteRetentionMs,
      }
      const cleaner = new BatchCleaner(rules)
      const affected = segments.filter(({ base }) => base < upTo)
      for (let at = 0; at < affected.length && !partition.removed; ) {
        at += yield* this.#cleanGroup(affected.slice(at), cleaner)
      }
      if (partition.removed) return
      yield (done) => this.#host.swapper.cleaned(partition, upTo, done)
    }
  }

  /** Another pass reads it all again. */
  #expect(segments: readonly Segment[]): void {
    if (this.bytesDone === 0) return
    const { cleanedTo } = this.#partition
    const left = segments.reduce((sum, each) => sum + each.sizeBytes * (each.next > cleanedTo ? 2 : 1), 0)
    this.bytesTotal = this.bytesDone + left
  }

  #transactions(segments: readonly Segment[]): CleanedTransactions {
    const { transactions } = this.#partition
    const base = (segments[0] as Segment).base
    return new CleanedTransactions(transactions.aborted(base, this.#to), transactions.record().producers)
  }

  /** The last offset of each key from `from` on; up to an offset below the section's end if not all find room. */
  *#mapKeys(
    segments: readonly Segment[],
    from: Offset,
    hash: KeyHasher,
  ): Work<{ readonly map: KeyOffsetMap; readonly upTo: Offset }> {
    let map = this.#map ?? new KeyOffsetMap(from, this.#host.mapBytesMax)
    this.#map = map
    map.clear(from)
    let upTo = this.#to
    const table = new RecordTable()
    const transactions = this.#transactions(segments)
    const note = (bytes: Uint8Array, at: number, batch: BatchPlace): boolean => {
      const count = batchRecordCount(bytes, at)
      if (batch.last < from || count === 0 || (batch.attributes & CONTROL_BIT) !== 0) return true
      if (count > map.room || batch.last - from > SECTION_OFFSETS_MAX) {
        if (map.size > 0) {
          upTo = batch.first
          return false
        }
        map = new KeyOffsetMap(from, mapBytesFor(count))
      }
      const aborted =
        (batch.attributes & TRANSACTIONAL_BIT) !== 0 &&
        transactions.data(batchProducerId(bytes, at), batch.first)
      if (aborted) return true
      table.load(bytes, at, hash)
      noteKeys(table, from, map)
      return true
    }
    for (const segment of segments) {
      if (segment.next > from && upTo === this.#to) yield* this.#eachBatch(segment, note)
    }
    return { map, upTo }
  }

  /** Writes as many of the segments anew as fit into one. Returns how many. */
  *#cleanGroup(segments: readonly Segment[], cleaner: BatchCleaner): Work<number> {
    const { files } = this.#host
    const { segmentBytes } = this.#partition.topic.settings
    const first = segments[0] as Segment
    if (!this.#isThere(first)) return 1
    const suffix = swapSuffix(this.#host.nextEntry())
    const path = swapFile(this.#partition.folder, { old: [first.base], suffix })
    const file = new CleanedFile(files, path, first.base)
    this.#temporary = path
    let changed = false
    cleaner.begin()
    const clean = (bytes: Uint8Array, at: number, batch: BatchPlace): boolean => {
      const cleaned = cleaner.clean(bytes, at, batch)
      if (cleaned === 'unchanged') file.add(bytes, at, at + batch.sizeBytes, batch)
      else if (cleaned !== 'gone') file.add(cleaned, 0, cleaned.length, batch)
      else file.drop(batch)
      // An empty batch that only held the place of others does so again.
      if (cleaned !== 'unchanged' && !isPlaceholder(bytes, at)) changed = true
      return true
    }
    const group: Segment[] = []
    for (const segment of segments) {
      const fits = file.sizeBytes + segment.sizeBytes <= segmentBytes
      if (group.length > 0 && !(fits && segment.next - first.base <= RELATIVE_OFFSET_MAX)) break
      yield* this.#eachBatch(segment, clean)
      group.push(segment)
    }
    file.end((group.at(-1) as Segment).next)
    const better = changed || group.length > 1 || file.sizeBytes < first.sizeBytes
    if (better && !file.tooLarge) yield* this.#swap(group, file, suffix, cleaner)
    this.#removeTemporary()
    return group.length
  }

  /** Nothing is swapped if one of the segments went meanwhile: another round cleans the others. */
  *#swap(group: readonly Segment[], file: CleanedFile, suffix: string, cleaner: BatchCleaner): Work<void> {
    const partition = this.#partition
    yield (done) => this.#host.files.use(file.path).sync(done)
    this.#host.syncFolder(partition.folder)
    if (!group.every((segment) => this.#isThere(segment))) return
    const { sizeBytes, index } = file
    const { base } = group[0] as Segment
    const { next } = group.at(-1) as Segment
    const segment = new Segment(this.#host, segmentPath(partition.folder, base), base, sizeBytes, next)
    segment.seal()
    segment.transactions.replace(this.#abortedOf(group, cleaner.markers))
    const summary = segment.transactions.summary()
    const aborted = summary === undefined ? null : ([base, summary.count, summary.crc] as const)
    const swap: SegmentSwap = { old: group.map((each) => each.base), sizeBytes, next, suffix, aborted }
    const removedTombstone = cleaner.removedTombstone < 0 ? null : cleaner.removedTombstone
    // From here on it is the journal that says what becomes of the file.
    this.#temporary = undefined
    yield (done) => this.#host.swapper.swap(partition, { swap, segment, index, removedTombstone }, done)
  }

  /** Until `visit` returns false, or the segment goes. */
  *#eachBatch(
    segment: Segment,
    visit: (bytes: Uint8Array, at: number, batch: BatchPlace) => boolean,
  ): Work<void> {
    const batches = new SegmentBatches(this.#partition, segment)
    let reported = 0
    while (this.#isThere(segment)) {
      const batch = batches.next()
      if (batch === undefined || !visit(batches.bytes, batches.at, batch)) break
      if (batches.position - reported < SLICE_BYTES) continue
      this.bytesDone += batches.position - reported
      reported = batches.position
      yield undefined
    }
    this.bytesDone += batches.position - reported
    yield undefined
  }

  /** What the transaction indexes say of markers that stay. */
  #abortedOf(group: readonly Segment[], markers: ReadonlySet<Offset>): AbortedEntry[] {
    return group.flatMap(({ transactions }) =>
      (transactions.entries() ?? []).filter(({ lastOffset }) => markers.has(lastOffset)),
    )
  }

  /** The start may have passed it, or its topic was deleted. */
  #isThere(segment: Segment): boolean {
    return !segment.removed && !this.#partition.removed
  }

  #removeTemporary(): void {
    const temporary = this.#temporary
    this.#temporary = undefined
    if (temporary !== undefined) this.#host.files.remove(temporary)
  }
}

/** No record, and no producer either. */
function isPlaceholder(bytes: Uint8Array, at: number): boolean {
  return batchRecordCount(bytes, at) === 0 && batchProducerId(bytes, at) === NO_PRODUCER_ID
}

function noteKeys(table: RecordTable, from: Offset, map: KeyOffsetMap): void {
  const { count, kinds, offsets, hashes } = table
  for (let index = 0; index < count; index += 1) {
    const offset = offsets[index] as number
    if (kinds[index] === RECORD_KIND.keyless || offset < from) continue
    map.put(hashes, index * HASH_WORDS, offset)
  }
}
