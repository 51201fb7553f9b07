import { request } from 'node:http'
import { MillraceError } from '../../base/errors.ts'
import type { TopicDescription } from '../../broker/broker.ts'
import type { FullBroker } from '../../broker/full-broker.ts'
import type { TopicSpec, ViewNode } from '../../flow/graph/plan.ts'
import type { EngineHandle, EngineState, EngineStatus } from '../../flow/runtime/engine-port.ts'
import { Metrics } from '../../observe/metrics.ts'
import type { Key } from '../../record/key-codec.ts'
import type { RecordData } from '../../record/record.ts'
import type { TopicSettings } from '../../record/topic-settings.ts'
import { nodeSys } from '../../sys/node/node-sys.ts'
import type { Sys, Timer } from '../../sys/sys.ts'
import { ViewRegistry } from '../../views/view-registry.ts'
import { change } from '../../views/views-test-rows.ts'
import type { AppFacade, GroupsFacade, ProducedRecord, ReadTopicOptions, TopicRecord } from './app-facade.ts'
import { type HttpServer, startHttpServer } from './http-server.ts'

/** An app without an engine: views that the test fills, topics in memory, a state that the test sets. */
export class HttpTestApp implements AppFacade {
  readonly name = 'test-app'
  /** What waits for 10 s or more: a test calls it when it likes. */
  readonly longTimers = new Set<() => void>()
  readonly sys: Sys = withLongTimers(this.longTimers)
  readonly metrics = new Metrics()
  readonly views = new ViewRegistry(this.sys, ['totals', 'minutes'])
  readonly topicSpecs = new Map<string, TopicSpec>()
  readonly records = new Map<string, TopicRecord[]>()
  readonly waiting = new Set<() => void>()
  groups: GroupsFacade = { list: () => [], describe: () => undefined }
  state: EngineState = 'running'
  failure: Error | undefined
  server: HttpServer | undefined
  readonly #topics: TopicDescription[] = []
  #position = 0

  get engine(): EngineHandle {
    const status = (): EngineStatus => ({
      state: this.state,
      inputs: [],
      watermark: undefined,
      restore: this.state === 'restoring' ? { done: 1, total: 2 } : undefined,
      records: 7,
      late: 0,
      dropped: 0,
      deadLetters: 0,
      commits: 3,
    })
    // The server asks for these three only.
    return { state: this.state, failure: this.failure, status } as EngineHandle
  }

  get broker(): FullBroker {
    const broker: Partial<FullBroker> = {
      topics: () => this.#topics,
      topic: (name) => this.#topics.find((topic) => topic.name === name),
      createTopic: (name, settings, answer) => {
        const known = this.#topics.find((topic) => topic.name === name)
        if (known === undefined) answer(undefined, this.topic(name, settings))
        else answer(new MillraceError('MILLRACE_TOPIC_EXISTS', `${name} exists`), undefined)
      },
      bounds: (id, partition) => {
        const end = this.recordsOf(id).filter((record) => record.partition === partition).length
        return { start: 0, lastStable: end, end, leaderEpoch: 0 }
      },
    }
    return broker as FullBroker
  }

  topic(name: string, settings: TopicSettings): TopicDescription {
    const { partitions, durability = 'fsync', internal = false } = settings
    const topic = { id: `id-${name}`, name, partitions, durability, internal }
    this.#topics.push(topic)
    return topic
  }

  topicSpec(name: string): TopicSpec | undefined {
    return this.topicSpecs.get(name)
  }

  async produce(topic: TopicDescription, data: RecordData): Promise<ProducedRecord> {
    const records = this.recordsOf(topic.id)
    records.push({ ...data, partition: 0, offset: records.length })
    for (const wake of this.waiting) wake()
    return { partition: 0, offset: records.length - 1 }
  }

  async *read(topic: TopicDescription, options: ReadTopicOptions): AsyncGenerator<TopicRecord> {
    const records = this.recordsOf(topic.id)
    let next = typeof options.from === 'object' && 'offset' in options.from ? options.from.offset : 0
    if (next > records.length) throw new MillraceError('MILLRACE_OFFSET_OUT_OF_RANGE', `no offset ${next}`)
    while (!options.signal.aborted) {
      const record = records[next]
      if (record !== undefined) {
        next++
        yield record
      } else if (!options.follow) return
      else {
        await new Promise<void>((resolve) => {
          this.waiting.add(resolve)
          options.signal.addEventListener('abort', () => resolve())
        })
        this.waiting.clear()
      }
    }
  }

  recordsOf(topicId: string): TopicRecord[] {
    let records = this.records.get(topicId)
    if (records === undefined) {
      records = []
      this.records.set(topicId, records)
    }
    return records
  }

  /** Commits rows to a view; null removes. */
  commit(view: string, rows: readonly (readonly [Key, unknown])[]): void {
    this.#position++
    const changes = rows.map(([key, row]) => change(key, row, 1_000 + this.#position))
    this.views.view(view).commit(0, changes, this.#position)
  }

  openViews(): void {
    for (const name of this.views.names) this.views.open({ kind: 'view', name } as ViewNode, 1)
  }

  async start(): Promise<string> {
    this.server = await startHttpServer(this, { port: 0 })
    return this.server.url
  }

  async stop(): Promise<void> {
    await this.server?.close()
  }
}

function withLongTimers(long: Set<() => void>): Sys {
  const sys = nodeSys()
  const after = (ms: number, run: () => void): Timer => {
    if (ms < 10_000) return sys.timers.after(ms, run)
    long.add(run)
    return { cancel: () => long.delete(run) }
  }
  return { ...sys, timers: { after, soon: sys.timers.soon } }
}

export interface RawAnswer {
  readonly status: number
  readonly body: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** A request with headers that `fetch` would not send, such as another host. */
export function rawRequest(
  url: string,
  headers: Readonly<Record<string, string>>,
  method = 'GET',
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { headers, method }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }))
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}
