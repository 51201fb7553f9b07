import { type Event, timed } from './naive-time.ts'

/**
 * Tumbling and hopping windows by brute force: every window keeps its events; a row is computed from all of them, from
 * the beginning, whenever it is asked for. No panes, no merging, no timers.
 */
export interface NaiveWindow {
  readonly key: string
  readonly start: number
  readonly end: number
  readonly events: readonly Event[]
}

export interface NaiveWindowing {
  readonly size: number
  readonly every: number
  readonly offset: number
  readonly outOfOrderness: number
  readonly allowedLateness: number
}

export interface NaiveOutcome {
  /** In the order in which they close: by end; within one end by key. */
  readonly final: readonly NaiveWindow[]
  /** The windows as they are after all events, closed or not. */
  readonly all: readonly NaiveWindow[]
  /** Events that no window took, in the order of arrival. */
  readonly late: readonly Event[]
  /** Windows that refused an event which another one took. */
  readonly refusedWindows: number
}

export function naiveWindows(events: readonly Event[], windowing: NaiveWindowing): NaiveOutcome {
  const { allowedLateness } = windowing
  const windows = new Map<string, { key: string; start: number; end: number; events: Event[] }>()
  const late: Event[] = []
  const closed = new Set<string>()
  const final: NaiveWindow[] = []
  let refusedWindows = 0

  const close = (watermark: number): void => {
    const due = [...windows.entries()].filter(
      ([id, { end }]) => !closed.has(id) && end - 1 + allowedLateness <= watermark,
    )
    for (const [id, window] of due.sort(([, left], [, right]) => byEndThenKey(left, right))) {
      closed.add(id)
      final.push({ ...window, events: [...window.events] })
    }
  }

  for (const { event, before, after } of timed(events, windowing.outOfOrderness)) {
    const starts = startsOf(event.at, windowing)
    const open = starts.filter((start) => !(start + windowing.size - 1 + allowedLateness <= before))
    if (open.length === 0) late.push(event)
    else refusedWindows += starts.length - open.length
    for (const start of open) {
      const id = `${event.key} ${start}`
      const window = windows.get(id) ?? { key: event.key, start, end: start + windowing.size, events: [] }
      window.events.push(event)
      windows.set(id, window)
    }
    close(after)
  }
  close(Number.POSITIVE_INFINITY)
  return { final, all: [...windows.values()].sort(byEndThenKey), late, refusedWindows }
}

/** Every start `s = offset + n * every` with `s <= at < s + size`, the earliest first. */
function startsOf(at: number, { size, every, offset }: NaiveWindowing): readonly number[] {
  const starts: number[] = []
  const last = offset + Math.floor((at - offset) / every) * every
  for (let start = last; start + size > at; start -= every) starts.unshift(start)
  return starts
}

export function byEndThenKey(
  left: { readonly end: number; readonly key: string },
  right: { readonly end: number; readonly key: string },
): number {
  if (left.end !== right.end) return left.end - right.end
  return left.key < right.key ? -1 : left.key > right.key ? 1 : 0
}
