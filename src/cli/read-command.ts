import { MillraceError } from '../base/errors.ts'
import { type From, type RawRecord, readRecords } from '../run/topic-reader.ts'
import type { Output } from './output.ts'
import { ask, openTarget } from './target.ts'
import { disposable, knownTopic } from './topic-commands.ts'

interface ReadCommandOptions {
  readonly at: string
  readonly from: string
  readonly partition?: number
  readonly limit?: number
  readonly follow?: true
}

/** `millrace read TOPIC`: JSON lines, for people and pipes alike. */
export async function read(name: string, options: ReadCommandOptions, output: Output): Promise<void> {
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  await using target = disposable(openTarget(options.at))
  if (target.kind === 'app') {
    await readFromApp(target.url, name, options, output, stopping.signal)
    return
  }
  const { limit = Number.POSITIVE_INFINITY, partition } = options
  let count = 0
  const readOptions = {
    from: parseFrom(options.from),
    follow: options.follow === true,
    signal: stopping.signal,
    ...(partition === undefined ? {} : { partition }),
  }
  for await (const record of readRecords(target.sys, target.broker, knownTopic(target.broker, name), readOptions)) {
    output.write(`${JSON.stringify(shown(record))}\n`)
    count += 1
    if (count >= limit) break
  }
}

async function readFromApp(
  url: string,
  name: string,
  options: ReadCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const query = new URLSearchParams({ from: options.from })
  if (options.partition !== undefined) query.set('partition', String(options.partition))
  if (options.limit !== undefined) query.set('limit', String(options.limit))
  if (options.follow === true) query.set('follow', 'true')
  const response = await ask(url, `/topics/${encodeURIComponent(name)}/records?${query}`, { signal })
  const decoder = new TextDecoder()
  try {
    for await (const chunk of response.body ?? []) output.write(decoder.decode(chunk as Uint8Array, { stream: true }))
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** An offset is a number; all else that is no word is a time. */
export function parseFrom(text: string): From {
  if (text === 'earliest' || text === 'latest') return text
  if (/^\d+$/.test(text)) return { offset: Number(text) }
  if (!Number.isNaN(Date.parse(text))) return { time: text }
  const expected = 'earliest, latest, an offset, or a time as 2026-03-01T12:00:00Z'
  throw new MillraceError('MILLRACE_INVALID_ARGUMENT', `--from takes ${expected}, not "${text}"`)
}

function shown(record: RawRecord): object {
  return {
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestamp,
    key: record.key === null ? null : readable(record.key),
    value: record.value === null ? null : readable(record.value),
    ...(record.headers.length === 0
      ? {}
      : { headers: record.headers.map(({ key, value }) => [key, value === null ? null : readable(value)]) }),
  }
}

/** JSON where it is JSON, text where it is UTF-8, else base64 with a mark. */
function readable(bytes: Uint8Array): unknown {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') }
  }
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
