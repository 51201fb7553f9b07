import type * as http from 'node:http'
import { createRequire } from 'node:module'
import { hostname } from 'node:os'
import type { HttpAnswer, HttpCall, HttpClient } from '../http.ts'

/** Required for the same reason as in the server: an import reads every export, and one of them loads much more. */
const { Agent, request } = createRequire(import.meta.url)('node:http') as typeof http

/** Requests over connections that are kept. Nothing here ends a request that waits: who waits for long does so on purpose. */
export class NodeHttp implements HttpClient {
  readonly #agent = new Agent({ keepAlive: true })

  post(url: string, body: Uint8Array, answer: HttpAnswer): HttpCall {
    let over = false
    const end: HttpAnswer = (error, response) => {
      if (over) return
      over = true
      answer(error, response)
    }
    const headers = { 'content-type': 'application/octet-stream', 'content-length': body.length }
    const outgoing = request(url, { method: 'POST', headers, agent: this.#agent }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        end(undefined, { status: response.statusCode ?? 0, body: Buffer.concat(chunks) }),
      )
      response.on('error', (error) => end(error, undefined))
      response.on('close', () => end(new Error('the connection ended within the response'), undefined))
    })
    outgoing.on('error', (error) => end(error, undefined))
    outgoing.end(body)
    return {
      cancel: () => {
        over = true
        outgoing.destroy()
      },
    }
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** Which process this is, for people: its number and the machine. */
export function thisProcess(): string {
  return `${process.pid}@${hostname()}`
}
