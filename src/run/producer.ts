import type { Offset, PartitionId } from '../base/brands.ts'
import { type Duration, durationMs } from '../base/duration.ts'
import type { TopicDescription } from '../broker/broker.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import {
  type ProducerOptions as CoreOptions,
  Producer as ProducerCore,
  producerClosed,
} from '../clients/producer.ts'
import { COMPRESSION_NAMES, type CompressionName } from '../record/batch-header.ts'
import type { RecordData } from '../record/record.ts'
import type { Topic } from '../streams/topic.ts'
import type { Position, Sent } from '../streams/view-types.ts'
import type { Sys } from '../sys/sys.ts'
import { positionText } from '../views/position.ts'
import { wrong } from './argument-checks.ts'
import { encodeRecord, type SendArguments, type SendOptions } from './send-options.ts'
import { TopicsOfSends } from './topics.ts'

export interface AppendedRecord {
  readonly partition: PartitionId
  readonly offset: Offset
}

export interface ProducerOptions {
  /** How batches are packed: 'none' (default), 'gzip', 'snappy', 'lz4' or 'zstd'. */
  readonly compression?: CompressionName
  /** Whether an append that is tried again counts once. Default true. */
  readonly idempotent?: boolean
  /** What may wait to be written. Default 32 MiB; a `send` beyond it waits until there is room. */
  readonly bufferBytes?: number
  /** So long a `send` waits for room, then it fails with MILLRACE_TIMEOUT. Default '1m'. */
  readonly maxBlock?: Duration
  /** So long an append whose outcome is unknown is tried again. Default '2m'. */
  readonly deliveryTimeout?: Duration
}

/**
 * Sends records. A single awaited send leaves at once; many sends at a time become batches.
 *
 * @example
 * ```ts
 * await using producer = log.producer({ compression: 'zstd' })
 * await Promise.all(orders.map((order) => producer.send(ordersTopic, order, { key: order.id })))
 * ```
 */
export class Producer implements AsyncDisposable {
  readonly #sys: Sys
  readonly #topics: TopicsOfSends
  readonly #core: ProducerCore
  readonly #closed: () => void
  #closing = false

  /** Use `log.producer`. */
  constructor(
    sys: Sys,
    broker: FullBroker,
    options: ProducerOptions = {},
    closed: () => void = () => undefined,
  ) {
    this.#sys = sys
    this.#closed = closed
    this.#topics = new TopicsOfSends(broker)
    this.#core = new ProducerCore(sys, broker, coreOptions(options))
  }

  /** Appends one record; resolves when it is as durable as its topic promises. Makes the topic if there is none. */
  send<K, Out, In>(
    topic: Topic<K, Out, In>,
    value: NoInfer<In> | null,
    ...rest: SendArguments<K>
  ): Promise<Sent> {
    // One promise a record, and nothing between: most of what a small record costs here.
    return new Promise((resolve, reject) => {
      if (this.#closing) throw producerClosed()
      const send = (known: TopicDescription): void => {
        const options: SendOptions & { readonly key?: K } = rest[0] ?? {}
        const record = encodeRecord(topic, value, options, this.#sys.clock.now())
        this.#core.send(known, record, options.partition, (error, partition, offset) => {
          if (error !== undefined) reject(error)
          else
            resolve({ position: positionText(known.name, partition, offset) as Position, partition, offset })
        })
      }
      const found = this.#topics.get(topic)
      if (found instanceof Promise) found.then(send).catch(reject)
      else send(found)
    })
  }

  /** Appends a record that is encoded already. */
  append(topic: TopicDescription, record: RecordData, partition?: PartitionId): Promise<AppendedRecord> {
    return new Promise((resolve, reject) => {
      if (this.#closing) throw producerClosed()
      this.#core.send(topic, record, partition, (error, place, offset) =>
        error === undefined ? resolve({ partition: place, offset }) : reject(error),
      )
    })
  }

  /** Resolves when everything sent so far was answered. */
  async flush(): Promise<void> {
    await this.#topics.settled()
    await new Promise<void>((resolve) => this.#core.flush(resolve))
  }

  /** Waits for what was sent. Idempotent. */
  async close(): Promise<void> {
    this.#closing = true
    await this.#topics.settled()
    await new Promise<void>((resolve) => this.#core.close(resolve))
    this.#closed()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** @throws MillraceError MILLRACE_INVALID_ARGUMENT. */
export function coreOptions(options: ProducerOptions): Partial<CoreOptions> {
  const { compression = 'none', idempotent = true, bufferBytes = 32 * 1024 * 1024 } = options
  if (!COMPRESSION_NAMES.includes(compression))
    throw wrong('compression', compression, `one of ${COMPRESSION_NAMES.join(', ')}`)
  if (!Number.isSafeInteger(bufferBytes) || bufferBytes < 1)
    throw wrong('bufferBytes', bufferBytes, 'a whole number of bytes above 0')
  // Another value would silently be false.
  if (typeof idempotent !== 'boolean') throw wrong('idempotent', idempotent, 'true or false')
  return {
    compression,
    idempotent,
    bufferBytes,
    maxBlockMs: durationMs(options.maxBlock ?? '1m', 'maxBlock'),
    deliveryTimeoutMs: durationMs(options.deliveryTimeout ?? '2m', 'deliveryTimeout'),
  }
}
