import { type Duration, durationMs } from '../base/duration.ts'
import { MillraceError } from '../base/errors.ts'
import type { WindowSpec } from '../flow/graph/window-spec.ts'
import { carriedBy, carry } from './carried.ts'
import type { windowShape } from './markers.ts'

/** The window of a row: `[start, end)` in milliseconds since the epoch. */
export interface Window {
  readonly start: number
  readonly end: number
}

/** The window of a session includes its end: `end` is the time of the last event plus the gap. */
export interface SessionWindow extends Window {
  readonly lastEvent: number
}

/** How a stream is cut into windows: what `tumbling`, `hopping` and `session` return. */
export interface Windows<out W extends Window> {
  readonly [windowShape]: W
}

/**
 * Windows of one size, one after the other, aligned to the epoch: `tumbling('1h')` begins at full hours (UTC).
 *
 * @param size length of a window, longer than 0.
 * @param options `offset` shifts where windows begin: `tumbling('1d', { offset: '22h' })`.
 * @throws MillraceError MILLRACE_INVALID_ARGUMENT for a duration that is none.
 * @example
 * clicks.keyBy((click) => click.user).window('per-minute', tumbling('1m')).count()
 */
export function tumbling(size: Duration, options: { readonly offset?: Duration } = {}): Windows<Window> {
  const sizeMs = positive('the size of a tumbling window', size)
  return windowsOf({
    kind: 'tumbling',
    sizeMs,
    offsetMs: durationMs(options.offset ?? 0, '`offset` of windows'),
  })
}

/**
 * Windows of one size that begin every `every`, so that they overlap: each record is in `size / every` of them.
 *
 * @param options `size` of a window, `every` how often one begins (at most `size`), `offset` shifts where.
 * @throws MillraceError MILLRACE_INVALID_ARGUMENT when a duration is none, or `every` is longer than `size`: then
 *   records between two windows would be in none.
 * @example
 * visits.keyBy((visit) => visit.page).window('last-hour', hopping({ size: '1h', every: '5m' })).count()
 */
export function hopping(options: {
  readonly size: Duration
  readonly every: Duration
  readonly offset?: Duration
}): Windows<Window> {
  const sizeMs = positive('the size of a hopping window', options.size)
  const everyMs = positive('the step `every` of a hopping window', options.every)
  if (everyMs > sizeMs) {
    const problem = `hopping windows of ${options.size} that begin every ${options.every} leave gaps between them`
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `${problem}: \`every\` must not be longer than \`size\``,
    )
  }
  return windowsOf({
    kind: 'hopping',
    sizeMs,
    everyMs,
    offsetMs: durationMs(options.offset ?? 0, '`offset` of windows'),
  })
}

/**
 * Sessions: the records of a key with no pause longer than `gap` between them. Two records exactly one gap apart are
 * in one session. Its window begins at the first record and ends, inclusively, one gap after the last.
 *
 * @throws MillraceError MILLRACE_INVALID_ARGUMENT for a duration that is none, or 0.
 * @example
 * requests.keyBy((request) => request.ip).window('sessions', session('30m')).aggregate({ hits: count() })
 */
export function session(gap: Duration): Windows<SessionWindow> {
  return windowsOf({ kind: 'session', gapMs: positive('the gap of a session', gap) })
}

/** The plan's form of windows. */
export function windowSpecOf(value: Windows<Window>): WindowSpec {
  const { windows } = carriedBy(value)
  if (windows !== undefined) return windows
  const expected = "tumbling('5m'), hopping({ size: '1h', every: '5m' }) or session('30m')"
  throw new MillraceError(
    'MILLRACE_INVALID_PLAN',
    `.window(name, windows) takes ${expected} as its second argument`,
  )
}

function windowsOf<W extends Window>(spec: WindowSpec): Windows<W> {
  return carry({}, { windows: Object.freeze(spec) }) as Windows<W>
}

function positive(what: string, duration: Duration): number {
  const value = durationMs(duration, what)
  if (value > 0) return value
  throw new MillraceError(
    'MILLRACE_INVALID_ARGUMENT',
    `${what} must be longer than 0, not ${JSON.stringify(duration)}`,
  )
}
