import type { PartitionId } from '../base/brands.ts'
import { MillraceError, messageOf } from '../base/errors.ts'
import type { HandedRecord, PartitionFeed, Show } from '../clients/partition-feed.ts'
import type { TopicSpec } from '../flow/graph/plan.ts'
import type { StoredRecord } from '../record/record.ts'
import type { Serde, TextSource } from '../record/serde.ts'
import { bytesSource } from '../record/text-source.ts'
import type { LogRecord } from '../streams/log-record.ts'
import type { RawRecord } from './topic-reader.ts'

export type ShownRecord = LogRecord<unknown, unknown>

/** Where a record is from. */
interface Place {
  readonly topic: { readonly name: string }
  readonly partition: PartitionId
}

/** What to do about a record that cannot be read. */
const PASS_IN_GROUP = 'pass the record by a reset of the group (shift: 1)'
const PASS_IN_READ = 'read from a later offset'

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
export function shownRecord(spec: TopicSpec, { feed, record }: HandedRecord): ShownRecord {
  return shown(spec, feed, record, PASS_IN_GROUP)
}

/** The same of a record that nobody has in hand. */
export function readRecord(spec: TopicSpec, record: RawRecord): ShownRecord {
  return shown(spec, { topic: spec, partition: record.partition }, record, PASS_IN_READ)
}

function shown(
  { keySerde, valueSerde }: TopicSpec,
  place: Place,
  { key, value, timestamp, headers, offset }: StoredRecord,
  way: string,
): ShownRecord {
  return {
    key:
      key === null || keySerde === undefined
        ? null
        : decode(keySerde, bytesSource(key), 0, key.length, place, offset, 'key', way),
    value:
      value === null
        ? null
        : decode(valueSerde, bytesSource(value), 0, value.length, place, offset, 'value', way),
    timestamp,
    headers,
    topic: place.topic.name,
    partition: place.partition,
    offset,
  }
}

/** @throws MillraceError MILLRACE_INVALID_RECORD, with the place of the record. */
function decode(
  serde: Serde<unknown>,
  source: TextSource,
  start: number,
  end: number,
  { topic, partition }: Place,
  offset: number,
  part: 'key' | 'value',
  way = PASS_IN_GROUP,
): unknown {
  try {
    return serde.decode(source, start, end)
  } catch (error) {
    const problem = `the ${part} of ${topic.name}-${partition}@${offset} cannot be read: ${messageOf(error)}`
    const message = `${problem}; correct the topic's serde, or ${way}`
    throw new MillraceError('MILLRACE_INVALID_RECORD', message, { cause: error })
  }
}
