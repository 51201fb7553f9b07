import type { Timestamp } from '../base/brands.ts'
import { MillraceError } from '../base/errors.ts'
import type { RecordData, RecordHeader } from '../record/record.ts'
import { type Topic, topicSpecOf } from '../streams/topic.ts'

/** What may be said of a record that is sent, beside its value. */
export interface SendOptions {
  /** Milliseconds since the epoch. Default: now. */
  readonly timestamp?: number
  readonly headers?: readonly RecordHeader[]
  /** Default: by the key; without one a partition after the other, a batch each. */
  readonly partition?: number
}

/** The key must be given where the topic has one. */
export type SendArguments<K> = [K] extends [null]
  ? [options?: SendOptions]
  : [options: SendOptions & { readonly key: K }]

/** A record as bytes. @throws what the topic's serdes throw; MILLRACE_BAD_TIMESTAMP. */
export function encodeRecord<K, Out, In>(
  topic: Topic<K, Out, In>,
  value: In | null,
  options: SendOptions & { readonly key?: K },
  now: Timestamp,
): RecordData {
  const { keySerde, valueSerde } = topicSpecOf(topic)
  const { timestamp = now } = options
  if (!Number.isSafeInteger(timestamp)) {
    const problem = `the timestamp of a record for ${topic.name} is ${timestamp}`
    const way = 'give whole milliseconds since the epoch, such as Date.now(), or leave it out'
    throw new MillraceError('MILLRACE_BAD_TIMESTAMP', `${problem}: ${way}`)
  }
  return {
    key: keySerde === undefined ? null : keySerde.encode(options.key),
    value: value === null ? null : valueSerde.encode(value),
    timestamp,
    headers: options.headers ?? [],
  }
}
