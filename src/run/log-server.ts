import type { TopicDescription } from '../broker/broker.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import { Metrics } from '../observe/metrics.ts'
import type { RecordData } from '../record/record.ts'
import type { AppFacade } from '../serve/http/app-facade.ts'
import { type HttpServer, startHttpServer } from '../serve/http/http-server.ts'
import type { Sys } from '../sys/sys.ts'
import { ViewRegistry } from '../views/view-registry.ts'
import type { Groups } from './groups.ts'
import type { AppendedRecord } from './producer.ts'
import { readRecords } from './topic-reader.ts'

interface ServedLog {
  readonly groups: Groups
  append(topic: TopicDescription, record: RecordData): Promise<AppendedRecord>
}

/** Serves a log that no app runs on: its topics, its groups, and the log itself for other processes. */
export function serveLog(sys: Sys, broker: FullBroker, log: ServedLog, port: number): Promise<HttpServer> {
  const facade: AppFacade = {
    name: 'log',
    sys,
    engine: IDLE_ENGINE,
    views: new ViewRegistry(sys, []),
    metrics: new Metrics(),
    broker,
    groups: log.groups,
    topicSpec: () => undefined,
    produce: (topic, record) => log.append(topic, record),
    read: (topic, options) => readRecords(sys, broker, topic, options),
  }
  return startHttpServer(facade, { port })
}

/** There is none: nothing is processed. */
const IDLE_ENGINE: AppFacade['engine'] = {
  state: 'running',
  failure: undefined,
  status: () => ({
    state: 'running',
    inputs: [],
    watermark: undefined,
    restore: undefined,
    records: 0,
    late: 0,
    dropped: 0,
    deadLetters: 0,
    commits: 0,
  }),
}
