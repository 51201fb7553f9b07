/**
 * State that a changelog can bring back: a store, or a partition of a view. To its snapshots and to its restore both are
 * the same: entries that are read, written and replayed.
 */
import type { PartitionId, Timestamp } from '../../base/brands.ts'
import type { TopicDescription } from '../../broker/broker.ts'
import type { BatchReader } from '../../record/batch-reader.ts'
import { keySerde, storeKey } from '../../record/key-codec.ts'
import { asciiKeyStart, isAscii, namespaceBefore } from '../../state/changelog-codec.ts'
import type { Namespace, StoreKey } from '../../state/keyed-store.ts'
import type { MemoryStore } from '../../state/memory-store.ts'
import type { EntryCursor, EntrySink, SnapshotSource } from '../../state/snapshot-source.ts'
import { asBuffer } from '../../state/store-codec.ts'
import type { ViewOperator } from '../operators/view-operator.ts'
import type { PartitionWriter } from '../output/topic-writer.ts'
import type { CommittedRow, ViewTarget } from '../output/view-target.ts'
import { RecordsAhead } from './records-ahead.ts'

export interface LoggedState {
  /** What it is, for the identity of its snapshots. */
  readonly name: string
  readonly changelog: TopicDescription
  readonly partition: PartitionId
  readonly source: SnapshotSource
  /** Writes its changelog. */
  readonly writer: PartitionWriter
  /** Takes a record of the changelog; it may be applied as late as by `flush`. */
  replay(record: BatchReader): void
  /** Applies what was taken. Goes before anybody else touches the state. */
  flush(): void
}

export function storeState<V>(
  store: MemoryStore<V>,
  changelog: TopicDescription,
  writer: PartitionWriter,
): LoggedState {
  const ahead = new RecordsAhead(
    (hashes, count, namespace) => store.lookAhead(namespace, hashes, count),
    (namespace, bytes, keyStart, keyEnd, valueStart, valueEnd) =>
      store.restoreText(namespace, bytes, keyStart, keyEnd, valueStart, valueEnd),
  )
  return {
    name: `store ${store.name}`,
    changelog,
    partition: writer.partition,
    source: store,
    writer,
    replay: ({ bytes, keyStart, keyEnd, valueStart, valueEnd }) => {
      const text = valueStart < 0 ? -1 : asciiKeyStart(bytes, keyStart, keyEnd)
      if (text >= 0) {
        const namespace = namespaceBefore(bytes, keyStart, text)
        ahead.add(namespace, bytes, text, keyEnd, valueStart, valueEnd)
        return
      }
      ahead.flush()
      store.restore(bytes, keyStart, keyEnd, valueStart, valueEnd)
    },
    flush: () => ahead.flush(),
  }
}

/** The timestamp of a row, before its text. */
const ROW_HEAD_BYTES = 8
/** All rows of a view lie in one namespace. */
const ROWS: Namespace = 0

/** The rows of a view's partition. They change only when a commit is durable, so none is ever left out. */
export class ViewState implements LoggedState, SnapshotSource {
  readonly name: string
  readonly changelog: TopicDescription
  readonly partition: PartitionId
  readonly writer: PartitionWriter
  readonly changes = 0
  readonly commits = 0
  /** Rows that were restored. */
  size = 0
  readonly #view: ViewOperator
  readonly #target: ViewTarget
  readonly #ahead = new RecordsAhead(
    (hashes, count) => this.#target.lookAhead(hashes, count),
    (timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd) =>
      this.#restoreText(timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd),
  )

  constructor(view: ViewOperator, target: ViewTarget, changelog: TopicDescription, writer: PartitionWriter) {
    this.name = `view ${view.node.name}`
    this.changelog = changelog
    this.partition = view.partition
    this.writer = writer
    this.#view = view
    this.#target = target
  }

  get source(): SnapshotSource {
    return this
  }

  readEntries(sink: EntrySink): EntryCursor {
    return new RowCursor(this.#target.committedRows(), this.partition, sink)
  }

  restoreEntry(_namespace: Namespace, key: StoreKey, bytes: Uint8Array, start: number, end: number): void {
    this.#restore(key, asBuffer(bytes).readDoubleLE(start), bytes, start + ROW_HEAD_BYTES, end)
  }

  restoreText(
    _namespace: Namespace,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    start: number,
    end: number,
  ): void {
    const timestamp = asBuffer(bytes).readDoubleLE(start)
    this.#restoreText(timestamp, bytes, keyStart, keyEnd, start + ROW_HEAD_BYTES, end)
  }

  replay(record: BatchReader): void {
    const { bytes, keyStart, keyEnd, valueStart, valueEnd } = record
    // A lone text is its own key, unless it begins with NUL: nearly every record needs no string.
    if (valueStart >= 0 && bytes[keyStart] !== 0 && isAscii(bytes, keyStart, keyEnd)) {
      this.#ahead.add(record.timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd)
      return
    }
    this.#ahead.flush()
    const key = storeKey(keySerde.decode(record, record.keyStart, record.keyEnd))
    this.#restore(key, record.timestamp, bytes, valueStart, valueEnd)
  }

  flush(): void {
    this.#ahead.flush()
  }

  clear(): void {
    this.#target.clear(this.partition)
    this.#view.clear()
    this.size = 0
  }

  #restore(key: StoreKey, timestamp: Timestamp, bytes: Uint8Array, start: number, end: number): void {
    this.#target.restore(this.partition, key, timestamp, bytes, start, end)
    this.#view.restoreRow(key, timestamp, start < 0)
    this.size += 1
  }

  #restoreText(
    timestamp: Timestamp,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    start: number,
    end: number,
  ): void {
    this.#target.restoreText(this.partition, timestamp, bytes, keyStart, keyEnd, start, end)
    if (this.#view.expires) {
      this.#view.restoreRow(asBuffer(bytes).latin1Slice(keyStart, keyEnd), timestamp, false)
    }
    this.size += 1
  }
}

/** Reads the rows of one partition out of those of all. */
class RowCursor implements EntryCursor {
  readonly #rows: Iterator<CommittedRow>
  readonly #partition: PartitionId
  readonly #sink: EntrySink
  #scratch = asBuffer(Buffer.allocUnsafeSlow(4096))

  constructor(rows: Iterator<CommittedRow>, partition: PartitionId, sink: EntrySink) {
    this.#rows = rows
    this.#partition = partition
    this.#sink = sink
  }

  next(): boolean {
    const next = this.#rows.next()
    if (next.done === true) return false
    const { partition, key, timestamp, content } = next.value
    if (partition !== this.#partition || content === undefined) return true
    const room = ROW_HEAD_BYTES + content.length * 3
    if (room > this.#scratch.length) this.#scratch = asBuffer(Buffer.allocUnsafeSlow(room * 2))
    const scratch = this.#scratch
    let end = scratch.writeDoubleLE(timestamp, 0)
    if (typeof content === 'string') {
      end += scratch.utf8Write(content, end)
    } else {
      scratch.set(content, end)
      end += content.length
    }
    this.#sink.bytes(ROWS, storeKey(key), scratch, 0, end)
    return true
  }
}
