import { type Event, timed } from './naive-time.ts'
import { byEndThenKey } from './naive-windows.ts'

/**
 * Sessions by brute force: a session is the list of its events. Two of one key that touch, one gap apart included, are
 * one. A session includes its end, `last + gap`.
 */
export interface NaiveSession {
  readonly key: string
  readonly start: number
  readonly end: number
  readonly last: number
  readonly events: readonly Event[]
}

export interface NaiveSessionOutcome {
  /** By end; within one end by key. */
  readonly final: readonly NaiveSession[]
  readonly late: readonly Event[]
  /** What is there after all events, closed or not. */
  readonly all: readonly NaiveSession[]
}

export function naiveSessions(
  events: readonly Event[],
  settings: { readonly gap: number; readonly outOfOrderness: number; readonly allowedLateness: number },
): NaiveSessionOutcome {
  const { gap, outOfOrderness, allowedLateness } = settings
  let live: NaiveSession[] = []
  const final: NaiveSession[] = []
  const late: Event[] = []

  const close = (watermark: number): void => {
    const due = live.filter(({ end }) => end + allowedLateness <= watermark)
    live = live.filter((session) => !due.includes(session))
    final.push(...due.sort(byEndThenKey))
  }

  for (const { event, before, after } of timed(events, outOfOrderness)) {
    // Merged first, judged then: an event that is late alone may belong to a session that is not.
    const touching = live.filter(
      ({ key, start, last }) => key === event.key && event.at >= start - gap && event.at <= last + gap,
    )
    const merged = sessionOf([...touching.flatMap((session) => session.events), event], gap)
    if (merged.end + allowedLateness <= before) late.push(event)
    else live = [...live.filter((session) => !touching.includes(session)), merged]
    close(after)
  }
  const all = [...final, ...live].sort(byEndThenKey)
  close(Number.POSITIVE_INFINITY)
  return { final, late, all }
}

/** Sessions of events none of which is late: their times in order, cut wherever a pause is longer than the gap. */
export function sessionsInOrder(events: readonly Event[], gap: number): readonly NaiveSession[] {
  const sessions: NaiveSession[] = []
  for (const key of new Set(events.map((event) => event.key))) {
    let current: Event[] = []
    const sorted = events.filter((event) => event.key === key).sort((left, right) => left.at - right.at)
    for (const event of sorted) {
      const previous = current.at(-1)
      if (previous !== undefined && event.at - previous.at > gap) {
        sessions.push(sessionOf(current, gap))
        current = []
      }
      current.push(event)
    }
    sessions.push(sessionOf(current, gap))
  }
  return sessions.sort(byEndThenKey)
}

function sessionOf(events: readonly Event[], gap: number): NaiveSession {
  const times = events.map(({ at }) => at)
  const last = Math.max(...times)
  return { key: events[0]?.key ?? '', start: Math.min(...times), end: last + gap, last, events }
}
