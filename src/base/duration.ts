import type { DurationMs, Timestamp } from './brands.ts'
import { MillraceError } from './errors.ts'
import { parseIsoTime } from './iso-time.ts'

/** Milliseconds in each unit of a {@link Duration}. */
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `ms` milliseconds, `s` seconds, `m` minutes, `h` hours, `d` days of 24 hours. */
export type DurationUnit = keyof typeof UNIT_MS

/**
 * A length of time: a number of milliseconds, or a number with its unit: `'100ms'`, `'10s'`, `'5m'`, `'1.5h'`, `'7d'`.
 * A wrong unit is a type error. What the type cannot see (a sign, an exponent, a leading zero) is refused with a clear
 * error when the plan is built.
 *
 * @example
 * const window = tumbling('5m')
 * const same = tumbling(300_000)
 */
export type Duration = number | `${number}${DurationUnit}`

const DURATION = /^(0|[1-9]\d*)(?:\.(\d+))?(ms|s|m|h|d)$/

/**
 * The milliseconds of a duration, also of one that comes from configuration as plain text.
 *
 * @throws MillraceError MILLRACE_INVALID_ARGUMENT when it is no duration, negative, or no whole number of milliseconds.
 * @example
 * ms('1.5h')                              // 5_400_000
 * ms(process.env['GAP'] ?? '30m')
 */
export function ms(duration: Duration | (string & {})): DurationMs {
  const value = durationOf(duration)
  if (Number.isNaN(value)) throw noDuration(duration)
  return value
}

/** As {@link ms}, for a setting: the error begins with its name. */
export function durationMs(duration: Duration | (string & {}), what: string): DurationMs {
  const value = durationOf(duration)
  if (Number.isNaN(value)) throw noDuration(duration, what)
  return value
}

/**
 * The milliseconds since the epoch of a point in time: a whole number, a `Date`, or an ISO string such as
 * `'2026-03-01'` or `'2026-03-01T12:00:00Z'`.
 *
 * @param what names the setting or field in the error.
 * @throws MillraceError MILLRACE_BAD_TIMESTAMP
 */
export function timeMs(time: number | Date | string, what: string): Timestamp {
  const value = timeOf(time)
  // Adding 0 makes -0 a plain 0: keys and comparisons by Object.is must not see two of them.
  if (Number.isSafeInteger(value)) return value + 0
  const shown = typeof time === 'string' ? JSON.stringify(time) : String(time)
  throw new MillraceError(
    'MILLRACE_BAD_TIMESTAMP',
    `${what}: ${shown} is no point in time: expected a whole number of milliseconds since 1970, a Date, or an ISO ` +
      `string with its zone such as '2026-03-01T12:00:00Z' or '2026-03-01'`,
  )
}

function timeOf(time: unknown): number {
  if (typeof time === 'number') return time
  if (typeof time === 'string') return parseIsoTime(time)
  return time instanceof Date ? time.getTime() : Number.NaN
}

/** NaN for what is no duration. */
function durationOf(duration: unknown): number {
  const value = typeof duration === 'number' ? duration : parse(duration)
  return Number.isSafeInteger(value) && value >= 0 ? value + 0 : Number.NaN
}

function noDuration(duration: unknown, what?: string): MillraceError {
  // JSON has no NaN or Infinity, so numbers are shown as they are.
  const shown = typeof duration === 'string' ? JSON.stringify(duration) : String(duration)
  return new MillraceError(
    'MILLRACE_INVALID_ARGUMENT',
    `${what === undefined ? '' : `${what}: `}${shown} is no duration: expected a whole number of milliseconds that is ` +
      `not negative, or a number with a unit (ms, s, m, h, d) such as '100ms', '10s', '5m', '1.5h' or '7d'`,
  )
}

/**
 * NaN for anything else. The fraction is scaled as digits, not multiplied as a float: 1.1 * 60_000 is not whole.
 */
function parse(text: unknown): number {
  const match = typeof text === 'string' ? DURATION.exec(text) : null
  if (match === null) return Number.NaN
  const [, whole = '', fraction = '', unit] = match
  const scale = UNIT_MS[unit as DurationUnit]
  const fractionMs = (Number(fraction === '' ? '0' : fraction) * scale) / 10 ** fraction.length
  return Number(whole) * scale + fractionMs
}
