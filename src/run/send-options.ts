import type { Timestamp } from '../base/brands.ts'
import { isMillraceError, MillraceError } from '../base/errors.ts'
import { shownValue } from '../base/shown-value.ts'
import { NO_HEADERS, type RecordData, type RecordHeader } from '../record/record.ts'
import type { Serde } from '../record/serde.ts'
import { type Topic, topicSpecOf } from '../streams/topic.ts'
import { areOptions, wrong } from './argument-checks.ts'

const HEADERS_EXPECTED = "a list of { key: 'name', value: bytes or null }"

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
  if (!areOptions(options))
    throw wrong(`what is said of a record for ${topic.name}`, options, 'an object, such as { timestamp }')
  const { timestamp = now, headers = NO_HEADERS } = options
  if (!Number.isSafeInteger(timestamp)) {
    const problem = `the timestamp of a record for ${topic.name} is ${shownValue(timestamp)}`
    const way = 'give whole milliseconds since the epoch, such as Date.now(), or leave it out'
    throw new MillraceError('MILLRACE_BAD_TIMESTAMP', `${problem}: ${way}`)
  }
  if (headers !== NO_HEADERS) checkHeaders(headers, topic.name)
  return {
    key: keySerde === undefined ? null : encoded(keySerde, options.key, 'key', topic.name),
    value: value === null ? null : encoded(valueSerde, value, 'value', topic.name),
    timestamp,
    headers,
  }
}

function encoded(serde: Serde<unknown>, value: unknown, what: string, topic: string): Uint8Array {
  try {
    return serde.encode(value)
  } catch (error) {
    // What a schema of the user throws is the user's.
    if (!isMillraceError(error)) throw error
    const problem = `the ${what} of a record for ${topic}: ${error.message}`
    throw new MillraceError(error.code, problem, { cause: error })
  }
}

/** A header of another shape would be written as something else, or fail in the middle of a batch. */
function checkHeaders(headers: unknown, topic: string): void {
  const where = `the headers of a record for ${topic}`
  if (!Array.isArray(headers)) throw wrong(where, headers, HEADERS_EXPECTED)
  for (const header of headers as readonly Partial<RecordHeader>[]) {
    const isRight =
      typeof header === 'object' &&
      typeof header?.key === 'string' &&
      (header.value === null || header.value instanceof Uint8Array)
    if (isRight) continue
    const shown =
      typeof header === 'object' && header !== null
        ? `{ key: ${shownValue(header.key)}, value: ${shownValue(header.value)} }`
        : shownValue(header)
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `${where} hold ${shown}, expected ${HEADERS_EXPECTED}`,
    )
  }
}
