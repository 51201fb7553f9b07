import type { Offset, Timestamp } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import type { Answer, Broker, TopicDescription } from '../broker/broker.ts'

/** Where a consumer begins in a partition that it is given for the first time. */
export type StartFrom =
  | 'committed'
  | 'earliest'
  | 'latest'
  | { readonly time: Timestamp }
  | { readonly offset: Offset }

/** What to do where there is no position, or none that the log still has. */
export type Fallback = 'earliest' | 'latest' | 'fail'

export interface StartPolicy {
  readonly group: string
  readonly from: StartFrom
  /** The group never committed a position there. */
  readonly ifNone: Fallback
  /** The position lies outside what the log has: retention passed it, or the topic was made anew. */
  readonly ifOutOfRange: Fallback
}

/**
 * Where to begin reading.
 * @param committed the group's position; undefined: it has none.
 * Errors: MILLRACE_NO_POSITION, MILLRACE_OFFSET_OUT_OF_RANGE.
 */
export function startOffset(
  broker: Broker,
  policy: StartPolicy,
  topic: TopicDescription,
  partition: number,
  committed: Offset | undefined,
  answer: Answer<Offset>,
): void {
  const { from, ifNone, ifOutOfRange, group } = policy
  const { start, lastStable, end } = broker.bounds(topic.id, partition)
  const where = `${topic.name}-${partition}`
  const fall = (fallback: Fallback, error: () => MillraceError): void => {
    if (fallback === 'fail') answer(error(), undefined)
    else answer(undefined, fallback === 'earliest' ? start : lastStable)
  }
  const checked = (offset: Offset, whose: string): void => {
    if (offset >= start && offset <= end) answer(undefined, offset)
    else {
      fall(ifOutOfRange, () => {
        const problem = `${whose} in ${where} is ${offset}, but the log holds ${start} to ${end}`
        const way = `reset the group (millrace group reset ${group} --to earliest), or set ifOutOfRange`
        return new MillraceError('MILLRACE_OFFSET_OUT_OF_RANGE', `${problem}: ${way}`)
      })
    }
  }
  if (from === 'earliest') answer(undefined, start)
  else if (from === 'latest') answer(undefined, lastStable)
  else if (from !== 'committed' && 'time' in from)
    broker.offsetForTime(topic.id, partition, from.time, answer)
  else if (from !== 'committed') checked(from.offset, 'the wanted offset')
  else if (committed !== undefined) checked(committed, `the position of group ${group}`)
  else {
    fall(ifNone, () => {
      const problem = `group ${group} has no position in ${where}, and ifNone is 'fail'`
      const way = `set ifNone to 'earliest' or 'latest', or give it one (millrace group reset ${group} --to earliest)`
      return new MillraceError('MILLRACE_NO_POSITION', `${problem}: ${way}`)
    })
  }
}
