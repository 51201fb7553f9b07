import type { Broker, TopicDescription } from '../../src/broker/broker.ts'
import { openBroker } from '../../src/broker/open.ts'
import { createEngine } from '../../src/flow/runtime/engine.ts'
import type { EngineHandle } from '../../src/flow/runtime/engine-port.ts'
import { Metrics } from '../../src/observe/metrics.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { decodeRecords } from '../../src/record/batch-reader.ts'
import { partitionOf } from '../../src/record/partitioner.ts'
import type { RecordHeader } from '../../src/record/record.ts'
import { PowerLoss } from '../../src/sim/power-loss.ts'
import { restartSys, type SimSys, simSys } from '../../src/sim/sim-sys.ts'
import { type App, planOf } from '../../src/streams/app.ts'
import { type Topic, topicSpecOf } from '../../src/streams/topic.ts'
import { ViewRegistry } from '../../src/views/view-registry.ts'

/** A record of an output topic with everything that a reader sees, in text, so that it compares and prints well. */
export interface SeenRecord {
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
  readonly headers: readonly (readonly [string, string | null])[]
}

/** A record as a test appends it. */
export interface SimRecord<K, In> {
  readonly key?: K
  readonly value: In | null
  /** Default 0. */
  readonly timestamp?: number
  readonly headers?: readonly RecordHeader[]
}

export interface SimWorldOptions {
  readonly seed: number
  /** Virtual ms between commits; every step of the engine takes one. Default 5. */
  readonly commitIntervalMs?: number
  /** What a sync of a file takes, in virtual ms. Default 0. */
  readonly syncMs?: number
  /** What one step of the engine does at most. Default: what it does in an app. */
  readonly recordsPerStep?: number
  readonly resultsPerStep?: number
  /** Default: so many that no snapshot of the state is due. */
  readonly snapshotBytesMin?: number
}

const STEPS_MAX = 200_000

/**
 * The real engine and the real log on a simulated disk, one step at a time: unlike the public driver it commits when
 * its interval says so, in the middle of work, and it can lose its power anywhere.
 */
export class SimWorld {
  sys: SimSys
  broker: Broker | undefined
  engine: EngineHandle | undefined
  registry: ViewRegistry | undefined
  readonly #app: App
  readonly #options: SimWorldOptions
  #seed: number

  constructor(app: App, options: SimWorldOptions) {
    this.#app = app
    this.#options = options
    this.#seed = options.seed
    this.sys = simSys(options.seed)
  }

  /** A file that is on the disk before anything runs. */
  putFile(path: string, content: string): void {
    const { disk } = this.sys
    const file = disk.open(path, 'create')
    file.write(Buffer.from(content), 0)
    file.syncNow()
    file.close()
    disk.syncFolder('/')
  }

  /** Opens the log and the engine. */
  start(): void {
    const plan = planOf(this.#app)
    const { sys } = this
    const { recordsPerStep, resultsPerStep, snapshotBytesMin } = this.#options
    if ((this.#options.syncMs ?? 0) > 0) sys.disk.delaySync(this.#options.syncMs ?? 0)
    this.broker = openBroker(sys, 'file:/data')
    const names = plan.leaves.flatMap((leaf) => (leaf.kind === 'view' ? [leaf.name] : []))
    this.registry = new ViewRegistry(sys, names)
    this.engine = createEngine({
      sys,
      broker: this.broker,
      plan,
      views: this.registry,
      metrics: new Metrics(),
      stateFolder: '/data/state',
      baseFolder: '/',
      commitIntervalMs: this.#options.commitIntervalMs ?? 5,
      untilEnd: true,
      wake: () => undefined,
      ...(recordsPerStep === undefined ? {} : { recordsPerStep }),
      ...(resultsPerStep === undefined ? {} : { resultsPerStep }),
      ...(snapshotBytesMin === undefined ? {} : { snapshotBytesMin }),
    })
  }

  /** One step of the engine and one virtual millisecond. */
  step(): void {
    this.#running().step()
    this.sys.time.advance(1)
  }

  /** Until the engine came to its end. Throws what made it fail, a power cut too. */
  runToEnd(): void {
    const engine = this.#running()
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      this.step()
      if (engine.state === 'failed') throw engine.failure ?? new Error('failed without saying why')
      if (engine.state === 'ended') return
    }
    throw new Error(`not at the end after ${STEPS_MAX} steps: ${JSON.stringify(engine.status())}`)
  }

  /** Starts and runs; false: the power failed on the way. Anything else that goes wrong is thrown. */
  survives(): boolean {
    try {
      this.start()
      this.runToEnd()
      return true
    } catch (error) {
      if (isPowerLoss(error)) return false
      throw error
    }
  }

  /** The machine as it comes up again: what was not synced is kept, lost or torn by lot. */
  restart(): void {
    try {
      this.engine?.abandon()
    } catch (error) {
      if (!isPowerLoss(error)) throw error
    }
    this.#seed += 1
    this.sys = restartSys(this.sys, this.#seed)
    this.broker = undefined
    this.engine = undefined
    this.registry = undefined
  }

  /** Appends many values in one batch a partition, durably, before or while the engine runs. */
  append<K, Out, In>(topic: Topic<K, Out, In>, values: readonly SimRecord<K, In>[]): void {
    const spec = topicSpecOf(topic)
    const description = this.#ensure(topic)
    const builders = new Map<number, BatchBuilder>()
    for (const { key, value, timestamp, headers } of values) {
      const bytes = spec.keySerde === undefined ? null : spec.keySerde.encode(key)
      const partition = bytes === null ? 0 : partitionOf(bytes, description.partitions)
      const builder = builders.get(partition) ?? new BatchBuilder()
      builders.set(partition, builder)
      builder.append(timestamp ?? 0, bytes, value === null ? null : spec.valueSerde.encode(value), headers)
    }
    const batches = [...builders].map(([partition, builder]) => ({
      topic: description.id,
      partition,
      bytes: builder.build(),
    }))
    this.#wait((answer) => this.#open().append(batches, answer))
  }

  /** Everything in a topic, partition by partition. */
  read(name: string): readonly (readonly SeenRecord[])[] {
    const broker = this.#open()
    const topic = broker.topic(name)
    if (topic === undefined) return []
    return Array.from({ length: topic.partitions }, (_, partition) => readPartition(broker, topic, partition))
  }

  /** Names of the topics that are not the system's own. */
  topics(): readonly string[] {
    return this.#open()
      .topics()
      .flatMap(({ name, internal }) => (internal ? [] : [name]))
      .sort()
  }

  /** The text of a file; empty when there is none. */
  getFile(path: string): string {
    const { disk } = this.sys
    const bytes = Buffer.alloc(disk.size(path) ?? 0)
    if (bytes.length === 0) return ''
    const file = disk.open(path, 'read')
    file.read(bytes, 0)
    file.close()
    return bytes.toString('utf8')
  }

  /** All that a run leaves: every topic whole, the rows of every view by their keys, and the files named. */
  outcome(...paths: readonly string[]): Outcome {
    const topics = Object.fromEntries(this.topics().map((name) => [name, this.read(name)]))
    const { registry } = this
    if (registry === undefined) throw new Error('the world is not started')
    const views = Object.fromEntries(
      registry.names.map((name) => [
        name,
        [...registry.view(name).entries()].map(([key, row]) => [key, row]),
      ]),
    )
    return { topics, views, files: Object.fromEntries(paths.map((path) => [path, this.getFile(path)])) }
  }

  #running(): EngineHandle {
    if (this.engine === undefined) throw new Error('the world is not started')
    return this.engine
  }

  #open(): Broker {
    if (this.broker === undefined) throw new Error('the world is not started')
    return this.broker
  }

  #ensure<K, Out, In>(topic: Topic<K, Out, In>): TopicDescription {
    const { name, partitions, settings } = topicSpecOf(topic)
    const known = this.#open().topic(name)
    if (known !== undefined) return known
    return this.#wait((answer) => this.#open().createTopic(name, { ...settings, partitions }, answer))
  }

  #wait<T>(ask: (answer: (error: Error | undefined, value: T | undefined) => void) => void): T {
    let outcome: { readonly error: Error | undefined; readonly value: T | undefined } | undefined
    ask((error, value) => {
      outcome = { error, value }
    })
    this.sys.time.runUntilIdle()
    if (outcome?.value !== undefined) return outcome.value
    throw outcome?.error ?? new Error('no answer')
  }
}

export interface Outcome {
  readonly topics: Readonly<Record<string, readonly (readonly SeenRecord[])[]>>
  readonly views: Readonly<Record<string, readonly unknown[]>>
  readonly files: Readonly<Record<string, string>>
}

export function isPowerLoss(error: unknown): boolean {
  for (let one: unknown = error; one instanceof Error; one = one.cause)
    if (one instanceof PowerLoss) return true
  return false
}

function readPartition(broker: Broker, topic: TopicDescription, partition: number): readonly SeenRecord[] {
  const records: SeenRecord[] = []
  const { start } = broker.bounds(topic.id, partition)
  const reader = broker.read(topic.id, partition, start, () => undefined)
  for (let fetched = reader.poll(1 << 20); fetched !== undefined; fetched = reader.poll(1 << 20)) {
    for (const { key, value, timestamp, headers } of decodeRecords(fetched.bytes)) {
      const shownHeaders = headers.map((header) => [header.key, shown(header.value)] as const)
      records.push({ key: shown(key), value: shown(value), timestamp, headers: shownHeaders })
    }
  }
  reader.close()
  return records
}

function shown(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('utf8')
}
