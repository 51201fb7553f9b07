import { MillraceError, messageOf } from '../base/errors.ts'
import type { HandedRecord, PartitionFeed, Show } from '../clients/partition-feed.ts'
import type { TopicSpec } from '../flow/graph/plan.ts'
import type { Serde, TextSource } from '../record/serde.ts'
import { bytesSource } from '../record/text-source.ts'
import type { LogRecord } from '../streams/log-record.ts'

export type ShownRecord = LogRecord<unknown, unknown>

/** Decodes records where they lie in their batch: much faster than one that stands alone. */
export function showing(specs: ReadonlyMap<string, TopicSpec>): Show<ShownRecord> {
  let last: PartitionFeed | undefined
  let spec: TopicSpec | undefined
  return (feed, reader) => {
    if (feed !== last) {
      last = feed
      spec = specs.get(feed.topic.name)
    }
    const { keySerde, valueSerde } = spec as TopicSpec
    const { offset, keyStart, keyEnd, valueStart, valueEnd } = reader
    const key =
      keyStart < 0 || keySerde === undefined
        ? null
        : decode(keySerde, reader, keyStart, keyEnd, feed, offset, 'key')
    const value =
      valueStart < 0 ? null : decode(valueSerde, reader, valueStart, valueEnd, feed, offset, 'value')
    return {
      key,
      value,
      timestamp: reader.timestamp,
      headers: reader.headers(),
      topic: feed.topic.name,
      partition: feed.partition,
      offset,
    }
  }
}

/** The same of a record that was taken alone. */
export function shownRecord(
  { keySerde, valueSerde }: TopicSpec,
  { feed, record }: HandedRecord,
): ShownRecord {
  const { key, value, timestamp, headers, offset } = record
  return {
    key:
      key === null || keySerde === undefined
        ? null
        : decode(keySerde, bytesSource(key), 0, key.length, feed, offset, 'key'),
    value:
      value === null ? null : decode(valueSerde, bytesSource(value), 0, value.length, feed, offset, 'value'),
    timestamp,
    headers,
    topic: feed.topic.name,
    partition: feed.partition,
    offset,
  }
}

/** @throws MillraceError MILLRACE_INVALID_RECORD, with the place of the record. */
function decode(
  serde: Serde<unknown>,
  source: TextSource,
  start: number,
  end: number,
  { name }: PartitionFeed,
  offset: number,
  part: 'key' | 'value',
): unknown {
  try {
    return serde.decode(source, start, end)
  } catch (error) {
    const problem = `the ${part} of ${name}@${offset} cannot be read: ${messageOf(error)}`
    const way = "correct the topic's serde, or pass the record by a reset of the group (shift: 1)"
    throw new MillraceError('MILLRACE_INVALID_RECORD', `${problem}; ${way}`, { cause: error })
  }
}
