import { type Duration, durationMs } from '../base/duration.ts'
import { MillraceError } from '../base/errors.ts'
import type { Broker, TopicDescription } from '../broker/broker.ts'
import { openBroker } from '../broker/open.ts'
import { createEngine } from '../flow/runtime/engine.ts'
import type { EngineHandle, EngineStatus } from '../flow/runtime/engine-port.ts'
import { Metrics } from '../observe/metrics.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import { decodeRecords } from '../record/batch-reader.ts'
import { partitionOf } from '../record/partitioner.ts'
import type { RecordHeader, StoredRecord } from '../record/record.ts'
import { bytesSource } from '../record/text-source.ts'
import { encodeRecord } from '../run/send-options.ts'
import { restartSys, type SimSys, simSys } from '../sim/sim-sys.ts'
import { type App, planOf } from '../streams/app.ts'
import { type Topic, topicSpecOf } from '../streams/topic.ts'
import type { DriverViewsOf } from '../streams/view-types.ts'
import type { RowRange } from '../views/materialized-view.ts'
import { ViewRegistry } from '../views/view-registry.ts'

/** What may be said of a record that a driver sends. The key must be given where the topic has one. */
export interface DriverSendOptions {
  /** Default: the clock of the driver. */
  readonly timestamp?: number
  readonly headers?: readonly RecordHeader[]
}
export type DriverSendArguments<K> = [K] extends [null]
  ? [options?: DriverSendOptions]
  : [options: DriverSendOptions & { readonly key: K }]

/** A record in a topic, as a test looks at it. */
export interface DriverRecord<K, V> {
  readonly key: K
  readonly value: V
  readonly timestamp: number
  readonly partition: number
  readonly offset: number
}

export interface DriverOptions {
  /** The clock's first reading, ms since the epoch. Default 0. */
  readonly now?: number
  /** Everything that is random comes from it: what a crash leaves of what was not synced. Default 1. */
  readonly seed?: number
}

const FOLDER = '/driver'
const STEPS_MAX = 10_000_000

/**
 * Runs an app synchronously, in virtual time, over a disk in memory: the real engine, the real log, no waiting.
 *
 * @example
 * const world = driver(trending)
 * world.send(clicks, { user: 'ann', page: '/home', at: 0 })
 * world.advance('2h')
 * expect(world.views.trending.get('all')?.pages.map((page) => page.key)).toEqual(['/home'])
 * world.crash()
 */
export function driver<A extends App>(app: A, options: DriverOptions = {}): Driver<A> {
  return new Driver(app, options)
}

/** A running app whose world a test moves by hand. Every call returns when all that it caused is committed. */
export class Driver<A extends App = App> {
  readonly #app: A
  #seed: number
  #sys: SimSys
  #life: Life

  /** Use {@link driver}. */
  constructor(app: A, options: DriverOptions) {
    this.#app = app
    this.#seed = options.seed ?? 1
    this.#sys = simSys(this.#seed, { now: options.now ?? 0 })
    this.#life = startLife(app, this.#sys)
    this.#settle()
  }

  /** The app's views by name; reads answer at once. */
  get views(): DriverViewsOf<A> {
    const { registry } = this.#life
    const views = registry.names.map((name) => {
      const view = registry.view(name)
      const entries = (range: RowRange = {}): (readonly [unknown, unknown])[] => [...view.entries(range)]
      return [name, { get: view.get.bind(view), list: view.list.bind(view), entries }]
    })
    // Rows have the types of the app's leaves: the same plan made both.
    return Object.fromEntries(views) as DriverViewsOf<A>
  }

  /** Appends a record and lets the app work through all that it causes. */
  send<K, Out, In>(
    topic: Topic<K, Out, In>,
    value: NoInfer<In> | null,
    ...rest: DriverSendArguments<K>
  ): void {
    const given: DriverSendOptions & { readonly key?: K } = rest[0] ?? {}
    const { key, value: bytes, timestamp, headers } = encodeRecord(topic, value, given, this.#sys.clock.now())
    const description = this.#ensure(topic)
    const builder = new BatchBuilder()
    builder.append(timestamp, key, bytes, headers)
    const partition = key === null ? 0 : partitionOf(key, description.partitions)
    const batch = { topic: description.id, partition, bytes: builder.build() }
    this.#wait((answer) => this.#life.broker.append([batch], answer))
    this.#settle()
  }

  /** Lets time pass: the clock, and event time with it, as if all inputs were that much further. */
  advance(time: Duration): void {
    const ms = durationMs(time, 'the time to advance')
    this.#sys.time.advance(ms)
    this.#life.engine.advanceEventTime(ms)
    this.#settle()
  }

  /**
   * Cuts the power: what was not synced is lost or torn at random, then everything starts again. What was settled
   * before must be there still.
   */
  crash(): void {
    this.#life.engine.abandon()
    this.#seed += 1
    this.#sys = restartSys(this.#sys, this.#seed)
    this.#life = startLife(this.#app, this.#sys)
    this.#settle()
  }

  /** Everything that is in a topic now, partition by partition. */
  read<K, Out, In>(topic: Topic<K, Out, In>): DriverRecord<K, Out>[] {
    const spec = topicSpecOf(topic)
    const description = this.#life.broker.topic(spec.name)
    if (description === undefined) return []
    return storedRecords(this.#life.broker, description).map(({ record, partition }) => {
      const { key, value, timestamp, offset } = record
      return {
        // The topic's serdes give exactly the types that its `topic(...)` was declared with.
        key: (key === null || spec.keySerde === undefined
          ? null
          : spec.keySerde.decode(bytesSource(key), 0, key.length)) as K,
        value: (value === null ? null : spec.valueSerde.decode(bytesSource(value), 0, value.length)) as Out,
        timestamp,
        partition,
        offset,
      }
    })
  }

  status(): EngineStatus {
    return this.#life.engine.status()
  }

  #ensure<K, Out, In>(topic: Topic<K, Out, In>): TopicDescription {
    const { name, partitions, settings } = topicSpecOf(topic)
    const known = this.#life.broker.topic(name)
    if (known !== undefined) return known
    return this.#wait((answer) => this.#life.broker.createTopic(name, { ...settings, partitions }, answer))
  }

  /** Runs the world until an answer is there. */
  #wait<T>(ask: (answer: (error: Error | undefined, value: T | undefined) => void) => void): T {
    let outcome: { readonly error: Error | undefined; readonly value: T | undefined } | undefined
    ask((error, value) => {
      outcome = { error, value }
    })
    for (let steps = 0; outcome === undefined && steps < STEPS_MAX; steps++) this.#sys.time.runUntilIdle()
    if (outcome?.value !== undefined) return outcome.value
    throw outcome?.error ?? new MillraceError('MILLRACE_TIMEOUT', 'the world came to rest without an answer')
  }

  /** Steps the engine until nothing is left to do and all is committed. */
  #settle(): void {
    const { engine } = this.#life
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      const busy = engine.step()
      this.#sys.time.settle()
      if (engine.state === 'failed')
        throw engine.failure ?? new Error('the engine failed and did not say why')
      if (busy) continue
      engine.commitSoon()
      const more = engine.step()
      this.#sys.time.settle()
      if (!more && !engine.step() && !engine.dirty) return
    }
    throw new MillraceError('MILLRACE_TIMEOUT', `the app did not come to rest in ${STEPS_MAX} steps`)
  }
}

/** One run of the app between two crashes. */
interface Life {
  readonly broker: Broker
  readonly engine: EngineHandle
  readonly registry: ViewRegistry
}

function startLife(app: App, sys: SimSys): Life {
  const plan = planOf(app)
  const broker = openBroker(sys, `file:${FOLDER}`)
  const names = plan.leaves.flatMap((leaf) => (leaf.kind === 'view' ? [leaf.name] : []))
  const registry = new ViewRegistry(sys, names)
  const engine = createEngine({
    sys,
    broker,
    plan,
    views: registry,
    metrics: new Metrics(),
    stateFolder: `${FOLDER}/state`,
    baseFolder: '/',
    commitIntervalMs: 0,
    untilEnd: false,
    wake: () => undefined,
  })
  return { broker, engine, registry }
}

function storedRecords(
  broker: Broker,
  topic: TopicDescription,
): { readonly record: StoredRecord; readonly partition: number }[] {
  const records: { record: StoredRecord; partition: number }[] = []
  for (let partition = 0; partition < topic.partitions; partition++) {
    const reader = broker.read(topic.id, partition, broker.bounds(topic.id, partition).start, () => undefined)
    for (let fetched = reader.poll(1 << 20); fetched !== undefined; fetched = reader.poll(1 << 20)) {
      for (const record of decodeRecords(fetched.bytes)) records.push({ record, partition })
    }
    reader.close()
  }
  return records
}
