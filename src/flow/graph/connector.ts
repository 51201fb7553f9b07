import type { PartitionId } from '../../base/brands.ts'
import type { Key } from '../../record/key-codec.ts'
import type { Sys } from '../../sys/sys.ts'

/** A source of the outside world, as a value: describing one touches nothing. */
export interface Source {
  /** Part of the plan's identity and of the committed positions: 'file:/abs/access.log'. */
  readonly id: string
  readonly partitions: number
  /** Opens a partition at a position that a commit stored, or at its beginning. Throws when it cannot be opened. */
  open(context: ConnectorContext, partition: PartitionId, position: SourcePosition | undefined): SourceReader
}

export interface ConnectorContext {
  readonly sys: Sys
  /** Folder that relative paths are relative to. */
  readonly baseFolder: string
  /** Called when a reader that had nothing may have more, or a sink that was busy is not. */
  readonly wake: () => void
}

/** `offset` counts records and is what `record.offset` shows; `metadata` is the source's own text (a byte position). */
export interface SourcePosition {
  readonly offset: number
  readonly metadata: string
}

export interface SourceReader {
  /** Up to `max` items; empty: none now. An item that could not be read is a `failure` with its raw bytes. */
  poll(max: number): readonly SourceItem[]
  /** The position behind the last item of the last poll. */
  position(): SourcePosition
  /** True when this source can never have more (a file that is not followed, read to its end). */
  ended(): boolean
  /** Bytes read and in all, for progress; total undefined where nobody knows. */
  progress(): { readonly done: number; readonly total: number | undefined }
  close(): void
}

export interface SourceItem {
  readonly value: unknown
  readonly key: Key | null
  readonly timestamp: number
  /** Where it stood, for messages: 'access.log:17'. */
  readonly where: string
  /** The line of a file that it begins at, from 1, for dead letters. */
  readonly line?: number
  /** The position behind this item, kept by the engine until the item is committed. */
  readonly position: SourcePosition
  readonly failure?: { readonly error: Error; readonly raw: Uint8Array }
}

/**
 * A sink of the outside. Exactly once by two steps: `prepare` makes a commit's rows durable under a mark, and says the
 * mark; it goes into the same commit as the positions; on `open` the sink gets the last committed mark and takes
 * back whatever lies behind it.
 */
export interface Sink {
  readonly id: string
  open(context: ConnectorContext, partition: PartitionId, committed: string | undefined): SinkWriter
}

export interface SinkWriter {
  write(key: Key | null, value: unknown, timestamp: number): void
  /** Makes all that was written durable, then answers with the mark. */
  prepare(answer: (error: Error | undefined, mark: string | undefined) => void): void
  close(): void
}
