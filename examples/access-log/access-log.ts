/**
 * A web server's log, out of order as such logs are, turned into four kinds of results.
 *
 *   npx millrace run examples/access-log/access-log.ts --until-end --set input=access.log
 *   npx millrace read access-log.top-paths
 */
import {
  app,
  count,
  type Duration,
  deadLetter,
  hopping,
  session,
  stream,
  sum,
  text,
  top,
  topic,
  tumbling,
  view,
  withOptions,
} from 'millrace'
import { lines } from 'millrace/files'
import { z } from 'zod'
import { parseRequest, Request } from './combined-log.ts'

export const requests = topic('access-log.requests', { value: Request })

const Window = z.object({ start: z.number(), end: z.number() })
const Path = z.object({ key: z.string(), window: Window, hits: z.number() })

export const statusCounts = topic('access-log.per-status', {
  key: z.number(),
  value: z.object({ key: z.number(), window: Window, count: z.number() }),
})
export const topPaths = topic('access-log.top-paths', {
  key: text(),
  value: z.object({ key: z.string(), window: Window, paths: z.array(Path) }),
})
export const sessions = topic('access-log.sessions', {
  key: text(),
  value: z.object({
    key: z.string(),
    window: Window.extend({ lastEvent: z.number().optional() }),
    hits: z.number(),
    bytes: z.number(),
  }),
})

/** How many requests came in time, per 10 seconds and tolerance; and those that did not. */
const Accepted = z.object({ key: z.string(), window: Window, count: z.number() })
const acceptedAt = (tolerance: string) =>
  topic(`access-log.accepted-${tolerance}`, { key: text(), value: Accepted })
const lateAt = (tolerance: string) => topic(`access-log.late-${tolerance}`, { key: text(), value: Request })

export default withOptions({ input: z.string().default('access.log') }, ({ input }) => {
  const load = stream(lines(input))
    .map(parseRequest)
    .onError(deadLetter('access-log.unparsable'))
    .to(requests)

  // In this log a line is up to 59 s older than the newest one before it: after 60 s nothing is late.
  const inTime = stream(requests, { eventTime: (request) => request.at, outOfOrderness: '60s' })
  const perStatus = inTime
    .keyBy((request) => request.status)
    .window('per-status', tumbling('5m'))
    .count()
  const trending = inTime
    .filter((request) => request.status === 200)
    .keyBy((request) => request.path)
    .window('hits-per-path', hopping({ size: '1h', every: '15m' }))
    .aggregate({ hits: count() })
    .groupBy('top-paths', () => 'all')
    .aggregate({ paths: top(3, (path) => path.hits, { ties: (path) => path.key }) })
  const perVisitor = inTime
    .keyBy((request) => request.ip)
    .window('sessions', session('30m'))
    .aggregate({ hits: count(), bytes: sum((request) => request.bytes) })

  // The same requests without any patience, to see what a tolerance buys.
  const impatient = stream(requests, { eventTime: (request) => request.at }).keyBy(() => 'all')
  const accepted = (tolerance: Duration) =>
    impatient.window(`accepted-${tolerance}`, tumbling('10s'), { allowedLateness: tolerance }).count()
  const [within0, within10, within30, within60] = [
    accepted('0s'),
    accepted('10s'),
    accepted('30s'),
    accepted('60s'),
  ]

  return app('access-log', {
    load,
    perStatus: perStatus.final().to(statusCounts),
    topPaths: trending.final().to(topPaths),
    sessions: perVisitor.final().to(sessions),
    statuses: view(perStatus.updates()),
    trending: view(trending.final()),
    visitors: view(perVisitor.updates()),
    accepted0: within0.final().to(acceptedAt('0s')),
    late0: within0.late().to(lateAt('0s')),
    accepted10: within10.final().to(acceptedAt('10s')),
    late10: within10.late().to(lateAt('10s')),
    accepted30: within30.final().to(acceptedAt('30s')),
    late30: within30.late().to(lateAt('30s')),
    accepted60: within60.final().to(acceptedAt('60s')),
    late60: within60.late().to(lateAt('60s')),
  })
})
