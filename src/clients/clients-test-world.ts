import { MillraceError } from '../base/errors.ts'
import type { Answer, TopicDescription } from '../broker/broker.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import type { GroupPort } from '../broker/groups.ts'
import { LocalBroker } from '../broker/local/local-broker.ts'
import { openLog } from '../log/open.ts'
import { BatchBuilder } from '../record/batch-builder.ts'
import type { TopicSettings } from '../record/topic-settings.ts'
import { type SimSys, simSys } from '../sim/sim-sys.ts'
import type { GroupConsumerOptions } from './group-consumer.ts'

/** A broker whose syncs take 2 ms of simulated time, for tests of clients. */
export class ClientsWorld {
  readonly sys: SimSys
  readonly broker: LocalBroker

  constructor(seed = 1) {
    this.sys = simSys(seed)
    this.sys.disk.delaySync(2)
    this.broker = new LocalBroker(this.sys, openLog(this.sys, '/data'))
  }

  /** The answer of a call that comes within ten simulated seconds. Throws the error. */
  now<T>(call: (answer: Answer<T>) => void): T {
    let came = false
    let failure: Error | undefined
    let result: T | undefined
    call((error, value) => {
      if (came) throw new Error('answered twice')
      came = true
      failure = error
      result = value
    })
    for (let turn = 0; !came && turn < 10_000; turn += 1) this.sys.time.advance(1)
    if (failure !== undefined) throw failure
    if (!came) throw new Error('no answer')
    return result as T
  }

  topic(name: string, settings: TopicSettings): TopicDescription {
    return this.now((answer) => this.broker.createTopic(name, settings, answer))
  }

  append(topic: TopicDescription, partition: number, texts: readonly string[]): number {
    const builder = new BatchBuilder()
    for (const text of texts) builder.appendText(this.sys.clock.now(), null, text)
    const batches = [{ topic: topic.id, partition, bytes: builder.build() }]
    const [offset] = this.now<readonly number[]>((answer) => this.broker.append(batches, answer))
    return offset as number
  }

  /** Committed offsets of a group by partition; of one topic. */
  positions(group: string): ReadonlyMap<number, number> {
    const positions = this.broker.groups.describe(group)?.positions ?? []
    return new Map(positions.map(({ partition, offset }) => [partition, offset]))
  }

  until(condition: () => boolean, limitMs = 10_000): void {
    for (let ms = 0; !condition(); ms += 1) {
      if (ms > limitMs) throw new Error(`it did not happen within ${limitMs} simulated ms`)
      this.sys.time.advance(1)
    }
  }
}

/** The way of one member to the coordinator, which may be cut: calls time out then, as over a network. */
export class Link {
  readonly broker: FullBroker
  /** Calls arrive and are answered. */
  up = true
  /** Answers reach nobody: the process is gone. */
  dead = false
  readonly #sys: SimSys

  constructor(world: ClientsWorld) {
    this.#sys = world.sys
    const { broker } = world
    const { groups } = broker
    const cut = <R, T>(call: (request: R, answer: Answer<T>) => void) => {
      return (request: R, answer: Answer<T>): void => this.#call(call, request, answer)
    }
    const port: Partial<GroupPort> = {
      join: cut((request, answer) => groups.join(request, answer)),
      sync: cut((request, answer) => groups.sync(request, answer)),
      heartbeat: cut((request, answer) => groups.heartbeat(request, answer)),
      leave: cut((request, answer) => groups.leave(request, answer)),
      commit: cut((request, answer) => groups.commit(request, answer)),
      positions: cut((group, answer) => groups.positions(group, answer)),
    }
    const faced = new Proxy(broker, {
      get: (target, name) => {
        if (name === 'groups') return port
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    this.broker = faced
  }

  #call<R, T>(call: (request: R, answer: Answer<T>) => void, request: R, answer: Answer<T>): void {
    if (this.dead) return
    if (!this.up) {
      this.#sys.timers.after(50, () => {
        if (!this.dead)
          answer(new MillraceError('MILLRACE_TIMEOUT', 'no answer from the coordinator'), undefined)
      })
      return
    }
    call(request, (error, value) => {
      if (this.dead) return
      if (this.up) answer(error, value)
      // The call was done, its answer was lost.
      else answer(new MillraceError('MILLRACE_TIMEOUT', 'the answer of the coordinator was lost'), undefined)
    })
  }
}

export const CONSUMER: GroupConsumerOptions = {
  group: 'g',
  topics: ['t'],
  instance: null,
  client: 'test',
  host: '',
  sessionTimeoutMs: 1_000,
  heartbeatMs: 100,
  rebalanceTimeoutMs: 2_000,
  drainMs: 1_000,
  from: 'committed',
  ifNone: 'earliest',
  ifOutOfRange: 'fail',
  commitIntervalMs: 200,
  commitFinished: true,
  fetchBytesMax: 4_096,
  isolation: 'read_committed',
}
