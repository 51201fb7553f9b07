import type { DurationMs, Offset } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import type { HandedChunk, HandedRecord } from '../clients/partition-feed.ts'

/** What is in somebody's hands: a record, or a chunk of which one is. */
export type HandedWork = HandedRecord | HandedChunk<{ readonly offset: Offset }>

/** 'orders-0@17' */
export function placeOf(work: HandedWork): string {
  const offset = 'record' in work ? work.record.offset : work.records[work.done]?.offset
  return `${work.feed.name}@${offset}`
}

export function tooLong(work: HandedWork, limitMs: DurationMs): MillraceError {
  const problem = `the work on ${placeOf(work)} takes longer than ${limitMs} ms`
  const way = 'its partitions go to other members; do less at once, or raise maxProcessingTime'
  return new MillraceError('MILLRACE_TIMEOUT', `${problem}: ${way}`)
}

/** What ends a consumer must be something: without it, `run` would end as if all were well. */
export function nothingThrown(work: HandedWork): MillraceError {
  const problem = `the handler threw null or undefined at ${placeOf(work)}`
  return new MillraceError('MILLRACE_USER_FUNCTION', `${problem}: throw an Error that says why`)
}
