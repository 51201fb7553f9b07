import { resolve } from 'node:path'
import { answered } from '../base/answered.ts'
import type { PartitionId } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import type { Broker, TopicDescription } from '../broker/broker.ts'
import { openBroker } from '../broker/open.ts'
import type { RecordData, RecordHeader } from '../record/record.ts'
import { bytesSource } from '../record/text-source.ts'
import type { LogRecord } from '../streams/log-record.ts'
import { type Topic, topicSpecOf } from '../streams/topic.ts'
import type { Position, Sent } from '../streams/view-types.ts'
import type { Sys } from '../sys/sys.ts'
import { positionText } from '../views/position.ts'
import { type Checked, openPlace } from './place.ts'
import { type AppendedRecord, Producer } from './producer.ts'
import { type ReadOptions, readRecords } from './topic-reader.ts'

/** What may be said of a record that is sent, beside its value. */
export interface SendOptions {
  /** Milliseconds since the epoch. Default: now. */
  readonly timestamp?: number
  readonly headers?: readonly RecordHeader[]
}

/** The key must be given where the topic has one. */
export type SendArguments<K> = [K] extends [null]
  ? [options?: SendOptions]
  : [options: SendOptions & { readonly key: K }]

/** A topic's extent. */
export interface TopicState {
  readonly name: string
  readonly partitions: readonly { readonly start: number; readonly end: number }[]
  /** Records in all partitions, from their first to their last offset. */
  readonly records: number
}

/**
 * The log alone, as users of Kafka clients know it.
 *
 * @example
 * ```ts
 * await using log = await open('file:./data')
 * await log.send(orders, order, { key: order.id })
 * for await (const { offset, value } of log.read(orders, { from: { time: '2026-03-01' } })) console.log(offset, value)
 * ```
 */
export class OpenLog implements AsyncDisposable {
  readonly #sys: Sys
  readonly #broker: Broker
  readonly #producer: Producer

  constructor(sys: Sys, broker: Broker) {
    this.#sys = sys
    this.#broker = broker
    this.#producer = new Producer(sys, broker)
  }

  /** Appends one record; resolves when it is as durable as its topic promises. Makes the topic if there is none. */
  async send<K, Out, In>(
    topic: Topic<K, Out, In>,
    value: NoInfer<In> | null,
    ...rest: SendArguments<K>
  ): Promise<Sent> {
    const spec = topicSpecOf(topic)
    const description = await this.#ensure(topic)
    const options: SendOptions & { readonly key?: K } = rest[0] ?? {}
    const { partition, offset } = await this.#producer.send(description, {
      key: spec.keySerde === undefined ? null : spec.keySerde.encode(options.key),
      value: value === null ? null : spec.valueSerde.encode(value),
      timestamp: options.timestamp ?? this.#sys.clock.now(),
      headers: options.headers ?? [],
    })
    return { position: positionText(spec.name, partition, offset) as Position, partition, offset }
  }

  /** Appends a record that is encoded already. */
  append(topic: TopicDescription, record: RecordData): Promise<AppendedRecord> {
    return this.#producer.send(topic, record)
  }

  /** The records of a topic, each partition in its order. Throws MILLRACE_UNKNOWN_TOPIC when iteration begins. */
  async *read<K, Out, In>(
    topic: Topic<K, Out, In>,
    options: ReadOptions = {},
  ): AsyncGenerator<LogRecord<K, Out>> {
    const spec = topicSpecOf(topic)
    const description = this.#known(spec.name)
    for await (const record of readRecords(this.#sys, this.#broker, description, options)) {
      const { key, value } = record
      yield {
        // The topic's serdes give exactly the types that its `topic(...)` was declared with.
        key: (key === null || spec.keySerde === undefined ? null : decode(spec.keySerde, key)) as K,
        value: (value === null ? null : decode(spec.valueSerde, value)) as Out,
        timestamp: record.timestamp,
        headers: record.headers,
        topic: spec.name,
        partition: record.partition,
        offset: record.offset,
      }
    }
  }

  /** Where a topic's partitions begin and end; a topic that nobody made yet is empty. */
  describe({ name }: { readonly name: string }): TopicState {
    const description = this.#broker.topic(name)
    if (description === undefined) return { name, partitions: [], records: 0 }
    const partitions = Array.from({ length: description.partitions }, (_, partition) => {
      const { start, lastStable } = this.#broker.bounds(description.id, partition)
      return { start, end: lastStable }
    })
    return { name, partitions, records: partitions.reduce((total, { start, end }) => total + end - start, 0) }
  }

  /** Every topic that is not the system's own. */
  topics(): readonly string[] {
    return this.#broker
      .topics()
      .filter(({ internal }) => !internal)
      .map(({ name }) => name)
  }

  /** Waits for what was sent, then lets go of the directory. Idempotent. */
  async close(): Promise<void> {
    await this.#producer.close()
    await answered<void>((answer) => this.#broker.close(answer))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #known(name: string): TopicDescription {
    const description = this.#broker.topic(name)
    if (description !== undefined) return description
    const names = this.topics().join(', ') || 'none'
    throw new MillraceError('MILLRACE_UNKNOWN_TOPIC', `there is no topic ${name}; there is: ${names}`)
  }

  #ensure<K, Out, In>(topic: Topic<K, Out, In>): TopicDescription | Promise<TopicDescription> {
    const { name, partitions, durability } = topicSpecOf(topic)
    const known = this.#broker.topic(name)
    if (known !== undefined) return known
    return answered<TopicDescription>((answer) =>
      this.#broker.createTopic(name, { partitions, durability }, answer),
    )
  }
}

function decode(
  serde: { decode(source: ReturnType<typeof bytesSource>, start: number, end: number): unknown },
  bytes: Uint8Array,
): unknown {
  return serde.decode(bytesSource(bytes), 0, bytes.length)
}

/** Opens a log: `memory:` or `file:FOLDER`. Throws MILLRACE_LOCKED when another process has the folder. */
export async function open<const A extends string>(at: Checked<A>): Promise<OpenLog> {
  const { sys, url } = openPlace(at, resolve('.'))
  return new OpenLog(sys, openBroker(sys, url, '/', { housekeeping: {} }))
}
