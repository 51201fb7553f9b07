import { answered } from '../../base/answered.ts'
import type { AppFacade } from '../../serve/http/app-facade.ts'
import { type HttpServer, startHttpServer } from '../../serve/http/http-server.ts'
import type { HttpAnswer, HttpCall, HttpClient } from '../../sys/http.ts'
import { MemoryDisk } from '../../sys/memory/memory-disk.ts'
import { NodeHttp } from '../../sys/node/node-http.ts'
import { nodeSys } from '../../sys/node/node-sys.ts'
import type { FullBroker } from '../full-broker.ts'
import { openBroker } from '../open.ts'
import { openRemoteBroker, type RemoteBrokerOptions } from './remote-broker.ts'

/** A local broker behind a real HTTP server, and remote brokers that talk to it. */
export class RemoteTestWorld {
  readonly sys = nodeSys({ disk: new MemoryDisk() })
  #local: FullBroker | undefined
  #server: HttpServer | undefined
  readonly #remotes: FullBroker[] = []

  get local(): FullBroker {
    return this.#local as FullBroker
  }

  get url(): string {
    return (this.#server as HttpServer).url
  }

  async start(port = 0): Promise<void> {
    this.#local = openBroker(this.sys, 'file:/data')
    // Routes of the broker ask for these two only.
    const app: Partial<AppFacade> = { sys: this.sys, broker: this.#local }
    this.#server = await startHttpServer(app as AppFacade, { port })
  }

  async stop(): Promise<void> {
    await this.#server?.close()
    const local = this.#local
    this.#server = undefined
    this.#local = undefined
    if (local !== undefined) await answered<void>((answer) => local.close(answer))
  }

  async connect(options: Partial<RemoteBrokerOptions> = {}): Promise<FullBroker> {
    const { url, sys } = this
    const base = { sys, url, host: 'http:test', http: new NodeHttp() }
    const remote = await answered<FullBroker>((answer) => openRemoteBroker({ ...base, ...options }, answer))
    this.#remotes.push(remote)
    return remote
  }

  async end(): Promise<void> {
    for (const remote of this.#remotes) await answered<void>((answer) => remote.close(answer))
    await this.stop()
  }
}

/** Loses what it is told to: requests on their way there, or answers on their way back. */
export class CutHttp implements HttpClient {
  readonly #real = new NodeHttp()
  /** Asked for each request; undefined: it gets through. */
  cut: (url: string, body: Uint8Array) => 'request' | 'answer' | undefined = () => undefined
  /** How many were lost. */
  lost = 0

  post(url: string, body: Uint8Array, answer: HttpAnswer): HttpCall {
    const where = this.cut(url, body)
    const lose = (): void => {
      this.lost += 1
      answer(new Error('the test cut the connection'), undefined)
    }
    if (where === 'request') {
      const timer = setTimeout(lose)
      return { cancel: () => clearTimeout(timer) }
    }
    return this.#real.post(url, body, where === undefined ? answer : lose)
  }

  close(): void {
    this.#real.close()
  }
}
