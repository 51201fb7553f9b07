import type * as http from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { MillraceError, messageOf } from '../../base/errors.ts'
import type { AppFacade } from './app-facade.ts'
import { brokerFetch } from './broker-fetch.ts'
import { brokerCalls, brokerState } from './broker-routes.ts'
import { describeGroup, listGroups } from './group-routes.ts'
import { HttpExchange } from './http-exchange.ts'
import { HttpProblem } from './http-problem.ts'
import { prometheusText } from './prometheus.ts'
import { createTopic, describeTopic, listTopics, produce, readRecords } from './topic-routes.ts'
import { answerView, listViews } from './view-routes.ts'

/**
 * Required, for an import reads every export of the module, and for one of them (WebSocket) Node loads its whole HTTP
 * client: a third of the time that all other code takes to load.
 */
const { createServer } = createRequire(import.meta.url)('node:http') as typeof http

export interface HttpServer {
  /** As 'http://127.0.0.1:4040'. */
  readonly url: string
  /** Answers what is under way, ends streams, and lets go of the port. Idempotent. */
  close(): Promise<void>
}

export interface HttpServerOptions {
  /** 0: any free one. Default 4040. */
  readonly port?: number
}

const HOST = '127.0.0.1'
const PORT = 4040
/** How long answers may take when the server closes. */
const CLOSE_MS = 2_000

type Handler = (app: AppFacade, exchange: HttpExchange) => void | Promise<void>

/** What the server answers: the whole of it, in the order in which the index shows it. */
const ROUTES: readonly {
  method: string
  path: string
  matches: (path: readonly string[]) => boolean
  handler: Handler
}[] = [
  { method: 'GET', path: '/', matches: (path) => path.length === 1 && path[0] === '', handler: index },
  { method: 'GET', path: '/healthz', matches: exactly('healthz'), handler: health },
  { method: 'GET', path: '/status', matches: exactly('status'), handler: status },
  { method: 'GET', path: '/metrics', matches: exactly('metrics'), handler: metrics },
  { method: 'GET', path: '/views', matches: exactly('views'), handler: listViews },
  {
    method: 'GET',
    path: '/views/NAME?prefix=&from=&to=&limit=&reverse=&keys=',
    matches: below('views', 2),
    handler: answerView,
  },
  { method: 'GET', path: '/views/NAME/KEY', matches: below('views', 3), handler: answerView },
  { method: 'GET', path: '/views/NAME/changes?from=start', matches: () => false, handler: answerView },
  { method: 'GET', path: '/topics?internal=', matches: exactly('topics'), handler: listTopics },
  { method: 'POST', path: '/topics', matches: exactly('topics'), handler: createTopic },
  {
    method: 'GET',
    path: '/topics/NAME',
    matches: (path) => path[0] === 'topics' && path.length === 2,
    handler: describeTopic,
  },
  {
    method: 'POST',
    path: '/topics/NAME?keyField=&key=&firstLine=',
    matches: (path) => path[0] === 'topics' && path.length === 2,
    handler: produce,
  },
  {
    method: 'GET',
    path: '/topics/NAME/records?from=&partition=&limit=&follow=',
    matches: (path) => path[0] === 'topics' && path.length === 3 && path[2] === 'records',
    handler: readRecords,
  },
  { method: 'GET', path: '/groups', matches: exactly('groups'), handler: listGroups },
  { method: 'GET', path: '/groups/NAME', matches: below('groups', 2), handler: describeGroup },
  // For other processes of millrace (broker/remote).
  { method: 'POST', path: '/broker/state', matches: broker('state'), handler: brokerState },
  { method: 'POST', path: '/broker/calls', matches: broker('calls'), handler: brokerCalls },
  { method: 'POST', path: '/broker/fetch', matches: broker('fetch'), handler: brokerFetch },
]

/**
 * Serves a running app over HTTP to this machine: views as JSON and server-sent events, topics, health, metrics.
 *
 * It listens on the loopback only, and knows no users: whoever can run programs here may ask. A web page in a browser
 * on this machine may not: a request must name this host (a page that has its own name point at 127.0.0.1 cannot) and,
 * if it comes from a page, that page must be of this host.
 *
 * @throws MillraceError MILLRACE_PORT when the port is taken, or not this program's to take.
 */
export async function startHttpServer(app: AppFacade, options: HttpServerOptions = {}): Promise<HttpServer> {
  const port = options.port ?? PORT
  const closing = new AbortController()
  const server = createServer((request, response) => {
    const gone = new AbortController()
    const abort = (): void => gone.abort()
    response.once('close', () => {
      closing.signal.removeEventListener('abort', abort)
      abort()
      // A connection whose last answer ends while the server closes would wait for a next request.
      if (closing.signal.aborted) app.sys.timers.soon(() => server.closeIdleConnections())
    })
    closing.signal.addEventListener('abort', abort)
    void answer(app, request, response, gone.signal)
  })
  await listening(server, port)
  const url = `http://${HOST}:${(server.address() as AddressInfo).port}`
  let closed: Promise<void> | undefined
  return {
    url,
    close: () => {
      closed ??= closeServer(app, server, closing)
      return closed
    },
  }
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE'
      const problem = taken ? 'another program listens there' : messageOf(error)
      const way = 'stop it, or choose another port (--port N, 0 for any free one) or none (--no-http)'
      const message = `HTTP cannot be served on ${HOST}:${port}: ${problem}; ${way}`
      reject(new MillraceError('MILLRACE_PORT', message, { cause: error }))
    })
    server.listen(port, HOST, resolve)
  })
}

async function closeServer(app: AppFacade, server: Server, closing: AbortController): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  closing.abort()
  server.closeIdleConnections()
  const timer = app.sys.timers.after(CLOSE_MS, () => server.closeAllConnections())
  await closed
  timer.cancel()
}

async function answer(
  app: AppFacade,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const exchange = new HttpExchange(request, response, signal)
  try {
    mustBeFromHere(request)
    const { segments } = exchange
    const path =
      segments.length > 1 && segments.at(-1) === '' && segments[0] !== 'views'
        ? segments.slice(0, -1)
        : segments
    const routes = ROUTES.filter(({ matches }) => matches(path))
    const method = exchange.method === 'HEAD' ? 'GET' : exchange.method
    const route = routes.find((candidate) => candidate.method === method)
    if (route === undefined)
      throw notFound(
        request,
        routes.map((candidate) => candidate.method),
      )
    await route.handler(app, exchange)
  } catch (error) {
    if (signal.aborted && response.headersSent) response.destroy()
    else exchange.fail(error)
  }
}

/** Refuses what a web page of elsewhere makes a browser send. */
function mustBeFromHere(request: IncomingMessage): void {
  const { host, origin } = request.headers
  if (host === undefined || !isThisHost(hostOf(`http://${host}`))) {
    const problem = `the request is for the host ${JSON.stringify(host)}: this server answers to 127.0.0.1 and localhost`
    throw new HttpProblem(403, 'MILLRACE_FOREIGN_HOST', problem)
  }
  if (origin !== undefined && !isThisHost(hostOf(origin))) {
    const problem = `the request comes from a page of ${origin}: only pages of this machine may ask`
    throw new HttpProblem(403, 'MILLRACE_FOREIGN_ORIGIN', problem)
  }
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined
}

function isThisHost(host: string | undefined): boolean {
  return host === '127.0.0.1' || host === 'localhost' || host === '[::1]'
}

function notFound(request: IncomingMessage, methods: readonly string[]): HttpProblem {
  if (methods.length > 0) {
    const problem = `${request.url} does not take ${request.method}: it takes ${methods.join(', ')}`
    return new HttpProblem(405, 'MILLRACE_INVALID_ARGUMENT', problem, { allow: methods.join(', ') })
  }
  const known = ROUTES.map(({ method, path }) => `${method} ${path}`).join(', ')
  return new HttpProblem(
    404,
    'MILLRACE_NO_SUCH_PATH',
    `there is nothing at ${request.url}; there is: ${known}`,
  )
}

function exactly(name: string): (path: readonly string[]) => boolean {
  return (path) => path.length === 1 && path[0] === name
}

function broker(name: string): (path: readonly string[]) => boolean {
  return (path) => path.length === 2 && path[0] === 'broker' && path[1] === name
}

/** Paths of so many segments or, from three on, of more. */
function below(name: string, segments: number): (path: readonly string[]) => boolean {
  return (path) => path[0] === name && (segments < 3 ? path.length === segments : path.length >= segments)
}

function index(app: AppFacade, exchange: HttpExchange): void {
  const endpoints = ROUTES.map(({ method, path }) => `${method} ${path}`)
  exchange.json({ app: app.name, state: app.engine.state, views: app.views.names, endpoints })
}

/** 503 tells a supervisor that this process will not recover by itself. */
function health(app: AppFacade, exchange: HttpExchange): void {
  const { state, failure } = app.engine
  const { restore } = app.engine.status()
  const base = restore === undefined ? { state } : { state, restore }
  exchange.json(
    failure === undefined ? base : { ...base, failure: failure.message },
    state === 'failed' ? 503 : 200,
  )
}

function status(app: AppFacade, exchange: HttpExchange): void {
  exchange.json({ app: app.name, ...app.engine.status() })
}

async function metrics(app: AppFacade, exchange: HttpExchange): Promise<void> {
  const { type, text } = await prometheusText(app.metrics)
  exchange.send(200, type, text)
}
