import { resolve } from 'node:path'
import { type Duration, durationMs } from '../base/duration.ts'
import { MillraceError } from '../base/errors.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import { openBroker } from '../broker/open.ts'
import type { Plan, TopicSpec } from '../flow/graph/plan.ts'
import { topologyOf } from '../flow/graph/topology.ts'
import { createEngine } from '../flow/runtime/engine.ts'
import type { EngineStatus } from '../flow/runtime/engine-port.ts'
import { Metrics } from '../observe/metrics.ts'
import type { AppFacade } from '../serve/http/app-facade.ts'
import { type HttpServer, startHttpServer } from '../serve/http/http-server.ts'
import { type App, planOf } from '../streams/app.ts'
import type { Topic } from '../streams/topic.ts'
import type { Sent, ViewsOf } from '../streams/view-types.ts'
import type { Sys } from '../sys/sys.ts'
import { ViewRegistry } from '../views/view-registry.ts'
import { checkOptionalText, checkOptions, checkPort, checkText } from './argument-checks.ts'
import { EngineLoop } from './engine-loop.ts'
import { OpenLog } from './open.ts'
import { type Checked, type OpenPlace, openPlace } from './place.ts'
import { readableView } from './readable-view.ts'
import { announce } from './running-file.ts'
import type { SendArguments } from './send-options.ts'
import { readRecords } from './topic-reader.ts'

export interface RunOptions<A extends string = string> {
  /** Where the data lies: `memory:`, or `file:FOLDER`. */
  readonly at: Checked<A>
  /** Serve views, health and metrics over HTTP on this port of 127.0.0.1 (0: any free one). Default: no HTTP. */
  readonly http?: number | undefined
  /** How often results become durable and visible. Default '100ms'. */
  readonly commitInterval?: Duration | undefined
  /** End when all bounded inputs (files) are read: windows close, everything is committed. Default false. */
  readonly untilEnd?: boolean | undefined
  /** Folder that relative paths of files are relative to. Default: the working directory. */
  readonly baseFolder?: string | undefined
}

const COMMIT_INTERVAL_MS = 100
const CLOSE_TIMEOUT_MS = 30_000

/** A running app: its views, its log, and the way to stop it. */
export class Running<A extends App = App> implements AsyncDisposable {
  /** The app's views by name. */
  readonly views: ViewsOf<A>
  /** The log below, for topics that the app reads or writes. */
  readonly log: OpenLog
  /** Resolves when the app came to its end (`untilEnd`, or `close`), rejects when it failed. */
  readonly ended: Promise<void>
  readonly #parts: Parts

  /** @internal Made by `run`. */
  constructor(parts: Parts) {
    this.#parts = parts
    this.log = parts.log
    this.ended = parts.loop.settled
    const views = parts.registry.names.map((name) => [name, readableView(parts.registry, name)])
    // Rows have the types of the app's leaves: the same plan made both.
    this.views = Object.freeze(Object.fromEntries(views)) as ViewsOf<A>
  }

  /** Where HTTP answers, as `http://127.0.0.1:4040`; undefined without HTTP. */
  get url(): string | undefined {
    return this.#parts.http?.url
  }

  /** Appends one record; resolves when it is as durable as its topic promises. */
  send<K, Out, In>(
    topic: Topic<K, Out, In>,
    value: NoInfer<In> | null,
    ...rest: SendArguments<K>
  ): Promise<Sent> {
    return this.log.send(topic, value, ...rest)
  }

  status(): EngineStatus {
    return this.#parts.loop.engine.status()
  }

  /**
   * Takes no new input, commits what was taken, and lets go of the directory. Idempotent.
   * Throws MILLRACE_TIMEOUT when that takes longer than `timeout` (default 30 s): then nothing uncommitted was kept,
   * and the next run does it again.
   */
  close(options: { readonly timeout?: Duration } = {}): Promise<void> {
    const timeout = options.timeout === undefined ? CLOSE_TIMEOUT_MS : durationMs(options.timeout, 'timeout')
    this.#parts.closing ??= shutDown(this.#parts, timeout)
    return this.#parts.closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** What a running app is made of. */
interface Parts {
  readonly sys: Sys
  readonly place: OpenPlace
  readonly broker: FullBroker
  readonly log: OpenLog
  readonly registry: ViewRegistry
  readonly loop: EngineLoop
  http: HttpServer | undefined
  closing: Promise<void> | undefined
}

/**
 * Runs an app until it is closed.
 *
 * @example
 * ```ts
 * await using running = await run(trending, { at: 'file:./data' })
 * const { position } = await running.send(clicks, { user: 'ann', page: '/home', at: Date.now() })
 * await running.views.pages.caughtUp(position, { timeout: '5s' })
 * ```
 * Throws MILLRACE_LOCKED when another process has the directory, MILLRACE_INCOMPATIBLE_PLAN when the directory
 * holds state of another version of the app.
 */
export async function run<A extends App, const P extends string>(
  app: A,
  options: RunOptions<P>,
): Promise<Running<A>> {
  const plan = planOf(app)
  checkOptions(options, 'the options of run')
  checkText(options.at, 'at', 'file:./data')
  checkPort(options.http)
  checkOptionalText(options.baseFolder, 'baseFolder', '.')
  const commitIntervalMs = durationMs(options.commitInterval ?? COMMIT_INTERVAL_MS, 'commitInterval')
  const baseFolder = resolve(options.baseFolder ?? '.')
  const place = openPlace(options.at, baseFolder)
  const { sys } = place
  const broker = openBroker(sys, place.url, '/', { housekeeping: {} })
  const metrics = new Metrics()
  const names = plan.leaves.flatMap((leaf) => (leaf.kind === 'view' ? [leaf.name] : []))
  const registry = new ViewRegistry(sys, names)
  const { stateFolder } = place
  const untilEnd = options.untilEnd === true
  const engineOptions = {
    sys,
    broker,
    plan,
    views: registry,
    metrics,
    stateFolder,
    baseFolder,
    commitIntervalMs,
    untilEnd,
  }
  const loop = new EngineLoop(sys, (wake) => createEngine({ ...engineOptions, wake }))
  registry.follow({
    committed: (topic, partition) => {
      const id = broker.topic(topic)?.id
      return id === undefined ? undefined : loop.engine.committed(id, partition)
    },
    onCommit: (listener) => loop.engine.onCommit(listener),
  })
  // Whoever waits for a change or a position hears that the app ended, and why.
  void loop.settled.then(
    () => registry.close(),
    (failure: Error) => registry.close(failure),
  )
  const log = new OpenLog(sys, broker)
  const parts: Parts = { sys, place, broker, log, registry, loop, http: undefined, closing: undefined }
  try {
    // Before the state is back, so that whoever asks hears how far that is.
    if (options.http !== undefined) {
      parts.http = await startHttpServer(facadeOf(plan, parts, metrics), { port: options.http })
    }
    announce(parts.place, parts.http?.url)
    await started(loop)
  } catch (error) {
    await shutDown(parts, 0).catch(() => undefined)
    throw error
  }
  return new Running<A>(parts)
}

/** What the HTTP server sees of the app. */
function facadeOf(plan: Plan, { broker, log, loop, registry, sys }: Parts, metrics: Metrics): AppFacade {
  const specs = new Map(topicsOf(plan).map((spec) => [spec.name, spec]))
  return {
    name: plan.name,
    sys,
    engine: loop.engine,
    views: registry,
    metrics,
    broker,
    groups: log.groups,
    topicSpec: (name) => specs.get(name),
    produce: (topic, record) => log.append(topic, record),
    read: (topic, options) => readRecords(sys, broker, topic, options),
  }
}

/** Every topic that a plan reads or writes. */
function topicsOf(plan: Plan): TopicSpec[] {
  return topologyOf(plan).nodes.flatMap(({ node }) => {
    if (node.kind === 'topicSource') return [node.topic]
    return node.kind === 'output' && node.to.kind === 'topic' ? [node.to.topic] : []
  })
}

/** Resolves when the engine runs: joined, restored, its topics made. */
async function started(loop: EngineLoop): Promise<void> {
  const running = (): boolean => !['starting', 'restoring', 'failed'].includes(loop.engine.state)
  await Promise.race([loop.settled, loop.until(running)])
}

async function shutDown(parts: Parts, timeoutMs: number): Promise<void> {
  const { loop, log, registry, sys } = parts
  await parts.http?.close()
  const inTime = timeoutMs > 0 && (await drained(loop, sys, timeoutMs))
  loop.stop()
  registry.close()
  await log.close()
  if (timeoutMs > 0 && !inTime) {
    const way = 'what was not committed is done again by the next run; give close a longer timeout'
    throw new MillraceError('MILLRACE_TIMEOUT', `the app did not drain within ${timeoutMs} ms: ${way}`)
  }
}

/** Whether the engine came to its end in time; a failed one did, and has nothing more to commit. */
async function drained(loop: EngineLoop, sys: Sys, timeoutMs: number): Promise<boolean> {
  if (loop.engine.state === 'failed') return true
  loop.engine.drain()
  loop.wake()
  const settled = loop.settled.then(
    () => true,
    () => true,
  )
  let stop: () => void = () => undefined
  const late = new Promise<boolean>((resolveLate) => {
    const timer = sys.timers.after(timeoutMs, () => resolveLate(false))
    stop = () => timer.cancel()
  })
  const inTime = await Promise.race([settled, late])
  stop()
  return inTime
}
