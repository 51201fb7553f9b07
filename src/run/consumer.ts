import { AsyncLocalStorage } from 'node:async_hooks'
import { answered } from '../base/answered.ts'
import type { DurationMs, Timestamp } from '../base/brands.ts'
import { durationMs, timeMs } from '../base/duration.ts'
import { MillraceError, messageOf } from '../base/errors.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import { GroupConsumer } from '../clients/group-consumer.ts'
import { OrderedWork } from '../clients/ordered-work.ts'
import type { HandedRecord, PartitionFeed } from '../clients/partition-feed.ts'
import type { StartFrom } from '../clients/start-offset.ts'
import { WorkWatch } from '../clients/work-watch.ts'
import type { TopicSpec } from '../flow/graph/plan.ts'
import type { Serde } from '../record/serde.ts'
import { bytesSource } from '../record/text-source.ts'
import type { LogRecord } from '../streams/log-record.ts'
import { topicSpecOf } from '../streams/topic.ts'
import type { Sys } from '../sys/sys.ts'
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
/** Of a partition in work at once, with `by: 'partition'`: one runs, the next one is there when it ends. */
const AHEAD = 2

/** Whose handler this is: it cannot wait for the end of its consumer, which waits for it. */
const handlerOf = new AsyncLocalStorage<object>()

/** Which consumer with `commit: 'manual'` handed a record out: a transaction commits it in that one's name. */
const handed = new WeakMap<object, { readonly consumer: GroupConsumer; readonly record: HandedRecord }>()

export function handedOf(record: object): { consumer: GroupConsumer; record: HandedRecord } | undefined {
  return handed.get(record)
}

/** What a consumer needs of the log beside its broker. */
export interface ConsumerHost {
  /** Makes the topics that are not there. */
  makeTopics(): Promise<void>
  /** The consumer is over. */
  closed(): void
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
  readonly #host: ConsumerHost
  readonly #watch: WorkWatch<HandedRecord>
  readonly #core: GroupConsumer
  readonly #bell: Bell
  readonly #ended = new AbortController()
  /** One for each partition, not one for each record: what handlers are told by. */
  readonly #signals = new WeakMap<PartitionFeed, AbortSignal>()
  #failure: Error | undefined
  #begun = false
  #closing: Promise<void> | undefined

  /** Use `log.consumer`. */
  constructor(sys: Sys, broker: FullBroker, options: ConsumerOptions<T, C>, host: ConsumerHost) {
    this.#sys = sys
    this.#options = options
    this.#host = host
    this.#bell = new Bell(sys.timers)
    const specs = options.topics.map((topic) => topicSpecOf(topic as never))
    if (specs.length === 0)
      throw new MillraceError(
        'MILLRACE_INVALID_ARGUMENT',
        'a consumer needs at least one topic: topics: [orders]',
      )
    this.#specs = new Map(specs.map((spec) => [spec.name, spec]))
    const maxProcessingMs = durationMs(options.maxProcessingTime ?? '5m', 'maxProcessingTime')
    this.#watch = new WorkWatch(sys, maxProcessingMs, (item) => this.#fail(tooLong(item, maxProcessingMs)))
    this.#core = new GroupConsumer(sys, broker, coreOptions(options, [...this.#specs.keys()]), {
      wake: () => this.#bell.ring(),
      assigned: () => undefined,
      revoked: () => this.#bell.ring(),
      failed: (error) => this.#fail(error),
    })
    const { signal } = options
    // The listener goes with the consumer: a signal may live as long as the process.
    signal?.addEventListener('abort', () => void this.close(), { signal: this.#ended.signal })
    if (signal?.aborted === true) void this.close()
    void host.makeTopics().then(
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
      for await (const item of this.#take()) {
        this.#watch.begin(item)
        try {
          yield this.#recordOf(item, 'finishTo')
          // Not after a `break`, a `return` or an error in the loop: they leave the record undone.
          if (this.#options.commit !== 'manual') this.#core.finish(item)
        } finally {
          this.#watch.end(item)
          this.#core.release(item)
        }
      }
    } finally {
      this.#core.abandon()
      await this.close()
    }
  }

  /**
   * Gives every record to `handler`, several at once if asked; resolves after `close` or the signal. A handler that
   * throws ends the consumer with its error; its record is not committed and is given again. What it throws after its
   * signal was aborted is not an error: its record is given again elsewhere.
   */
  run(
    handler: (record: ConsumerRecord<T, C>, context: WorkContext) => Promise<void> | void,
    options: WorkOptions = {},
  ): Promise<void> {
    return handlerOf.run(this, () => this.#run(handler, options))
  }

  /**
   * Ends what is under way within `drainTimeout`, commits, leaves the group. Idempotent. Inside a handler it does not
   * wait for the end, which would wait for the handler: `run` resolves then. A `for await` loop is left by `break`.
   */
  close(): Promise<void> {
    const closed = this.#closed()
    return handlerOf.getStore() === this ? Promise.resolve() : closed
  }

  async #close(): Promise<void> {
    this.#ended.abort()
    this.#bell.ring()
    await answered<void>((answer) => this.#core.close(answer))
    this.#watch.stop()
    this.#host.closed()
  }

  async #run(
    handler: (record: ConsumerRecord<T, C>, context: WorkContext) => Promise<void> | void,
    options: WorkOptions,
  ): Promise<void> {
    this.#beginOnce()
    const { by, limit } = concurrencyOf(options)
    const work = new OrderedWork(limit)
    // A slow partition must not fill all places with its records.
    const spread = by === 'partition' && limit > 1
    const one = async (item: HandedRecord): Promise<void> => {
      try {
        await this.#handle(item, by === 'key' ? 'finish' : 'finishTo', handler)
      } finally {
        this.#core.release(item)
        if (spread) this.#bell.ring()
      }
    }
    // A handler that never ends is not waited for longer than `close` does.
    this.#ended.signal.addEventListener('abort', () => void this.#closed().then(() => work.abandon()))
    try {
      for await (const item of this.#take(spread ? ({ working }) => working < AHEAD : undefined)) {
        work.run(laneOf(item, by), () => one(item))
        if (work.full) await work.room()
      }
    } finally {
      void this.#closed()
      await work.idle()
      this.#core.abandon()
      await this.#closed()
    }
  }

  async #handle(
    item: HandedRecord,
    finish: 'finish' | 'finishTo',
    handler: (record: ConsumerRecord<T, C>, context: WorkContext) => Promise<void> | void,
  ): Promise<void> {
    if (!this.#mayBegin(item)) return
    const signal = this.#signalOf(item.feed)
    this.#watch.begin(item)
    try {
      await handler(this.#recordOf(item, finish), { signal })
      if (this.#options.commit !== 'manual') this.#core.finish(item)
    } catch (error) {
      if (!signal.aborted) this.#fail(error as Error)
      else {
        const { feed, record } = item
        this.#sys.lines.write('info', `${feed.name}@${record.offset} was given up: ${messageOf(error)}`)
      }
    } finally {
      this.#watch.end(item)
    }
  }

  /** Work that waited while its partition went away is left to the next owner, unless it counts as done already. */
  #mayBegin({ feed }: HandedRecord): boolean {
    if (this.#failure !== undefined) return false
    return !feed.stopped || this.#options.delivery === 'at-most-once'
  }

  #signalOf(feed: PartitionFeed): AbortSignal {
    let signal = this.#signals.get(feed)
    if (signal === undefined) {
      signal = AbortSignal.any([feed.signal, this.#ended.signal])
      this.#signals.set(feed, signal)
    }
    return signal
  }

  #closed(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Records as they come, until the end. Throws what ended the consumer. */
  async *#take(isWanted?: (feed: PartitionFeed) => boolean): AsyncGenerator<HandedRecord, void, undefined> {
    const atMostOnce = this.#options.delivery === 'at-most-once'
    while (this.#closing === undefined) {
      if (this.#failure !== undefined) throw this.#failure
      const first = this.#core.take(isWanted)
      if (first === undefined) await this.#bell.wait()
      else if (!atMostOnce) yield first
      else yield* await this.#committedChunk(first, isWanted)
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Takes what is there, commits it, and gives it out: none of it comes again. */
  async #committedChunk(
    first: HandedRecord,
    isWanted: ((feed: PartitionFeed) => boolean) | undefined,
  ): Promise<HandedRecord[]> {
    const chunk = [first]
    while (chunk.length < CHUNK_RECORDS) {
      const next = this.#core.take(isWanted)
      if (next === undefined) break
      chunk.push(next)
    }
    try {
      await answered<void>((answer) => this.#core.commitBehind(chunk, answer))
    } catch (error) {
      for (const item of chunk) this.#core.release(item)
      throw error
    }
    // Lost before they were committed: they are given to the next owner.
    return chunk.filter((item) => {
      const isOurs = !item.feed.gone
      if (!isOurs) this.#core.release(item)
      return isOurs
    })
  }

  #recordOf(item: HandedRecord, finish: 'finish' | 'finishTo'): ConsumerRecord<T, C> {
    const { feed, record } = item
    const spec = this.#specs.get(feed.topic.name) as TopicSpec
    const { key, value, timestamp, headers, offset } = record
    const shown: LogRecord<unknown, unknown> = {
      key: key === null || spec.keySerde === undefined ? null : decode(spec.keySerde, key, item, 'key'),
      value: value === null ? null : decode(spec.valueSerde, value, item, 'value'),
      timestamp,
      headers,
      topic: feed.topic.name,
      partition: feed.partition,
      offset,
    }
    // The topics' serdes give exactly the types that their `topic(...)` was declared with.
    if (this.#options.commit !== 'manual') return shown as ConsumerRecord<T, C>
    const commit = (): Promise<void> =>
      answered<void>((answer) => this.#core.commitRecord(item, finish, answer))
    const result = Object.assign(shown, { commit })
    handed.set(result, { consumer: this.#core, record: item })
    return result as ConsumerRecord<T, C>
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
  // 'at-most-once' commits what it gives out, before it does.
  const manual = options.commit === 'manual' || options.delivery === 'at-most-once'
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

/** @throws MillraceError MILLRACE_INVALID_RECORD, with the place of the record. */
function decode(
  serde: Serde<unknown>,
  bytes: Uint8Array,
  { feed, record }: HandedRecord,
  part: 'key' | 'value',
): unknown {
  try {
    return serde.decode(bytesSource(bytes), 0, bytes.length)
  } catch (error) {
    const problem = `the ${part} of ${feed.name}@${record.offset} cannot be read: ${messageOf(error)}`
    const way = "correct the topic's serde, or pass the record by a reset of the group (shift: 1)"
    throw new MillraceError('MILLRACE_INVALID_RECORD', `${problem}; ${way}`, { cause: error })
  }
}

function tooLong({ feed, record }: HandedRecord, limitMs: DurationMs): MillraceError {
  const problem = `the work on ${feed.name}@${record.offset} takes longer than ${limitMs} ms`
  const way = 'its partitions go to other members; do less at once, or raise maxProcessingTime'
  return new MillraceError('MILLRACE_TIMEOUT', `${problem}: ${way}`)
}
