import type { Timestamp } from '../../base/brands.ts'
import { MillraceError } from '../../base/errors.ts'
import { type Key, keyOfStoreKey } from '../../record/key-codec.ts'
import { partitionOf } from '../../record/partitioner.ts'
import { jsonWriter, stringify } from '../../record/serdes.ts'
import type { ValueWriter } from '../../record/write-target.ts'
import type { StoreKey } from '../../state/keyed-store.ts'
import type { SinkWriter } from '../graph/connector.ts'
import type { OutputNode, TopicSpec } from '../graph/plan.ts'
import { stepLabel } from '../graph/topology.ts'
import type { PartitionWriter } from '../output/topic-writer.ts'
import type { LatestReceiver, Receiver, TaskContext } from './operator.ts'

/** So many neighbouring records without a key lie in one partition, so that batches are large. */
const KEYLESS_RUN = 256

/**
 * Writes records to a topic. Where a key has no say, the partition follows from the offset of the record that caused
 * this one, or from the time of a window's result: from nothing that a crash or a batch could change.
 */
export class TopicOutputOperator implements Receiver, LatestReceiver {
  readonly #node: OutputNode
  readonly #topic: TopicSpec
  readonly #context: TaskContext
  readonly #writers: readonly PartitionWriter[]
  readonly #task: number
  readonly #recordBytesMax: number

  constructor(
    node: OutputNode,
    topic: TopicSpec,
    context: TaskContext,
    task: number,
    writers: readonly PartitionWriter[],
    recordBytesMax: number,
  ) {
    this.#node = node
    this.#topic = topic
    this.#context = context
    this.#task = task
    this.#writers = writers
    this.#recordBytesMax = recordBytesMax
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    const { headers } = this.#context.current
    try {
      const { keySerde, valueSerde } = this.#topic
      if (headers.length === 0 && value !== null && valueSerde.checkJson !== undefined) {
        valueSerde.checkJson(value)
        this.#receiveJson(key, value, timestamp, jsonWriter)
        return
      }
      if (headers.length === 0 && value !== null && valueSerde.encodeText !== undefined) {
        this.#receiveText(key, valueSerde.encodeText(value), timestamp)
        return
      }
      const keyBytes = keySerde === undefined ? null : this.#keyBytes(key)
      const bytes = value === null ? null : valueSerde.encode(value)
      this.#checkSize((keyBytes?.length ?? 0) + (bytes?.length ?? 0))
      this.#writer(keyBytes, timestamp).append(timestamp, keyBytes, bytes, headers)
    } catch (error) {
      this.#context.current.storeKey = key
      this.#context.failed(this.#node, error)
    }
  }

  latest(key: StoreKey, row: unknown, timestamp: Timestamp): void {
    this.receive(key, row, timestamp)
  }

  receiveRow(key: StoreKey, row: unknown, timestamp: Timestamp, writer: ValueWriter<unknown>): void {
    const { valueSerde } = this.#topic
    if (valueSerde.checkJson === undefined || this.#context.current.headers.length > 0) {
      this.receive(key, row, timestamp)
      return
    }
    try {
      valueSerde.checkJson(row)
      this.#receiveJson(key, row, timestamp, writer)
    } catch (error) {
      this.#context.current.storeKey = key
      this.#context.failed(this.#node, error)
    }
  }

  /** JSON is written where it shall lie; what does not fit into the room there goes as text. */
  #receiveJson(key: StoreKey | null, value: unknown, timestamp: Timestamp, json: ValueWriter<unknown>): void {
    const written = this.#writtenKey(key)
    const bytesMax = this.#recordBytesMax - (written?.length ?? 0)
    const writer = this.#writer(written, timestamp)
    if (!writer.appendWritten(timestamp, written, value, json, bytesMax)) {
      this.#appendText(writer, timestamp, written, stringify(value))
    }
  }

  #receiveText(key: StoreKey | null, text: string, timestamp: Timestamp): void {
    const written = this.#writtenKey(key)
    this.#appendText(this.#writer(written, timestamp), timestamp, written, text)
  }

  #appendText(
    writer: PartitionWriter,
    timestamp: Timestamp,
    key: string | Uint8Array | null,
    text: string,
  ): void {
    this.#checkSize((key?.length ?? 0) + text.length)
    writer.appendText(timestamp, key, text)
  }

  /** The key goes into the batch as text where nothing has to be computed of its bytes. */
  #writtenKey(key: StoreKey | null): string | Uint8Array | null {
    const { keySerde } = this.#topic
    if (keySerde === undefined) return null
    if (this.#writers.length === 1 && key !== null && keySerde.encodeText !== undefined) {
      return keySerde.encodeText(keyOfStoreKey(key))
    }
    return this.#keyBytes(key)
  }

  #keyBytes(key: StoreKey | null): Uint8Array {
    if (key !== null) return this.#topic.keySerde?.encode(keyOfStoreKey(key)) as Uint8Array
    throw new MillraceError(
      'MILLRACE_INVALID_RECORD',
      `${stepLabel(this.#node)}: topic ${this.#topic.name} has a key, but the record has none; filter such records out`,
    )
  }

  #writer(key: string | Uint8Array | null, timestamp: Timestamp): PartitionWriter {
    const writers = this.#writers
    if (writers.length === 1) return writers[0] as PartitionWriter
    if (key !== null && typeof key !== 'string')
      return writers[partitionOf(key, writers.length)] as PartitionWriter
    const { current } = this.#context
    const run = current.caused ? Math.floor(current.offset / KEYLESS_RUN) : Math.abs(timestamp)
    return writers[(run + this.#task) % writers.length] as PartitionWriter
  }

  #checkSize(bytes: number): void {
    if (bytes <= this.#recordBytesMax) return
    throw new MillraceError(
      'MILLRACE_RECORD_TOO_LARGE',
      `a record of ${bytes} bytes for topic ${this.#topic.name} is larger than the ${this.#recordBytesMax} that it takes`,
    )
  }
}

/** Writes records to a sink of the outside, whose writer is opened when the last committed mark is known. */
export class SinkOutputOperator implements Receiver, LatestReceiver {
  readonly #node: OutputNode
  readonly #context: TaskContext
  readonly partition: number
  writer: SinkWriter | undefined
  /** Something was written since the last commit. */
  dirty = false
  /** The mark of the last commit. */
  mark: string | undefined

  constructor(node: OutputNode, context: TaskContext, partition: number) {
    this.#node = node
    this.#context = context
    this.partition = partition
  }

  get sinkId(): string {
    return this.#node.to.kind === 'sink' ? this.#node.to.sink.id : ''
  }

  open(
    context: Parameters<Extract<OutputNode['to'], { kind: 'sink' }>['sink']['open']>[0],
    mark: string | undefined,
  ): void {
    if (this.#node.to.kind !== 'sink') return
    this.mark = mark
    this.writer = this.#node.to.sink.open(context, this.partition, mark)
  }

  receive(key: StoreKey | null, value: unknown, timestamp: Timestamp): void {
    const user: Key | null = key === null ? null : keyOfStoreKey(key)
    try {
      this.writer?.write(user, value, timestamp)
      this.dirty = true
    } catch (error) {
      this.#context.current.storeKey = key
      this.#context.failed(this.#node, error)
    }
  }

  latest(key: StoreKey, row: unknown, timestamp: Timestamp): void {
    this.receive(key, row, timestamp)
  }
}
