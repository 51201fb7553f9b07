/**
 * Calls to the app that holds the log.
 *
 * Calls whose order matters (appends of an idempotent producer, commits) go through one line: a request at a time, with
 * all calls that came meanwhile in the next one, so batches of calls grow with the load. Calls that may wait for other
 * processes (a join, a sync) or must not wait for the disk (a heartbeat) have a request of their own.
 *
 * A lost connection answers every call of the line, the ones behind it too, with MILLRACE_CONNECTION: nothing that was
 * asked later may happen before what is asked again.
 */
import { MillraceError } from '../../base/errors.ts'
import type { HttpCall, HttpClient } from '../../sys/http.ts'
import type { Answer } from '../broker.ts'
import { decodeMessage, encodeMessage, errorOf } from './message.ts'
import { type CallsRequest, type CallsResponse, PATHS, type StateChanges } from './protocol.ts'

/** Calls with more bytes than this do not share a request. */
const LINE_BYTES = 16 * 1024 * 1024

interface Call {
  readonly method: string
  readonly args: readonly unknown[]
  readonly bytes: number
  readonly answer: Answer<unknown>
}

export interface ConnectionOptions {
  readonly http: HttpClient
  /** As 'http://127.0.0.1:4040', without a path. */
  readonly url: string
  /** Comes before the answers that it belongs to. */
  readonly changed: (changes: StateChanges) => void
}

export class Connection {
  readonly url: string
  readonly #http: HttpClient
  readonly #changed: (changes: StateChanges) => void
  #line: Call[] = []
  #busy = false
  #closed = false
  readonly #waiting = new Map<Call, HttpCall>()
  #idle: (() => void)[] = []

  constructor({ http, url, changed }: ConnectionOptions) {
    this.url = url
    this.#http = http
    this.#changed = changed
  }

  /** A call in the order of calls. */
  call<T>(method: string, args: readonly unknown[], answer: Answer<T>, bytes = 0): void {
    if (this.#refused(answer)) return
    this.#line.push({ method, args, bytes, answer: answer as Answer<unknown> })
    this.#next()
  }

  /** A call for itself. */
  callAlone<T>(method: string, args: readonly unknown[], answer: Answer<T>): void {
    if (this.#refused(answer)) return
    const call: Call = { method, args, bytes: 0, answer: answer as Answer<unknown> }
    const request = this.#send([call], () => this.#waiting.delete(call))
    this.#waiting.set(call, request)
  }

  /** A question that has its own path. */
  ask<T>(path: string, question: unknown, answer: Answer<T>): HttpCall {
    return this.#http.post(`${this.url}${path}`, encodeMessage(question), (error, response) => {
      if (response === undefined) {
        answer(connectionLost(this.url, error as Error), undefined)
        return
      }
      let value: T
      try {
        if (response.status !== 200) throw problemOf(this.url, response.status, response.body)
        value = decodeMessage(response.body) as T
      } catch (problem) {
        answer(problem as Error, undefined)
        return
      }
      answer(undefined, value)
    })
  }

  /** Takes nothing more; calls `done` when the line is empty. Whoever waits elsewhere is told. */
  close(done: () => void): void {
    this.#closed = true
    for (const [{ answer }, request] of [...this.#waiting]) {
      request.cancel()
      answer(closed(this.url), undefined)
    }
    this.#waiting.clear()
    if (this.#isIdle()) done()
    else this.#idle.push(done)
  }

  #refused<T>(answer: Answer<T>): boolean {
    if (this.#closed) answer(closed(this.url), undefined)
    return this.#closed
  }

  #next(): void {
    if (this.#busy || this.#line.length === 0) return
    let bytes = 0
    let count = 0
    for (const call of this.#line) {
      bytes += call.bytes
      if (count > 0 && bytes > LINE_BYTES) break
      count += 1
    }
    const calls = this.#line.splice(0, count)
    this.#busy = true
    this.#send(calls, (lost) => {
      this.#busy = false
      const behind = lost === undefined ? [] : this.#line.splice(0)
      return () => {
        for (const { answer } of behind) answer(lost, undefined)
        this.#next()
        if (this.#isIdle()) for (const done of this.#idle.splice(0)) done()
      }
    })
  }

  /** `ended` is called before the answers, what it returns behind them. */
  #send(calls: readonly Call[], ended: (lost: Error | undefined) => unknown): HttpCall {
    const request: CallsRequest = { calls: calls.map(({ method, args }) => ({ method, args })) }
    return this.ask<CallsResponse>(PATHS.calls, request, (error, response) => {
      const after = ended(error)
      if (response !== undefined) this.#changed(response.changes)
      for (const [index, { answer }] of calls.entries()) {
        const one = response?.answers[index]
        if (one === undefined)
          answer(error ?? problemOf(this.url, 200, Buffer.from('too few answers')), undefined)
        else answer(one.error, one.value)
      }
      if (typeof after === 'function') after()
    })
  }

  #isIdle(): boolean {
    return !this.#busy && this.#line.length === 0
  }
}

/** Whether a request certainly did nothing: there was nobody to take it. */
export function neverArrived({ cause }: Error): boolean {
  return cause instanceof Error && refusedBy(cause)
}

function refusedBy(cause: NodeJS.ErrnoException): boolean {
  return cause.code === 'ECONNREFUSED'
}

function connectionLost(url: string, cause: Error): MillraceError {
  const problem = refusedBy(cause)
    ? `nothing answers at ${url}: is the app running?`
    : `the connection to ${url} was lost (${cause.message}); what was asked may have been done`
  return new MillraceError('MILLRACE_CONNECTION', problem, { cause })
}

function closed(url: string): MillraceError {
  return new MillraceError('MILLRACE_CLOSED', `the log at ${url} was closed: open it again`)
}

/** A response that is no message: of this server about the request, or of another program. */
function problemOf(url: string, status: number, body: Uint8Array): MillraceError {
  const text = Buffer.from(body).toString('utf8')
  try {
    const { error } = JSON.parse(text) as {
      readonly error: { readonly code: string; readonly message: string }
    }
    if (status !== 404 && typeof error.code === 'string') return errorOf(error)
  } catch {
    // No JSON: what follows says so.
  }
  const problem = `${url} answered ${status}: ${text.slice(0, 200)}`
  return new MillraceError('MILLRACE_UNSUPPORTED', `${problem}; is it an app of this version of millrace?`)
}
