import { timeMs } from '../../base/duration.ts'
import { MillraceError } from '../../base/errors.ts'
import type { TopicSpec } from '../../flow/graph/plan.ts'
import type { Serde } from '../../record/serde.ts'
import type { ReadTopicOptions, TopicRecord } from './app-facade.ts'

const strictText = new TextDecoder('utf-8', { fatal: true })

/**
 * A record as people and pipes read it: what it says where the app knows the topic, else JSON where it is JSON, text
 * where it is UTF-8, and base64 with a mark where it is neither. A record that is not what its topic promises is shown,
 * not refused.
 */
export function recordJson(record: TopicRecord, spec: TopicSpec | undefined): object {
  const { partition, offset, timestamp, key, value, headers } = record
  return {
    partition,
    offset,
    timestamp,
    key: decoded(key, spec?.keySerde) ?? readable(key),
    value:
      (spec?.valueSerde.format === 'text' ? decoded(value, spec.valueSerde) : undefined) ?? readable(value),
    ...(headers.length === 0
      ? {}
      : { headers: headers.map((header) => [header.key, readable(header.value)]) }),
  }
}

/** Where to begin to read: a word, an offset, or a time. */
export function parseFrom(text: string): ReadTopicOptions['from'] {
  if (text === 'earliest' || text === 'latest') return text
  if (/^\d{1,15}$/.test(text)) return { offset: Number(text) }
  if (!Number.isNaN(Date.parse(text))) return { time: timeMs(text, 'from') }
  const expected = 'earliest, latest, an offset, or a time such as 2026-03-01T12:00:00Z'
  throw new MillraceError(
    'MILLRACE_INVALID_ARGUMENT',
    `from is ${JSON.stringify(text)}: expected ${expected}`,
  )
}

function decoded(bytes: Uint8Array | null, serde: Serde<unknown> | undefined): unknown {
  if (bytes === null || serde === undefined) return undefined
  const text = (start: number, end: number): string =>
    Buffer.from(bytes.subarray(start, end)).toString('utf8')
  try {
    const value = serde.decode({ bytes, text }, 0, bytes.length)
    return value instanceof Uint8Array ? undefined : value
  } catch {
    return undefined
  }
}

function readable(bytes: Uint8Array | null): unknown {
  if (bytes === null) return null
  let text: string
  try {
    text = strictText.decode(bytes)
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') }
  }
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
