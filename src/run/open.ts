import { resolve } from 'node:path'
import { answered } from '../base/answered.ts'
import { type Duration, durationMs } from '../base/duration.ts'
import { isMillraceError, MillraceError } from '../base/errors.ts'
import type { TopicDescription } from '../broker/broker.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import { openBroker } from '../broker/open.ts'
import type { RecordData } from '../record/record.ts'
import type { HttpServer } from '../serve/http/http-server.ts'
import type { LogRecord } from '../streams/log-record.ts'
import { type Topic, topicSpecOf } from '../streams/topic.ts'
import type { Sent } from '../streams/view-types.ts'
import type { Sys } from '../sys/sys.ts'
import { connectToApp, isAppUrl } from './app-connection.ts'
import { checkFunction, checkOptions, checkPort, checkText } from './argument-checks.ts'
import { Consumer } from './consumer.ts'
import type { CommitMode, ConsumedTopic, ConsumerOptions } from './consumer-options.ts'
import { Groups } from './groups.ts'
import { serveLog } from './log-server.ts'
import { type Checked, type OpenPlace, openPlace } from './place.ts'
import { type AppendedRecord, Producer, type ProducerOptions } from './producer.ts'
import { announce, announcedUrl } from './running-file.ts'
import type { SendArguments } from './send-options.ts'
import { readRecord } from './shown-record.ts'
import { TopicAdmin } from './topic-admin.ts'
import { type ReadOptions, readRecords } from './topic-reader.ts'
import { ensureTopic, knownTopic } from './topics.ts'
import { Transaction } from './transaction.ts'
import {
  openTransactional,
  type TransactionalOptions,
  type TransactionalProducer,
} from './transactional-producer.ts'
import { Underway } from './underway.ts'

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
  /** Consumer groups: list, describe, reset, delete. */
  readonly groups: Groups
  /** Topics: create, alter, delete, describe; retention and compaction. */
  readonly admin: TopicAdmin
  readonly #sys: Sys
  readonly #broker: FullBroker
  readonly #producer: Producer
  readonly #consumers = new Set<{ close(): Promise<void> }>()
  readonly #producers = new Set<{ close(): Promise<void> }>()
  /** Transactions so far: their records without a key go to the partitions in turns. */
  #transactions = 0
  /** Transactions whose work is done. */
  readonly #writing = new Underway()
  readonly #closing = new AbortController()
  #http: HttpServer | undefined

  constructor(sys: Sys, broker: FullBroker) {
    this.groups = new Groups(broker)
    this.admin = new TopicAdmin(broker)
    this.#sys = sys
    this.#broker = broker
    this.#producer = new Producer(sys, broker)
  }

  /** Where other processes reach this log, as `http://127.0.0.1:4041`; undefined: nowhere. */
  get url(): string | undefined {
    return this.#http?.url
  }

  /** Appends one record; resolves when it is as durable as its topic promises. Makes the topic if there is none. */
  send<K, Out, In>(
    topic: Topic<K, Out, In>,
    value: NoInfer<In> | null,
    ...rest: SendArguments<K>
  ): Promise<Sent> {
    return this.#producer.send(topic, value, ...rest)
  }

  /** Appends a record that is encoded already. */
  append(topic: TopicDescription, record: RecordData): Promise<AppendedRecord> {
    return this.#producer.append(topic, record)
  }

  /** A producer with settings of its own. */
  producer(options: ProducerOptions = {}): Producer {
    checkOptions(options, 'the options of a producer')
    const producer: Producer = new Producer(this.#sys, this.#broker, options, () =>
      this.#producers.delete(producer),
    )
    this.#producers.add(producer)
    return producer
  }

  /**
   * Runs `work`, then writes what it sent and the positions that it committed: all or nothing, and readers see it whole
   * per partition. If `work` throws, nothing is written. Everything is gathered in memory first; for more than
   * 256 MiB use `transactional`. Throws MILLRACE_REFUSED when a record's partition has gone to another member.
   */
  async transaction<R>(work: (transaction: Transaction) => Promise<R> | R): Promise<R> {
    checkFunction(work, 'the work of a transaction', 'async (transaction) => { ... }')
    this.#transactions += 1
    const transaction = new Transaction(this.#sys, this.#broker, this.#transactions)
    try {
      const result = await work(transaction)
      await this.#writing.watch(transaction.run())
      return result
    } finally {
      transaction.drop()
    }
  }

  /** A producer that writes first and commits later. Fences whoever had this id before. */
  async transactional(id: string, options: TransactionalOptions = {}): Promise<TransactionalProducer> {
    const producer: TransactionalProducer = await openTransactional(
      this.#sys,
      this.#broker,
      id,
      options,
      () => this.#producers.delete(producer),
    )
    this.#producers.add(producer)
    return producer
  }

  /**
   * A member of a consumer group. It joins at once; topics that are not there are made.
   *
   * @example
   * ```ts
   * await using consumer = log.consumer({ group: 'billing', topics: [orders, payments], commit: 'manual' })
   * for await (const record of consumer) {
   *   if (payments.is(record)) await book(record.value)
   *   await record.commit()
   * }
   * ```
   */
  consumer<T extends ConsumedTopic, const C extends CommitMode = 'auto'>(
    options: ConsumerOptions<T, C>,
  ): Consumer<T, C> {
    checkOptions(options, 'the options of a consumer')
    const consumer: Consumer<T, C> = new Consumer<T, C>(this.#sys, this.#broker, options, {
      makeTopics: async () => {
        for (const topic of options.topics) await ensureTopic(this.#broker, topic as never)
      },
      closed: () => this.#consumers.delete(consumer),
    })
    this.#consumers.add(consumer)
    return consumer
  }

  /**
   * The records of a topic, each partition in its order. Throws MILLRACE_UNKNOWN_TOPIC when iteration begins,
   * MILLRACE_INVALID_RECORD at a record whose bytes do not fit.
   */
  async *read<K, Out, In>(
    topic: Topic<K, Out, In>,
    options: ReadOptions = {},
  ): AsyncGenerator<LogRecord<K, Out>> {
    const spec = topicSpecOf(topic)
    const description = knownTopic(this.#broker, spec.name)
    const { signal } = this.#closing
    for await (const record of readRecords(this.#sys, this.#broker, description, options, signal)) {
      // The topic's serdes give exactly the types that its `topic(...)` was declared with.
      yield readRecord(spec, record) as LogRecord<K, Out>
    }
  }

  /** Where a topic's partitions begin and end; a topic that nobody made yet is empty. */
  describe(topic: { readonly name: string }): TopicState {
    checkText(topic?.name, 'the name of the topic', 'orders')
    const { name } = topic
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

  /**
   * Ends consumers with the work that they have in hand, waits for what was sent and for transactions whose work is done,
   * aborts open ones, ends readers that follow, then lets go of the directory. Idempotent.
   */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#consumers, (consumer) => consumer.close()))
    await Promise.all(Array.from(this.#producers, (producer) => producer.close()))
    await this.#producer.close()
    await this.#writing.ended()
    this.#closing.abort()
    await this.#http?.close()
    await answered<void>((answer) => this.#broker.close(answer))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal Lets other processes in. */
  async serve(port: number): Promise<string> {
    this.#http = await serveLog(this.#sys, this.#broker, this, port)
    return this.#http.url
  }
}

export interface OpenOptions {
  /**
   * Let other processes of this machine use the log too, by HTTP on this port of 127.0.0.1 (0: any free one): they
   * `open` the URL. Not for the URL of an app, which serves its log itself.
   */
  readonly http?: number | undefined
  /**
   * A consumer group that has no member for so long, while the log is open, loses its positions. Default '7d', as
   * Kafka's `offsets.retention.minutes`. Not for the URL of an app.
   */
  readonly positionsRetention?: Duration | undefined
}

/**
 * Opens a log: `memory:`, `file:FOLDER`, or that of a running app or of another process that serves it, by its URL
 * (`http://127.0.0.1:4040`). What others do with a log that is reached by a URL is seen with a delay of up to 2 s in
 * `topics`, `describe`, ends and lags, up to 10 s in `groups` and `admin`; records themselves come at once.
 *
 * Throws MILLRACE_LOCKED when another process has the folder (the message names its URL), MILLRACE_CONNECTION when
 * nothing answers at a URL.
 */
export async function open<const A extends string>(
  at: Checked<A>,
  options: OpenOptions = {},
): Promise<OpenLog> {
  checkText(at, 'where the log lies', 'file:./data')
  checkOptions(options, 'the options of open')
  checkPort(options.http)
  if (isAppUrl(at)) {
    const given = Object.entries(options).find(([, value]) => value !== undefined)
    if (given !== undefined) {
      const problem = `${at} is served by the process that holds it: leave out ${given[0]}, or give it there`
      throw new MillraceError('MILLRACE_INVALID_ARGUMENT', problem)
    }
    const { sys, broker } = await connectToApp(at)
    return new OpenLog(sys, broker)
  }
  const place = openPlace(at, resolve('.'))
  const log = new OpenLog(place.sys, brokerOf(place, at, options))
  try {
    announce(place, options.http === undefined ? undefined : await log.serve(options.http))
  } catch (error) {
    await log.close()
    throw error
  }
  return log
}

function brokerOf(place: OpenPlace, at: string, { positionsRetention }: OpenOptions): FullBroker {
  const positionsRetentionMs =
    positionsRetention === undefined ? undefined : durationMs(positionsRetention, 'positionsRetention')
  try {
    return openBroker(place.sys, place.url, '/', { housekeeping: {}, positionsRetentionMs })
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'MILLRACE_LOCKED') throw error
    const url = announcedUrl(place)
    if (url === undefined) throw error
    const problem = `${at} is held by the process that answers at ${url}`
    throw new MillraceError('MILLRACE_LOCKED', `${problem}: open('${url}') uses its log`, { cause: error })
  }
}
