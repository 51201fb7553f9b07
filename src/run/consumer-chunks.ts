import type { DurationMs } from '../base/brands.ts'
import type { GroupConsumer } from '../clients/group-consumer.ts'
import type { ChunkLimits, HandedChunk, Show } from '../clients/partition-feed.ts'
import type { WorkWatch } from '../clients/work-watch.ts'
import type { Sys } from '../sys/sys.ts'
import type { Bell } from './bell.ts'
import type { ShownRecord } from './shown-record.ts'

/** Whoever never waits has the event loop for so long; then timers, heartbeats and other members get their turn. */
const TURN_MS = 10
/** The clock is looked at once in so many records. */
const RECORDS_PER_LOOK = 16
const CHUNK_LIMITS: ChunkLimits = { records: 500, bytes: 256 * 1024 }

export type Chunk = HandedChunk<ShownRecord>

export interface ChunkHost {
  readonly core: GroupConsumer
  readonly bell: Bell
  readonly show: Show<ShownRecord>
  readonly watch: Pick<WorkWatch<Chunk>, 'begin' | 'end'>
  /** What ended the consumer. */
  readonly failure: () => Error | undefined
  readonly isClosing: () => boolean
  /** Nobody takes records any more: ends the consumer. */
  end(): Promise<void>
}

/** A consumer's records in chunks, and in batches of them, as they come. */
export class ConsumerChunks {
  readonly #sys: Pick<Sys, 'clock' | 'timers'>
  readonly #host: ChunkHost
  #turnBegan: number
  #untilLook = RECORDS_PER_LOOK

  constructor(sys: Pick<Sys, 'clock' | 'timers'>, host: ChunkHost) {
    this.#sys = sys
    this.#host = host
    this.#turnBegan = sys.clock.monotonic()
  }

  /** The next records of one partition, when there are some; undefined at the end. Throws what ended the consumer. */
  async next(): Promise<Chunk | undefined> {
    const { core, bell, show } = this.#host
    while (!this.#isOver()) {
      const chunk = core.takeChunk(CHUNK_LIMITS, show)
      if (chunk !== undefined) return chunk
      await bell.wait()
    }
    return undefined
  }

  /**
   * Chunks until `limits` are reached or, at the latest `withinMs` after the first one came, what there is then. Chunks
   * whose partition goes away meanwhile are let go of. Empty at the end.
   * @param chunkRecords records in a chunk at most.
   */
  async gather(
    { records, bytes }: ChunkLimits,
    withinMs: DurationMs,
    chunkRecords: number,
  ): Promise<Chunk[]> {
    const { bell } = this.#host
    let chunks: Chunk[] = []
    let left = { records, bytes }
    const ring = (): void => bell.ring()
    let deadline: number | undefined
    for (;;) {
      chunks = this.#kept(chunks)
      if (this.#isOver(chunks)) return []
      const chunk = this.#takeBehind(chunks, { ...left, records: Math.min(left.records, chunkRecords) })
      if (chunk === 'damaged') return chunks
      if (chunk !== undefined) {
        chunks.push(chunk)
        left = { records: left.records - chunk.records.length, bytes: left.bytes - chunk.bytes }
        deadline ??= this.#sys.clock.monotonic() + withinMs
        if (left.records > 0 && left.bytes > 0) continue
        return chunks
      }
      const waitMs = deadline === undefined ? 0 : deadline - this.#sys.clock.monotonic()
      if (chunks.length === 0) deadline = undefined
      else if (waitMs <= 0) return chunks
      for (const { feed } of chunks) feed.signal.addEventListener('abort', ring, { once: true })
      const timer = deadline === undefined ? undefined : this.#sys.timers.after(Math.ceil(waitMs), ring)
      await bell.wait()
      timer?.cancel()
      for (const { feed } of chunks) feed.signal.removeEventListener('abort', ring)
    }
  }

  /** What cannot be read is said when what is before it was given out: it is met again. */
  #takeBehind(chunks: readonly Chunk[], limits: ChunkLimits): Chunk | 'damaged' | undefined {
    try {
      return this.#host.core.takeChunk(limits, this.#host.show)
    } catch (error) {
      if (chunks.length === 0) throw error
      return 'damaged'
    }
  }

  /** The next record of the chunk is the consumer's to give out. */
  goesOn({ feed, records, done }: Chunk): boolean {
    const { isClosing, failure } = this.#host
    return done < records.length && !feed.stopped && !isClosing() && failure() === undefined
  }

  /** Work on the records of the chunk begins, until it is released. */
  watch(chunk: Chunk): void {
    this.#host.watch.begin(chunk)
  }

  /** Nobody has a record of the chunk in hand any more. Once for each. */
  release(chunk: Chunk): void {
    this.#host.watch.end(chunk)
    this.#host.core.release(chunk)
  }

  end(): Promise<void> {
    return this.#host.end()
  }

  /** Gives way when this turn of the event loop has taken long. Undefined: go on at once. */
  giveWay(): Promise<void> | undefined {
    this.#untilLook -= 1
    if (this.#untilLook > 0) return undefined
    this.#untilLook = RECORDS_PER_LOOK
    const { clock, timers } = this.#sys
    if (clock.monotonic() - this.#turnBegan < TURN_MS) return undefined
    return new Promise((resolve) => {
      timers.soon(() => {
        this.#turnBegan = clock.monotonic()
        resolve()
      })
    })
  }

  /** Those whose partition is still the consumer's; the others are let go of. */
  #kept(chunks: Chunk[]): Chunk[] {
    if (!chunks.some(({ feed }) => feed.stopped)) return chunks
    for (const chunk of chunks) if (chunk.feed.stopped) this.#host.core.release(chunk)
    return chunks.filter(({ feed }) => !feed.stopped)
  }

  /** The consumer has ended. Throws what ended it; what was gathered is let go of. */
  #isOver(chunks: readonly Chunk[] = []): boolean {
    const failure = this.#host.failure()
    if (failure === undefined && !this.#host.isClosing()) return false
    for (const chunk of chunks) this.#host.core.release(chunk)
    if (failure !== undefined) throw failure
    return true
  }
}
