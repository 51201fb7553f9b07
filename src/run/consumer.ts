import { answered } from '../base/answered.ts'
import type { DurationMs, Timestamp } from '../base/brands.ts'
import { durationMs, timeMs } from '../base/duration.ts'
import { MillraceError } from '../base/errors.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import { GroupConsumer } from '../clients/group-consumer.ts'
import { OrderedWork } from '../clients/ordered-work.ts'
import type { HandedRecord } from '../clients/partition-feed.ts'
import type { StartFrom } from '../clients/start-offset.ts'
import type { TopicSpec } from '../flow/graph/plan.ts'
import type { Serde } from '../record/serde.ts'
import { bytesSource } from '../record/text-source.ts'
import type { LogRecord } from '../streams/log-record.ts'
import { topicSpecOf } from '../streams/topic.ts'
import type { Sys, Timer } from '../sys/sys.ts'
import { Bell } from './bell.ts'
import type {
  CommitMode,
  ConsumedTopic,
  ConsumerOptions,
  ConsumerRecord,
  WorkContext,
  WorkOptions,
} from './consumer-options.ts'

const FETCH_BYTES = 256 * 1024
const HEARTBEATS_PER_SESSION = 10
/** A heartbeat tells of a rebalance as well: nobody should wait long for the partitions that others must let go. */
const HEARTBEAT_MS_MAX = 500
/** Records that 'at-most-once' commits together before it gives them out. */
const CHUNK_RECORDS = 500

/** Which consumer handed a record out: a transaction commits it in that one's name. */
const handed = new WeakMap<object, { readonly consumer: GroupConsumer; readonly record: HandedRecord }>()

export function handedOf(record: object): { consumer: GroupConsumer; record: HandedRecord } | undefined {
  return handed.get(record)
}

/**
 * A member of a consumer group. Iterate it, or let it `run` a handler; one of the two, once.
 *
 * @example
 * ```ts
 * await using consumer = log.consumer({ group: 'billing', topics: [orders] })
 * for await (const { value } of consumer) await bill(value)
 * ```
 */
export class Consumer<T extends ConsumedTopic, C extends CommitMode>
  implements AsyncIterable<ConsumerRecord<T, C>>, AsyncDisposable
{
  readonly #sys: Sys
  readonly #options: ConsumerOptions<T, C>
  readonly #specs: ReadonlyMap<string, TopicSpec>
  readonly #maxProcessingMs: DurationMs
  readonly #core: GroupConsumer
  readonly #bell: Bell
  readonly #ended = new AbortController()
  #failure: Error | undefined
  #begun = false
  #closing: Promise<void> | undefined

  /** Use `log.consumer`. */
  constructor(sys: Sys, broker: FullBroker, options: ConsumerOptions<T, C>, make: () => Promise<void>) {
    this.#sys = sys
    this.#options = options
    this.#bell = new Bell(sys.timers)
    const specs = options.topics.map((topic) => topicSpecOf(topic as never))
    if (specs.length === 0)
      throw new MillraceError(
        'MILLRACE_INVALID_ARGUMENT',
        'a consumer needs at least one topic: topics: [orders]',
      )
    this.#specs = new Map(specs.map((spec) => [spec.name, spec]))
    this.#maxProcessingMs = durationMs(options.maxProcessingTime ?? '5m', 'maxProcessingTime')
    this.#core = new GroupConsumer(sys, broker, coreOptions(options, [...this.#specs.keys()]), {
      wake: () => this.#bell.ring(),
      assigned: () => undefined,
      revoked: () => this.#bell.ring(),
      failed: (error) => this.#fail(error),
    })
    options.signal?.addEventListener('abort', () => void this.close())
    void make().then(
      () => this.#closing ?? this.#core.start(),
      (error: Error) => this.#fail(error),
    )
  }

  /** The partitions that this member reads now. */
  assignment(): readonly { readonly topic: string; readonly partition: number }[] {
    return this.#core.owned
  }

  /**
   * Offsets between what this member has finished and the ends of its partitions; 0: it has caught up. Undefined while
   * it has not got its partitions.
   */
  lag(): number | undefined {
    return this.#core.lag()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumerRecord<T, C>, void, undefined> {
    this.#beginOnce()
    try {
      for await (const work of this.#take()) {
        const watch = this.#watch(work)
        try {
          yield this.#recordOf(work, 'finishTo')
        } finally {
          watch.cancel()
        }
        if (this.#options.commit !== 'manual') this.#core.finish(work)
      }
    } finally {
      this.#core.abandon()
      await this.close()
    }
  }

  /**
   * Gives every record to `handler`, several at once if asked; resolves after `close` or the signal. A handler that
   * throws ends the consumer with its error; its record is not committed and is given again.
   */
  async run(
    handler: (record: ConsumerRecord<T, C>, context: WorkContext) => Promise<void> | void,
    options: WorkOptions = {},
  ): Promise<void> {
    this.#beginOnce()
    const { by, limit } = concurrencyOf(options)
    const work = new OrderedWork(limit)
    const finish = by === 'key' ? 'finish' : 'finishTo'
    const one = async (item: HandedRecord): Promise<void> => {
      // Work that waited while its partition went away is somebody else's now.
      if (item.feed.stopped || this.#failure !== undefined) return this.#core.finish(item)
      const watch = this.#watch(item)
      const signal = AbortSignal.any([item.feed.signal, this.#ended.signal])
      try {
        await handler(this.#recordOf(item, finish), { signal })
        if (this.#options.commit !== 'manual') this.#core.finish(item)
      } catch (error) {
        this.#fail(error as Error)
      } finally {
        watch.cancel()
      }
    }
    try {
      for await (const item of this.#take()) {
        work.run(laneOf(item, by), () => one(item))
        await work.room()
      }
    } finally {
      await work.idle()
      this.#core.abandon()
      await this.close()
    }
  }

  /** Ends what is under way within `drainTimeout`, commits, leaves the group. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#ended.abort()
      this.#bell.ring()
      await answered<void>((answer) => this.#core.close(answer))
    })()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Records as they come, until the end. Throws what ended the consumer. */
  async *#take(): AsyncGenerator<HandedRecord, void, undefined> {
    const atMostOnce = this.#options.delivery === 'at-most-once'
    while (this.#closing === undefined) {
      if (this.#failure !== undefined) throw this.#failure
      const first = this.#core.take()
      if (first === undefined) await this.#bell.wait()
      else if (!atMostOnce) yield first
      else yield* await this.#committedChunk(first)
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  async #committedChunk(first: HandedRecord): Promise<HandedRecord[]> {
    const chunk = [first]
    for (let next = this.#core.take(); next !== undefined; next = this.#core.take()) {
      chunk.push(next)
      if (chunk.length >= CHUNK_RECORDS) break
    }
    for (const item of chunk) this.#core.finish(item)
    await answered<void>((answer) => this.#core.commit(answer))
    return chunk
  }

  #recordOf(item: HandedRecord, finish: 'finish' | 'finishTo'): ConsumerRecord<T, C> {
    const { feed, record } = item
    const spec = this.#specs.get(feed.topic.name) as TopicSpec
    const { key, value, timestamp, headers, offset } = record
    const shown: LogRecord<unknown, unknown> = {
      key: key === null || spec.keySerde === undefined ? null : decode(spec.keySerde, key),
      value: value === null ? null : decode(spec.valueSerde, value),
      timestamp,
      headers,
      topic: feed.topic.name,
      partition: feed.partition,
      offset,
    }
    const commit = async (): Promise<void> => {
      this.#core[finish](item)
      await answered<void>((answer) => this.#core.commit(answer))
    }
    const result = this.#options.commit === 'manual' ? Object.assign(shown, { commit }) : shown
    handed.set(result, { consumer: this.#core, record: item })
    // The topics' serdes give exactly the types that their `topic(...)` was declared with.
    return result as ConsumerRecord<T, C>
  }

  #watch({ feed, record }: HandedRecord): Timer {
    return this.#sys.timers.after(this.#maxProcessingMs, () => {
      const problem = `the work on ${feed.name}@${record.offset} takes longer than ${this.#maxProcessingMs} ms`
      const way = 'its partitions go to other members; do less at once, or raise maxProcessingTime'
      this.#fail(new MillraceError('MILLRACE_TIMEOUT', `${problem}: ${way}`))
    })
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#ended.abort()
    this.#bell.ring()
    void this.close()
  }

  #beginOnce(): void {
    if (this.#begun)
      throw new MillraceError(
        'MILLRACE_INVALID_ARGUMENT',
        'a consumer is iterated or run once: make another one',
      )
    this.#begun = true
  }
}

function coreOptions(
  options: ConsumerOptions<ConsumedTopic, CommitMode>,
  topics: readonly string[],
): ConstructorParameters<typeof GroupConsumer>[2] {
  const sessionTimeoutMs = durationMs(options.sessionTimeout ?? '45s', 'sessionTimeout')
  const drainMs = durationMs(options.drainTimeout ?? '30s', 'drainTimeout')
  const manual = options.commit === 'manual'
  return {
    group: options.group,
    topics,
    instance: options.instance ?? null,
    client: options.client ?? 'millrace',
    host: '',
    sessionTimeoutMs,
    heartbeatMs: Math.max(
      1,
      Math.min(Math.floor(sessionTimeoutMs / HEARTBEATS_PER_SESSION), HEARTBEAT_MS_MAX),
    ),
    rebalanceTimeoutMs: drainMs * 2,
    drainMs,
    from: startFrom(options.from),
    ifNone: options.ifNone ?? 'earliest',
    ifOutOfRange: options.ifOutOfRange ?? 'fail',
    commitIntervalMs: manual ? undefined : durationMs(options.commitInterval ?? '1s', 'commitInterval'),
    commitFinished: !manual,
    fetchBytesMax: FETCH_BYTES,
    isolation: options.isolation ?? 'read_committed',
  }
}

function startFrom(from: ConsumerOptions<ConsumedTopic, CommitMode>['from']): StartFrom {
  if (typeof from !== 'object') return from ?? 'committed'
  if ('offset' in from) return from
  const time: Timestamp = timeMs(from.time, 'from.time')
  return { time }
}

function concurrencyOf({ concurrency = 1 }: WorkOptions): { by: 'partition' | 'key'; limit: number } {
  const chosen =
    typeof concurrency === 'number' ? { by: 'partition' as const, limit: concurrency } : concurrency
  if (Number.isSafeInteger(chosen.limit) && chosen.limit > 0) return chosen
  throw new MillraceError(
    'MILLRACE_INVALID_ARGUMENT',
    `concurrency is ${chosen.limit}, expected a whole number from 1 on`,
  )
}

function laneOf({ feed, record }: HandedRecord, by: 'partition' | 'key'): string {
  if (by === 'partition') return feed.name
  // Records without a key have no order to keep.
  return `${feed.name}/${record.key === null ? `@${record.offset}` : Buffer.from(record.key).toString('latin1')}`
}

function decode(serde: Serde<unknown>, bytes: Uint8Array): unknown {
  return serde.decode(bytesSource(bytes), 0, bytes.length)
}
