/**
 * Files in, files out: a compressed log is loaded exactly once, and the requests per status go to a file of JSON lines.
 *
 *   npx millrace run examples/files.ts --until-end
 */
import { app, stream, topic, tumbling } from 'millrace'
import { jsonl, lines } from 'millrace/files'
import { z } from 'zod'

const Request = z.object({ at: z.number(), status: z.number() })
const StatusRow = z.object({
  key: z.number(),
  window: z.object({ start: z.number(), end: z.number() }),
  count: z.number(),
})
export const requests = topic('requests', { value: Request })

function parse(line: string): z.infer<typeof Request> | null {
  const [time, status] = line.split(' ')
  return time === undefined || status === undefined ? null : { at: Date.parse(time), status: Number(status) }
}

export default app('access-log', {
  load: stream(lines('access.log.gz'))
    .map(parse)
    .filter((request) => request !== null)
    .to(requests), // exactly once, by position
  perStatus: stream(requests, { eventTime: (request) => request.at, outOfOrderness: '60s' })
    .keyBy((request) => request.status)
    .window('per-status', tumbling('5m'))
    .count()
    .final()
    .to(jsonl('per-status.jsonl', StatusRow)),
})
