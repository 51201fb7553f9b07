import { z } from 'zod'

/** One line of a web server's log. */
export const Request = z.object({
  ip: z.string(),
  /** Milliseconds since the epoch. */
  at: z.number(),
  method: z.string(),
  /** The request target before its `?`. */
  path: z.string(),
  status: z.number(),
  /** 0 where the log has `-`. */
  bytes: z.number(),
})
export type Request = z.infer<typeof Request>

// host ident user [day/month/year:hour:minute:second zone] "request" status bytes
const COMBINED =
  /^(\S+) \S+ \S+ \[(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-)/

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Reads a line of Apache's combined (or common) format. Throws for anything else, with the line's beginning. */
export function parseRequest(line: string): Request {
  const match = COMBINED.exec(line)
  if (match === null) throw new Error(`not a line of the combined log format: ${line.slice(0, 80)}`)
  const [
    ,
    ip = '',
    day,
    month = '',
    year,
    hour,
    minute,
    second,
    sign,
    zoneHours,
    zoneMinutes,
    request = '',
    status,
    bytes,
  ] = match
  const monthIndex = MONTHS.indexOf(month)
  if (monthIndex < 0) throw new Error(`no month of that name: ${month}`)
  const zone = (Number(zoneHours) * 60 + Number(zoneMinutes)) * 60_000 * (sign === '-' ? -1 : 1)
  const local = Date.UTC(Number(year), monthIndex, Number(day), Number(hour), Number(minute), Number(second))
  const [method = '', target = ''] = request.split(' ')
  return {
    ip,
    at: local - zone,
    method,
    path: target.split('?', 1)[0] ?? '',
    status: Number(status),
    bytes: bytes === '-' ? 0 : Number(bytes),
  }
}
