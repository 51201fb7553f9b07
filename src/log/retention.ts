import type { Offset, Timestamp } from '../base/brands.ts'
import type { HousekeepingJob, HousekeepingKind } from './housekeeper.ts'
import type { Answer } from './log.ts'
import type { Partition } from './partition.ts'
import type { Segment } from './segment.ts'

export interface RetentionHost {
  /** Begins a new segment behind what was appended; answers when that is durable. */
  readonly roll: (partition: Partition, answer: Answer<void>) => void
}

/** Removing a file takes a disk its time, however small it is. */
const SEGMENTS_A_STEP = 16

/**
 * Retention drops whole segments from the front of a partition: those whose latest record is older than `retentionMs`,
 * and those without which it still holds `retentionBytes`. Only what was acknowledged; the active segment only where all
 * of it is too old: a new one is begun before. The start moves in the journal first, then the files go, so a power cut
 * leaves the records or drops them, and a reader below the start is told.
 */
export function retentionKind(host: RetentionHost): HousekeepingKind {
  return {
    what: 'retention',
    due(partition, now) {
      const segments = expired(partition, now)
      return segments.length === 0 ? undefined : new RetentionJob(host, partition, segments)
    },
  }
}

/** A segment as it was found: an active one may grow until its turn comes. */
interface Expired {
  readonly segment: Segment
  readonly next: Offset
  readonly sizeBytes: number
}

/** The segments at the front that are to go. */
function expired(partition: Partition, now: Timestamp): Expired[] {
  const { cleanup, retentionMs, retentionBytes } = partition.topic.settings
  const found: Expired[] = []
  if (cleanup === 'compact' || (retentionMs === null && retentionBytes === null)) return found
  let excess = Number.NEGATIVE_INFINITY
  if (retentionBytes !== null) {
    excess = partition.segments.reduce((sum, segment) => sum + segment.sizeBytes, -retentionBytes)
  }
  for (const segment of partition.segments) {
    if (segment.sizeBytes === 0 || segment.next > partition.end) break
    const tooMuch = excess >= segment.sizeBytes && segment !== partition.active
    const tooOld = retentionMs !== null && segment.maxTimestamp < now - retentionMs
    if (!tooMuch && !tooOld) break
    excess -= segment.sizeBytes
    found.push({ segment, next: segment.next, sizeBytes: segment.sizeBytes })
  }
  return found
}

class RetentionJob implements HousekeepingJob {
  readonly bytesTotal: number
  bytesDone = 0
  readonly #host: RetentionHost
  readonly #partition: Partition
  readonly #left: Expired[]

  constructor(host: RetentionHost, partition: Partition, segments: Expired[]) {
    this.#host = host
    this.#partition = partition
    this.#left = segments
    this.bytesTotal = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  step(bytesMax: number, done: (error: Error | undefined, more: boolean) => void): void {
    const partition = this.#partition
    if (partition.removed) {
      done(undefined, false)
      return
    }
    let count = 0
    let bytes = 0
    for (const { sizeBytes } of this.#left.slice(0, SEGMENTS_A_STEP)) {
      if (count > 0 && bytes + sizeBytes > bytesMax) break
      count += 1
      bytes += sizeBytes
    }
    const { segment, next } = this.#left[count - 1] as Expired
    const cut = () =>
      this.#cut(next, (error) => {
        if (error === undefined) {
          this.bytesDone += bytes
          this.#left.splice(0, count)
        }
        done(error, this.#left.length > 0)
      })
    if (segment !== partition.active) cut()
    // It got records since: they are not old.
    else if (partition.appended > next) done(undefined, false)
    else this.#host.roll(partition, (error) => (error === undefined ? cut() : done(error, true)))
  }

  abandon(): void {
    this.#left.length = 0
  }

  #cut(before: Offset, done: (error: Error | undefined) => void): void {
    if (this.#partition.removed) done(undefined)
    else this.#partition.cutBefore(before, done)
  }
}
