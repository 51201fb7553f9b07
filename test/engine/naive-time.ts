/**
 * Event time, written down as the rules say it: a bounded watermark that moves after every record and never back.
 * For tests only; slow and obvious on purpose.
 */

/** A record as the generated histories have it. */
export interface Event {
  readonly key: string
  /** Ms since the epoch; may be negative. */
  readonly at: number
  readonly amount: number
}

/** What the watermark was before each event was taken, and what it is after it. */
export interface Timed {
  readonly event: Event
  readonly before: number
  readonly after: number
}

export function timed(events: readonly Event[], outOfOrderness: number): readonly Timed[] {
  let watermark = Number.NEGATIVE_INFINITY
  return events.map((event) => {
    const before = watermark
    watermark = Math.max(watermark, event.at - outOfOrderness - 1)
    return { event, before, after: watermark }
  })
}

/** Far behind every window of a generated history. */
export const END_OF_TEST = '1000d'
