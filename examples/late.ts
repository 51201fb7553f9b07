/**
 * Late data is a stream too: clicks per user and minute, kept up to date, and the clicks that came too late for it.
 */
import { app, count, stream, text, topic, tumbling, view } from 'millrace'
import { z } from 'zod'

const Click = z.object({ user: z.string(), page: z.string(), at: z.number() })
const Minute = z.object({
  key: z.string(),
  window: z.object({ start: z.number(), end: z.number() }),
  clicks: z.number(),
})
export const clickEvents = topic('click-events', { value: Click })
export const lateClicks = topic('late-clicks', { key: text(), value: Click })
export const minuteRows = topic('minutes', { key: text(), value: Minute })

const clicks = stream(clickEvents, { eventTime: (click) => click.at, outOfOrderness: '5s' })
const perMinute = clicks
  .keyBy((click) => click.user)
  .window('per-minute', tumbling('1m'), { allowedLateness: '30s' })
  .aggregate({ clicks: count() })
export default app('minutes', {
  minutes: view(perMinute.updates(), { retention: '7d' }), // by [user, window start]: every change
  final: perMinute.final().to(minuteRows), // by user: { key, window, clicks }, once each
  late: perMinute.late().to(lateClicks), // the clicks that came too late: route them, count them, keep them
})
