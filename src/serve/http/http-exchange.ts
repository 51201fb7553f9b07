import type { IncomingMessage, ServerResponse } from 'node:http'
import { HttpProblem, problemOf } from './http-problem.ts'

/** A body may have so many bytes. */
const BODY_BYTES_MAX = 16 * 1024 * 1024

/** One request and its answer. */
export class HttpExchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: string
  /** Segments of the path as they came, still encoded. */
  readonly segments: readonly string[]
  readonly query: URLSearchParams
  /** Aborted when the client goes or the server closes. */
  readonly signal: AbortSignal

  constructor(request: IncomingMessage, response: ServerResponse, signal: AbortSignal) {
    const target = request.url ?? '/'
    const queryAt = target.indexOf('?')
    const path = queryAt === -1 ? target : target.slice(0, queryAt)
    this.request = request
    this.response = response
    this.method = request.method ?? 'GET'
    this.segments = path.replace(/^\//, '').split('/')
    this.query = new URLSearchParams(queryAt === -1 ? '' : target.slice(queryAt + 1))
    this.signal = signal
  }

  /** A segment of the path, decoded. */
  segment(index: number): string {
    return decodeSegment(this.segments[index] ?? '')
  }

  /** A number of the query, a whole one from 0 on. */
  count(name: string): number | undefined {
    const text = this.query.get(name)
    if (text === null) return undefined
    if (/^(0|[1-9]\d{0,14})$/.test(text)) return Number(text)
    const problem = `the parameter ${name} is ${JSON.stringify(text)}: expected a whole number, 0 or more`
    throw new HttpProblem(400, 'MILLRACE_INVALID_ARGUMENT', problem)
  }

  flag(name: string): boolean {
    const text = this.query.get(name)
    if (text === null || text === 'false') return false
    if (text === 'true' || text === '') return true
    const problem = `the parameter ${name} is ${JSON.stringify(text)}: expected true or false`
    throw new HttpProblem(400, 'MILLRACE_INVALID_ARGUMENT', problem)
  }

  json(value: unknown, status = 200): void {
    this.send(status, 'application/json; charset=utf-8', `${JSON.stringify(value, null, 2)}\n`)
  }

  /** A message of `broker/remote`. */
  message(bytes: Uint8Array): void {
    this.response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': bytes.length,
    })
    this.response.end(bytes)
  }

  send(status: number, type: string, body: string, headers: Readonly<Record<string, string>> = {}): void {
    const length = Buffer.byteLength(body)
    this.response.writeHead(status, {
      'content-type': type,
      'content-length': length,
      'cache-control': 'no-store',
      ...headers,
    })
    this.response.end(body)
  }

  /** Answers with what went wrong; if the answer has begun, all that is left is to cut it off. */
  fail(error: unknown): void {
    const { status, code, message, headers } = problemOf(error)
    if (this.response.headersSent) {
      this.response.destroy()
      return
    }
    const body = `${JSON.stringify({ error: { code, message } }, null, 2)}\n`
    this.send(status, 'application/json; charset=utf-8', body, headers)
  }

  /** Begins an answer of unknown length. */
  stream(type: string): void {
    this.response.writeHead(200, {
      'content-type': type,
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    this.response.flushHeaders()
  }

  /** Writes a part; resolves when the client has taken enough for the next one, or is gone. */
  async write(text: string): Promise<void> {
    if (this.signal.aborted || this.response.write(text)) return
    await new Promise<void>((resolve) => {
      const go = (): void => {
        this.response.off('drain', go)
        this.signal.removeEventListener('abort', go)
        resolve()
      }
      this.response.on('drain', go)
      this.signal.addEventListener('abort', go)
    })
  }

  /**
   * The whole body. Throws 413 as soon as it is too long; the rest is then read and forgotten, as a client that is
   * still sending would not see the answer of a closed connection.
   */
  body(bytesMax = BODY_BYTES_MAX): Promise<Buffer> {
    const { request } = this
    return new Promise((resolve, reject) => {
      let chunks: Buffer[] = []
      let length = 0
      request.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length <= bytesMax) chunks.push(chunk)
        else {
          chunks = []
          reject(tooLong(bytesMax))
        }
      })
      request.on('end', () => resolve(Buffer.concat(chunks)))
      request.on('error', reject)
      request.on('close', () =>
        reject(new HttpProblem(400, 'MILLRACE_CLOSED', 'the request ended within its body')),
      )
      if (Number(request.headers['content-length'] ?? 0) > bytesMax) reject(tooLong(bytesMax))
    })
  }
}

function tooLong(bytesMax: number): HttpProblem {
  const problem = `the body is longer than ${bytesMax} bytes: send it in several requests`
  return new HttpProblem(413, 'MILLRACE_RECORD_TOO_LARGE', problem)
}

export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    const problem = `the path has ${JSON.stringify(segment)}, which is no percent-encoded UTF-8`
    throw new HttpProblem(400, 'MILLRACE_INVALID_ARGUMENT', problem)
  }
}
