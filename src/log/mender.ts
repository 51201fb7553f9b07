import type { LeaderEpoch, Offset } from '../base/brands.ts'
import type { Disk } from '../sys/disk.ts'
import type { GroupPart } from './group-entry.ts'
import { cutAwayPath, segmentPath } from './log-paths.ts'
import { type BatchRange, goodBatches, mendBatches } from './mend-batches.ts'
import type { OpenFiles } from './open-files.ts'
import { folderOf, type MutablePartition, type MutableSegment, newSegment } from './recovery-state.ts'

/** One thing that a repair did. */
export interface Repair {
  readonly file: string
  /** Positions in the file. */
  readonly from: number
  readonly to: number
  /** Offsets that lost their records, or got them back; undefined where there are none. */
  readonly offsets: readonly [first: Offset, next: Offset] | undefined
  readonly what: string
  /** The file that holds what was cut out; undefined where nothing was lost. */
  readonly kept: string | undefined
}

/** Puts right what a recovery would refuse, keeps what it cuts out in a file beside, and notes what it did. */
export class Mender {
  readonly repairs: Repair[] = []
  readonly #disk: Disk
  readonly #files: OpenFiles

  constructor(disk: Disk, files: OpenFiles) {
    this.#disk = disk
    this.#files = files
  }

  /**
   * What a checkpoint, or a swap, says of a segment is made true.
   * @param file of a segment that waits for its place, where it waits.
   */
  covered(segment: MutableSegment, partition: MutablePartition, file = `${segment.path}.log`): void {
    const { base: first, next, sizeBytes } = segment
    if (sizeBytes === 0) return
    this.#mend(segment, 0, sizeBytes, { first, next, epochAt: epochsOf(partition) }, file)
  }

  /** A part that went to its segment, and is not as it was. */
  part(
    segment: MutableSegment,
    partition: MutablePartition,
    { position, sizeBytes, first, next }: GroupPart,
  ): void {
    this.#mend(segment, position, sizeBytes, { first, next, epochAt: epochsOf(partition) })
  }

  /**
   * The journal lost entries: whole batches that lie behind what it still says, and segments that follow, belong to the
   * partition again.
   */
  adopt(partition: MutablePartition): void {
    const { folder, segments } = partition
    for (;;) {
      const last = segments.at(-1) as MutableSegment
      this.#adoptTail(last, partition)
      const follower = `${segmentPath(folder, last.next)}.log`
      if (last.sizeBytes === 0 || (this.#disk.size(follower) ?? 0) === 0) return
      segments.push(newSegment(folder, last.next, 0, last.next))
    }
  }

  /** Keeps bytes of a file that are about to go. */
  keep(file: string, from: number, bytes: Uint8Array, target = file): string | undefined {
    if (bytes.length === 0) return undefined
    const path = cutAwayPath(target, from, from + bytes.length)
    // What an earlier repair, cut off in the middle, had kept is the original.
    if (this.#disk.exists(path)) return path
    const kept = this.#disk.open(path, 'create')
    try {
      kept.write(bytes, 0)
      kept.syncNow()
    } finally {
      kept.close()
    }
    this.#disk.syncFolder(path.slice(0, path.lastIndexOf('/')))
    return path
  }

  read(file: string, from: number, to: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, to - from))
    if (bytes.length > 0) this.#files.use(file).read(bytes, from)
    return bytes
  }

  #adoptTail(segment: MutableSegment, partition: MutablePartition): void {
    const file = `${segment.path}.log`
    const end = this.#disk.size(file) ?? 0
    const from = segment.sizeBytes
    if (end <= from) return
    const tail = this.read(file, from, end)
    const range = {
      first: segment.next,
      next: Number.MAX_SAFE_INTEGER,
      epochAt: epochsOf(partition),
    }
    const { sizeBytes, next } = goodBatches(tail, range)
    if (sizeBytes > 0) {
      const offsets = [segment.next, next] as const
      const what = 'the journal lost its entries, the batches are whole: they stay'
      this.repairs.push({ file, from, to: from + sizeBytes, offsets, what, kept: undefined })
      segment.sizeBytes += sizeBytes
      segment.next = next
      segment.touched = true
    }
    const rest = tail.subarray(sizeBytes)
    if (rest.length === 0) return
    const kept = this.keep(file, from + sizeBytes, rest)
    const what = 'these bytes are no whole batches, and no entry of the journal knows them: cut'
    this.repairs.push({ file, from: from + sizeBytes, to: end, offsets: undefined, what, kept })
  }

  #mend(
    segment: MutableSegment,
    position: number,
    length: number,
    range: BatchRange,
    file = `${segment.path}.log`,
  ): void {
    const there = Math.max(0, Math.min(this.#disk.size(file) ?? 0, position + length) - position)
    const bytes = new Uint8Array(length)
    bytes.set(this.read(file, position, position + there))
    const mended = mendBatches(bytes, range)
    // What a repair that was cut off put there may end with zeros that did not get into the file.
    if (mended.length === 0 && there === length) return
    for (const { from, to, first, next, original, restored } of mended) {
      const lost = original.subarray(0, Math.max(0, there - from))
      const kept = restored ? undefined : this.keep(file, position + from, lost)
      const missing = lost.length < original.length
      const cut = missing ? 'the file is missing, or ends too early' : 'no good batches'
      const what = restored
        ? 'offset or epoch of a batch were put right'
        : `${cut}: empty batches took their place`
      const offsets = restored ? undefined : ([first, next] as const)
      this.repairs.push({ file, from: position + from, to: position + to, offsets, what, kept })
    }
    this.#write(segment, file, position, bytes)
  }

  #write(segment: MutableSegment, path: string, position: number, bytes: Uint8Array): void {
    if (!this.#disk.exists(path)) {
      const folder = folderOf(segment)
      this.#disk.makeFolder(folder)
      // Perhaps it was gone as well: then its name is not durable yet.
      this.#disk.syncFolder(folder.slice(0, folder.lastIndexOf('/')))
      this.#files.create(path)
    }
    const file = this.#files.use(path)
    file.write(bytes, position)
    file.syncNow()
    this.#disk.syncFolder(folderOf(segment))
    // They may point into the middle of what is there now.
    for (const suffix of ['.index', '.timeindex']) {
      this.#files.forget(segment.path + suffix)
      this.#disk.remove(segment.path + suffix)
    }
  }
}

function epochsOf({ record }: MutablePartition): (offset: Offset) => LeaderEpoch {
  const { epochs } = record
  return (offset) => (epochs.findLast(([, start]) => start <= offset) ?? epochs[0] ?? [0])[0]
}
