/**
 * A day of Wikipedia's recent changes: edits per channel, the most edited pages, editors' sessions, late edits.
 *
 *   npx millrace run examples/wikipedia/edits.ts --until-end --set input=edits.jsonl.gz
 */
import {
  app,
  count,
  type Duration,
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
import { jsonl } from 'millrace/files'
import { z } from 'zod'

const Edit = z.object({
  time: z.string(),
  channel: z.string(),
  page: z.string(),
  user: z.string(),
  isRobot: z.boolean(),
  delta: z.number(),
  added: z.number(),
  deleted: z.number(),
})
export const edits = topic('wikipedia.edits', { value: Edit })

const Window = z.object({ start: z.number(), end: z.number() })
const Page = z.object({ key: z.string(), window: Window, edits: z.number() })

export const perChannel = topic('wikipedia.per-channel', {
  key: text(),
  value: z.object({
    key: z.string(),
    window: Window,
    edits: z.number(),
    added: z.number(),
    deleted: z.number(),
  }),
})
export const topPages = topic('wikipedia.top-pages', {
  key: text(),
  value: z.object({ key: z.string(), window: Window, pages: z.array(Page) }),
})
export const sessions = topic('wikipedia.sessions', {
  key: text(),
  value: z.object({
    key: z.string(),
    window: Window.extend({ lastEvent: z.number().optional() }),
    edits: z.number(),
    delta: z.number(),
  }),
})
const Accepted = z.object({ key: z.string(), window: Window, count: z.number() })
const acceptedAt = (tolerance: string) =>
  topic(`wikipedia.accepted-${tolerance}`, { key: text(), value: Accepted })
const lateAt = (tolerance: string) => topic(`wikipedia.late-${tolerance}`, { key: text(), value: Edit })

export default withOptions({ input: z.string().default('edits.jsonl.gz') }, ({ input }) => {
  // Edits may come in up to two minutes late; with that much patience none of them is.
  const inTime = stream(edits, { eventTime: (edit) => edit.time, outOfOrderness: '2m' })
  const channels = inTime
    .keyBy((edit) => edit.channel)
    .window('per-channel', tumbling('5m'))
    .aggregate({ edits: count(), added: sum((edit) => edit.added), deleted: sum((edit) => edit.deleted) })
  const trending = inTime
    .keyBy((edit) => edit.page)
    .window('edits-per-page', hopping({ size: '1h', every: '10m' }))
    .aggregate({ edits: count() })
    .groupBy('top-pages', () => 'all')
    .aggregate({ pages: top(5, (page) => page.edits, { ties: (page) => page.key }) })
  const editors = inTime
    .filter((edit) => !edit.isRobot)
    .keyBy((edit) => edit.user)
    .window('sessions', session('10m'))
    .aggregate({ edits: count(), delta: sum((edit) => edit.delta) })

  const impatient = stream(edits, { eventTime: (edit) => edit.time }).keyBy(() => 'all')
  const accepted = (tolerance: Duration) =>
    impatient.window(`accepted-${tolerance}`, tumbling('1m'), { allowedLateness: tolerance }).count()
  const [within0, within30, within60, within120] = [
    accepted('0s'),
    accepted('30s'),
    accepted('60s'),
    accepted('120s'),
  ]

  return app('wikipedia', {
    load: stream(jsonl(input, Edit)).to(edits),
    perChannel: channels.final().to(perChannel),
    topPages: trending.final().to(topPages),
    sessions: editors.final().to(sessions),
    trending: view(trending.final()),
    editors: view(editors.updates()),
    accepted0: within0.final().to(acceptedAt('0s')),
    late0: within0.late().to(lateAt('0s')),
    accepted30: within30.final().to(acceptedAt('30s')),
    late30: within30.late().to(lateAt('30s')),
    accepted60: within60.final().to(acceptedAt('60s')),
    late60: within60.late().to(lateAt('60s')),
    accepted120: within120.final().to(acceptedAt('120s')),
    late120: within120.late().to(lateAt('120s')),
  })
})
