import { readRecords } from '../run/topic-reader.ts'
import { parseFrom, recordJson } from '../serve/http/record-json.ts'
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
  const records = readRecords(target.sys, target.broker, knownTopic(target.broker, name), readOptions)
  for await (const record of records) {
    output.write(`${JSON.stringify(recordJson(record, undefined))}\n`)
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
  const response = await ask(url, `/topics/${encodeURIComponent(name)}/records?${query.toString()}`, {
    signal,
  })
  const decoder = new TextDecoder()
  try {
    for await (const chunk of response.body ?? [])
      output.write(decoder.decode(chunk as Uint8Array, { stream: true }))
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
