import type { Broker, TopicDescription } from '../../src/broker/broker.ts'
import { openBroker } from '../../src/broker/open.ts'
import { createEngine } from '../../src/flow/runtime/engine.ts'
import type { EngineHandle } from '../../src/flow/runtime/engine-port.ts'
import { Metrics } from '../../src/observe/metrics.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { decodeRecords } from '../../src/record/batch-reader.ts'
import { restartSys, type SimSys, simSys } from '../../src/sim/sim-sys.ts'
import { type App, planOf } from '../../src/streams/app.ts'
import { type Topic, topicSpecOf } from '../../src/streams/topic.ts'
import { ViewRegistry } from '../../src/views/view-registry.ts'

const STEPS_MAX = 100_000
/** Of the app's own topics and of its group, once it forgot. */
const SECOND = '.second'

/**
 * An app over a broker on a simulated disk that lives on through crashes, and that can be made to forget: its positions
 * and its state are gone, the topics it reads and its marks are there, and it takes all its input again.
 */
export class ReplayWorld {
  readonly #app: App
  readonly #recordsPerStep: number
  #sys: SimSys
  #broker: Broker | undefined
  #engine: EngineHandle | undefined
  #registry: ViewRegistry | undefined
  #forgot = false

  constructor(app: App, recordsPerStep = 3) {
    this.#app = app
    this.#recordsPerStep = recordsPerStep
    this.#sys = simSys(7)
    this.start()
  }

  start(): void {
    const sys = this.#sys
    const plan = planOf(this.#app)
    const real = openBroker(sys, 'file:/data')
    this.#broker = real
    const names = plan.leaves.flatMap((leaf) => (leaf.kind === 'view' ? [leaf.name] : []))
    this.#registry = new ViewRegistry(sys, names)
    this.#engine = createEngine({
      sys,
      broker: this.#forgot ? this.#forgetful(real) : real,
      plan,
      views: this.#registry,
      metrics: new Metrics(),
      stateFolder: undefined,
      baseFolder: '/',
      commitIntervalMs: 4,
      untilEnd: false,
      recordsPerStep: this.#recordsPerStep,
      wake: () => undefined,
    })
    while (this.#running().state !== 'running') this.steps(1)
  }

  /** Stops without a commit, or loses its power, and starts again. */
  crash(): void {
    this.#running().abandon()
    this.#sys = restartSys(this.#sys, this.#sys.seed + 1)
    this.start()
  }

  /** Loses all that it knew but its marks, and starts again. */
  forget(): void {
    this.settle()
    this.#running().abandon()
    this.#forgot = true
    this.#sys = restartSys(this.#sys, this.#sys.seed + 1)
    this.start()
  }

  append<K, Out, In>(topic: Topic<K, Out, In>, partition: number, values: readonly In[]): void {
    const spec = topicSpecOf(topic)
    const builder = new BatchBuilder()
    for (const value of values) builder.append(0, null, spec.valueSerde.encode(value))
    const id = this.#open().topic(spec.name)?.id as string
    let answered = false
    this.#open().append([{ topic: id, partition, bytes: builder.build() }], (error) => {
      if (error !== undefined) throw error
      answered = true
    })
    for (let steps = 0; !answered && steps < STEPS_MAX; steps += 1) this.#sys.time.advance(1)
  }

  /** So many steps of the engine, a virtual ms each. */
  steps(count: number): void {
    const engine = this.#running()
    for (let step = 0; step < count; step += 1) {
      engine.step()
      if (engine.failure !== undefined) throw engine.failure
      this.#sys.time.advance(1)
    }
  }

  advance(ms: number): void {
    this.#sys.time.advance(ms)
  }

  /** Until nothing is left to do now. */
  settle(): void {
    const engine = this.#running()
    for (let quiet = 0; quiet < 4; ) {
      engine.commitSoon()
      quiet = engine.step() ? 0 : quiet + 1
      if (engine.failure !== undefined) throw engine.failure
      this.#sys.time.settle()
    }
  }

  /** The values of a topic, from an offset on. */
  read(name: string, from = 0): readonly string[] {
    const broker = this.#open()
    const id = broker.topic(name)?.id as string
    const reader = broker.read(id, 0, from, () => undefined)
    const values: string[] = []
    for (let fetched = reader.poll(1 << 20); fetched !== undefined; fetched = reader.poll(1 << 20)) {
      for (const { value, offset } of decodeRecords(fetched.bytes))
        if (offset >= from) values.push(Buffer.from(value ?? []).toString('utf8'))
    }
    reader.close()
    return values
  }

  rows(view: string): readonly unknown[] {
    return [...(this.#registry as ViewRegistry).view(view).entries()].map(([, row]) => row)
  }

  get late(): number {
    return this.#running().status().late
  }

  /** The same log, where the app's own topics and its positions are others from now on. */
  #forgetful(real: Broker): Broker {
    const app = planOf(this.#app).name
    const own = (name: string): boolean => name.startsWith(`${app}-`) && name !== `${app}-marks`
    const shown = (topic: TopicDescription): TopicDescription => ({
      ...topic,
      name: topic.name.replace(SECOND, ''),
    })
    return {
      limits: real.limits,
      topics: () =>
        real
          .topics()
          .flatMap((topic) => (own(topic.name) && !topic.name.endsWith(SECOND) ? [] : [shown(topic)])),
      topic: (name) => {
        const topic = real.topic(own(name) ? name + SECOND : name)
        return topic === undefined ? undefined : shown(topic)
      },
      createTopic: (name, settings, answer) =>
        real.createTopic(own(name) ? name + SECOND : name, settings, answer),
      join: (group, answer) => real.join(group + SECOND, answer),
      positions: (group) => real.positions(group + SECOND),
      bounds: (topic, partition) => real.bounds(topic, partition),
      offsetForTime: (topic, partition, time, answer) => real.offsetForTime(topic, partition, time, answer),
      read: (topic, partition, from, wake) => real.read(topic, partition, from, wake),
      append: (batches, answer) => real.append(batches, answer),
      commit: (group, answer) => real.commit(group, answer),
      releaseChangelog: (topic, partition, before) => real.releaseChangelog(topic, partition, before),
      close: (answer) => real.close(answer),
    }
  }

  #running(): EngineHandle {
    if (this.#engine === undefined) throw new Error('the world is not started')
    return this.#engine
  }

  #open(): Broker {
    if (this.#broker === undefined) throw new Error('the world is not started')
    return this.#broker
  }
}
