import type { PartitionId, Timestamp, TopicId } from '../../base/brands.ts'
import { BatchBuilder } from '../../record/batch-builder.ts'
import type { RecordHeader } from '../../record/record.ts'
import type { ValueWriter } from '../../record/write-target.ts'

/** A batch is closed when it has so many bytes: Kafka's own default limit is 1 MiB. */
const BATCH_BYTES = 900 * 1024

/**
 * What a commit appends to one partition: batches that are closed and one that is being filled. `take` hands them out
 * and begins anew; the builder's buffer stays.
 */
export class PartitionWriter {
  readonly topic: () => TopicId
  readonly partition: PartitionId
  /** Records since the last `take`. */
  count = 0
  /** Bytes that `take` has handed out, ever. */
  takenBytes = 0
  #builder: BatchBuilder | undefined
  #closed: Uint8Array[] = []
  #closedBytes = 0

  constructor(topic: () => TopicId, partition: PartitionId) {
    this.topic = topic
    this.partition = partition
  }

  get bytes(): number {
    return (
      this.#closedBytes +
      (this.#builder === undefined || this.#builder.count === 0 ? 0 : this.#builder.sizeBytes)
    )
  }

  append(
    timestamp: Timestamp,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers?: readonly RecordHeader[],
  ): void {
    this.#open().append(timestamp, key, value, headers)
    this.#added()
  }

  appendText(timestamp: Timestamp, key: string | Uint8Array | null, value: string | null): void {
    this.#open().appendText(timestamp, key, value)
    this.#added()
  }

  /** A value that a writer writes in its place; false: it has to be appended another way. */
  appendWritten<V>(
    timestamp: Timestamp,
    key: string | Uint8Array | null,
    value: V,
    writer: ValueWriter<V>,
    valueBytesMax: number,
  ): boolean {
    const written = this.#open().appendWritten(timestamp, key, value, writer, valueBytesMax)
    if (written) this.#added()
    return written
  }

  /** Key and value are ranges of the same bytes; a negative `valueStart` is a tombstone. */
  appendRanges(
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    this.#open().appendRanges(0, bytes, keyStart, keyEnd, valueStart, valueEnd)
    this.#added()
  }

  take(): readonly Uint8Array[] {
    if (this.count === 0) return []
    const builder = this.#open()
    if (builder.count > 0) this.#close(builder)
    const batches = this.#closed
    this.takenBytes += this.#closedBytes
    this.#closed = []
    this.#closedBytes = 0
    this.count = 0
    return batches
  }

  #open(): BatchBuilder {
    this.#builder ??= new BatchBuilder()
    return this.#builder
  }

  #added(): void {
    this.count += 1
    const builder = this.#open()
    if (builder.sizeBytes >= BATCH_BYTES) this.#close(builder)
  }

  #close(builder: BatchBuilder): void {
    const bytes = builder.build()
    builder.reset()
    this.#closed.push(bytes)
    this.#closedBytes += bytes.length
  }
}

/** All that a commit appends, by topic name and partition. Topics get their ids before the first `take`. */
export class TopicWriters {
  readonly #writers = new Map<string, PartitionWriter[]>()
  readonly #ids = new Map<string, TopicId>()

  writer(topic: string, partition: PartitionId): PartitionWriter {
    let partitions = this.#writers.get(topic)
    if (partitions === undefined) {
      partitions = []
      this.#writers.set(topic, partitions)
    }
    let writer = partitions[partition]
    if (writer === undefined) {
      writer = new PartitionWriter(() => this.#ids.get(topic) as TopicId, partition)
      partitions[partition] = writer
    }
    return writer
  }

  setTopicId(topic: string, id: TopicId): void {
    this.#ids.set(topic, id)
  }

  get bytes(): number {
    let bytes = 0
    for (const partitions of this.#writers.values())
      for (const writer of partitions) bytes += writer?.bytes ?? 0
    return bytes
  }

  *all(): IterableIterator<PartitionWriter> {
    for (const partitions of this.#writers.values())
      for (const writer of partitions) if (writer !== undefined) yield writer
  }
}
