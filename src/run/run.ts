import { resolve } from 'node:path'
import { type Duration, durationMs } from '../base/duration.ts'
import { MillraceError } from '../base/errors.ts'
import { openBroker } from '../broker/open.ts'
import type { EngineStatus } from '../flow/runtime/engine-port.ts'
import { createEngine } from '../flow/runtime/engine.ts'
import { Metrics } from '../observe/metrics.ts'
import { startHttpServer, type HttpServer } from '../serve/http/http-server.ts'
import { type App, planOf } from '../streams/app.ts'
import type { Topic } from '../streams/topic.ts'
import type { Sent, ViewsOf } from '../streams/view-types.ts'
import { nodeSys } from '../sys/node/node-sys.ts'
import type { Sys } from '../sys/sys.ts'
import { ViewRegistry } from '../views/view-registry.ts'
import { EngineLoop } from './engine-loop.ts'
import { OpenLog, type SendArguments } from './open.ts'
import type { Checked } from './place.ts'

export interface RunOptions<A extends string = string> {
  /** `memory:`, or `file:FOLDER`. */
  readonly at: Checked<A>
  /** Serve views, health and metrics over HTTP on this port of 127.0.0.1 (0: any free one). Default: no HTTP. */
  readonly http?: number
  /** How often results become durable and visible. Default '100ms'. */
  readonly commitInterval?: Duration
  /** End when all bounded inputs (files) are read: windows close, everything is committed. Default false. */
  readonly untilEnd?: boolean
  /** Folder that relative paths of files are relative to. Default: the working directory. */
  readonly baseFolder?: string
}
