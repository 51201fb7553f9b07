import { type Duration, durationMs } from '../base/duration.ts'
import { MillraceError } from '../base/errors.ts'
import type { ConnectorSourceNode, RecordFunction, StreamNode, TopicSourceNode } from '../flow/graph/plan.ts'
import type { Key } from '../record/key-codec.ts'
import { carriedBy } from './carried.ts'
import type { Source } from './seams.ts'
import type { KeyedStream, Stream } from './stream.ts'
import { StreamBuilder } from './stream-builder.ts'
import type { StreamRecord } from './user-function.ts'

/** How event time is read from a source. */
export interface StreamOptions<K, V> {
  /**
   * When a value happened: milliseconds since the epoch, a `Date`, or an ISO text. Anything else is a bad record,
   * which `onError` decides about. Default: the record's own timestamp.
   */
  readonly eventTime?: (value: V, record: StreamRecord<K, V>) => number | Date | string
  /** How much older than the newest one before it a record may be without being late. Default 0. */
  readonly outOfOrderness?: Duration
  /**
   * A partition that was read to its end and quiet for so long no longer holds back the windows; `false`: it always
   * does. Default '30s'. For topics only: a file ends.
   */
  readonly idleAfter?: Duration | false
  /**
   * Records of several partitions and topics that meet are taken in the order of their times. A partition that was read
   * to its end is waited for so long before the others go on without it: longer means fewer late records and a later
   * result. Default 0: only while there is more to read. For topics only.
   */
  readonly maxTaskIdle?: Duration
}

/** A stream with a key where the source has one. */
export type StreamOf<K, V> = [K] extends [Key] ? KeyedStream<K, V> : Stream<V>

const IDLE_AFTER: Duration = '30s'

/**
 * The records of a topic or a file as a stream; of a topic with a key, as a keyed stream.
 *
 * @throws MillraceError MILLRACE_INVALID_PLAN for what cannot be read, MILLRACE_INVALID_ARGUMENT for a wrong duration.
 * @example
 * const visits = stream(clicks, { eventTime: (click) => click.at, outOfOrderness: '10s' })
 */
export function stream<K, V>(source: Source<K, V>, options: StreamOptions<K, V> = {}): StreamOf<K, V> {
  const { topic, connector } = carriedBy(source)
  const time = {
    eventTime: eventTimeOf(options),
    outOfOrdernessMs: durationMs(options.outOfOrderness ?? 0, '`outOfOrderness`'),
  }
  if (topic !== undefined) {
    const idleAfterMs =
      options.idleAfter === false ? false : durationMs(options.idleAfter ?? IDLE_AFTER, '`idleAfter`')
    const maxTaskIdleMs = durationMs(options.maxTaskIdle ?? 0, '`maxTaskIdle`')
    const waits = maxTaskIdleMs === 0 ? {} : { maxTaskIdleMs }
    const node: TopicSourceNode = { kind: 'topicSource', topic, ...time, idleAfterMs, ...waits }
    return facing(Object.freeze(node), topic.keySerde !== undefined)
  }
  if (connector?.source === undefined) {
    throw invalid('stream(source) takes a topic(...) or a file such as lines(path)')
  }
  if (options.idleAfter !== undefined || options.maxTaskIdle !== undefined)
    throw invalid('`idleAfter` and `maxTaskIdle` are for topics: a file has no pauses, it ends')
  const node: ConnectorSourceNode = { kind: 'connectorSource', source: connector.source, ...time }
  return facing(Object.freeze(node), false)
}

function eventTimeOf<K, V>(options: StreamOptions<K, V>): RecordFunction<unknown> | undefined {
  const { eventTime } = options
  if (eventTime === undefined) return undefined
  // The engine calls it with what the topic's serde made, which is what its schema says.
  if (typeof eventTime === 'function') return eventTime as unknown as RecordFunction<unknown>
  throw invalid('`eventTime` is a function of the value: (click) => click.at')
}

/** The typed face of a stream: the builder does what the interfaces say, with the types gone. */
function facing<K, V>(node: StreamNode, keyed: boolean): StreamOf<K, V> {
  return new StreamBuilder(node, keyed) as unknown as StreamOf<K, V>
}

function invalid(message: string): MillraceError {
  return new MillraceError('MILLRACE_INVALID_PLAN', message)
}
