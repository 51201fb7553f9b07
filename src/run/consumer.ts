import { AsyncLocalStorage } from 'node:async_hooks'
import { answered } from '../base/answered.ts'
import { durationMs } from '../base/duration.ts'
import { MillraceError, messageOf } from '../base/errors.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import { GroupConsumer } from '../clients/group-consumer.ts'
import { OrderedWork } from '../clients/ordered-work.ts'
import type { HandedPlace, HandedRecord, PartitionFeed } from '../clients/partition-feed.ts'
import { WorkWatch } from '../clients/work-watch.ts'
import type { TopicSpec } from '../flow/graph/plan.ts'
import { topicSpecOf } from '../streams/topic.ts'
import type { Sys } from '../sys/sys.ts'
import { checkFunction } from './argument-checks.ts'
import { Bell } from './bell.ts'
import { committedAhead } from './committed-ahead.ts'
import { type Chunk, ConsumerChunks } from './consumer-chunks.ts'
import { ConsumerIterator } from './consumer-iterator.ts'
import type {
  BatchOptions,
  CommitMode,
  ConsumedTopic,
  ConsumerOptions,
  ConsumerRecord,
  WorkContext,
  WorkOptions,
} from './consumer-options.ts'
import { batchLimits, checkConsumerOptions, concurrencyOf, coreOptions } from './consumer-settings.ts'
import { type HandedWork, nothingThrown, placeOf, tooLong } from './handed-work.ts'
import { type InOrderHost, runInOrder } from './run-in-order.ts'
import { type ShownRecord, showing, shownRecord } from './shown-record.ts'

/** Records that are taken, and by 'at-most-once' committed, together before they are given out. */
const CHUNK_RECORDS = 500
/** Of a partition in work at once, with `by: 'partition'`: one runs, the next one is there when it ends. */
const AHEAD = 2

/** Whose handler this is: it cannot wait for the end of its consumer, which waits for it. */
const handlerOf = new AsyncLocalStorage<object>()

/** Which consumer with `commit: 'manual'` handed a record out: a transaction commits it in that one's name. */
const handed = new WeakMap<object, { readonly consumer: GroupConsumer; readonly record: HandedPlace }>()

export function handedOf(record: object): { consumer: GroupConsumer; record: HandedPlace } | undefined {
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
  readonly #watch: WorkWatch<HandedWork>
  readonly #core: GroupConsumer
  readonly #bell: Bell
  readonly #chunks: ConsumerChunks
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
    checkConsumerOptions(options)
    const specs = options.topics.map((topic) => topicSpecOf(topic as never))
    this.#specs = new Map(specs.map((spec) => [spec.name, spec]))
    const maxProcessingMs = durationMs(options.maxProcessingTime ?? '5m', 'maxProcessingTime')
    this.#watch = new WorkWatch(
      sys,
      maxProcessingMs,
      (item) => ('records' in item ? item.done : 0),
      (item) => this.#fail(tooLong(item, maxProcessingMs)),
    )
    this.#core = new GroupConsumer(sys, broker, coreOptions(options, [...this.#specs.keys()]), {
      wake: () => this.#bell.ring(),
      assigned: () => undefined,
      revoked: () => this.#bell.ring(),
      failed: (error) => this.#fail(error),
    })
    this.#chunks = new ConsumerChunks(sys, {
      core: this.#core,
      bell: this.#bell,
      show: showing(this.#specs),
      watch: this.#watch,
      failure: () => this.#failure,
      isClosing: () => this.#closing !== undefined,
      end: () => this.#end(),
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

  [Symbol.asyncIterator](): AsyncGenerator<ConsumerRecord<T, C>, void, undefined> {
    return this.#inChunks
      ? new ConsumerIterator(this.#chunks, () => this.#beginOnce())
      : this.#iterateRecords()
  }

  /**
   * The same in arrays, in the order of each partition; of which partitions is as it comes. All of an array is done when
   * the loop asks for the next one.
   *
   * @example
   * ```ts
   * for await (const batch of consumer.batches({ records: 1_000, within: '5s' })) await insert(batch.map(({ value }) => value))
   * ```
   */
  async *batches(
    options: BatchOptions = {},
  ): AsyncGenerator<readonly ConsumerRecord<T, C>[], void, undefined> {
    const { withinMs, ...limits } = batchLimits(options)
    this.#beginOnce()
    try {
      for (;;) {
        const chunks = await this.#chunks.gather(
          limits,
          withinMs,
          this.#options.commit === 'manual' ? 1 : limits.records,
        )
        if (chunks.length === 0) return
        const ours = await this.#begin(chunks)
        const [first] = ours
        if (first === undefined) continue
        this.#chunks.watch(first)
        try {
          yield this.#recordsOf(ours)
          if (this.#options.commit !== 'manual')
            for (const chunk of ours) chunk.feed.progress(chunk, chunk.records.length)
        } finally {
          for (const chunk of ours) this.#chunks.release(chunk)
        }
        await this.#chunks.giveWay()
      }
    } finally {
      await this.#end()
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
    checkFunction(handler, 'the handler of run', 'async (record) => { ... }')
    const { by, limit } = concurrencyOf(options)
    this.#beginOnce()
    if (limit === 1 && this.#inChunks) return this.#runInOrder(handler)
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
      await this.#end()
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
      this.#handlerFailed(item, error, signal)
    } finally {
      this.#watch.end(item)
    }
  }

  #handlerFailed(work: HandedWork, error: unknown, signal: AbortSignal): void {
    if (signal.aborted) this.#sys.lines.write('info', `${placeOf(work)} was given up: ${messageOf(error)}`)
    else this.#fail((error as Error | null | undefined) ?? nothingThrown(work))
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

  /** Each record's end is not asked for: what is in work is one after the other, and counts when it has ended. */
  get #inChunks(): boolean {
    return this.#options.commit !== 'manual' && this.#options.delivery !== 'at-most-once'
  }

  async *#iterateRecords(): AsyncGenerator<ConsumerRecord<T, C>, void, undefined> {
    this.#beginOnce()
    try {
      for await (const item of this.#take()) {
        this.#watch.begin(item)
        try {
          yield this.#recordOf(item, 'finishTo')
          if (this.#options.commit !== 'manual') this.#core.finish(item)
        } finally {
          this.#watch.end(item)
          this.#core.release(item)
        }
      }
    } finally {
      await this.#end()
    }
  }

  async #runInOrder(
    handler: (record: ConsumerRecord<T, C>, context: WorkContext) => Promise<void> | void,
  ): Promise<void> {
    const abandoned = new AbortController()
    // A handler that never ends is not waited for longer than `close` does.
    this.#ended.signal.addEventListener('abort', () => void this.#closed().then(() => abandoned.abort()))
    const host: InOrderHost = {
      chunks: this.#chunks,
      handle: (record, context) => handler(record as ConsumerRecord<T, C>, context),
      signalOf: ({ feed }) => this.#signalOf(feed),
      failed: (chunk, error, signal) => this.#handlerFailed(chunk, error, signal),
    }
    try {
      await runInOrder(host, abandoned.signal)
      if (this.#failure !== undefined) throw this.#failure
    } finally {
      await this.#end()
    }
  }

  async #end(): Promise<void> {
    this.#core.abandon()
    await this.#closed()
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
    return committedAhead(this.#core, chunk, chunk)
  }

  /** Chunks that were gathered, as far as their records may be given out. */
  async #begin(chunks: readonly Chunk[]): Promise<readonly Chunk[]> {
    if (this.#options.delivery !== 'at-most-once') return chunks
    const last = chunks.map(({ feed, ticket, records }) => {
      return { feed, ticket, record: records.at(-1) as ShownRecord }
    })
    return committedAhead(this.#core, chunks, last)
  }

  #recordsOf(chunks: readonly Chunk[]): readonly ConsumerRecord<T, C>[] {
    const [first] = chunks
    const records =
      chunks.length === 1 && first !== undefined ? first.records : chunks.flatMap((chunk) => chunk.records)
    if (this.#options.commit === 'manual') {
      // One record each: every one has a ticket of its own.
      for (const {
        feed,
        ticket,
        records: [record],
      } of chunks)
        if (record !== undefined) this.#makeCommittable(record, { feed, ticket, record }, 'finishTo')
    }
    return records as readonly ConsumerRecord<T, C>[]
  }

  #makeCommittable(shown: ShownRecord, place: HandedPlace, finish: 'finish' | 'finishTo'): void {
    const commit = (): Promise<void> =>
      answered<void>((answer) => this.#core.commitRecord(place, finish, answer))
    handed.set(Object.assign(shown, { commit }), { consumer: this.#core, record: place })
  }

  #recordOf(item: HandedRecord, finish: 'finish' | 'finishTo'): ConsumerRecord<T, C> {
    const shown = shownRecord(this.#specs.get(item.feed.topic.name) as TopicSpec, item)
    if (this.#options.commit === 'manual') this.#makeCommittable(shown, item, finish)
    // The topics' serdes give exactly the types that their `topic(...)` was declared with.
    return shown as ConsumerRecord<T, C>
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

function laneOf({ feed, record }: HandedRecord, by: 'partition' | 'key'): string {
  if (by === 'partition') return feed.name
  // Records without a key have no order to keep.
  return `${feed.name}/${record.key === null ? `@${record.offset}` : Buffer.from(record.key).toString('latin1')}`
}
