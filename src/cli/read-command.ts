import { MillraceError } from '../base/errors.ts'
import { bytes } from '../record/serdes.ts'
import { OpenLog } from '../run/open.ts'
import { readRecords } from '../run/topic-reader.ts'
import { parseFrom, recordJson } from '../serve/http/record-json.ts'
import { topic } from '../streams/topic.ts'
import { type Output, written } from './output.ts'
import { ask, openTarget } from './target.ts'
import { knownTopic } from './topic-commands.ts'

interface ReadCommandOptions {
  readonly at: string
  readonly from: string
  readonly partition?: number
  readonly limit?: number
  readonly follow?: true
  readonly group?: string
}

/** Keys as they are: nobody here knows how the topic's are written. */
const RAW_KEY = { ...bytes(), format: 'key' as const }
/** How often a reader that does not follow looks whether it has caught up. */
const LOOK_MS = 20

/** `millrace read TOPIC`: JSON lines, for people and pipes alike. */
export async function read(name: string, options: ReadCommandOptions, output: Output): Promise<void> {
  const stopping = new AbortController()
  process.once('SIGINT', () => stopping.abort())
  if (options.group !== undefined) {
    await readAsMember(name, options.group, options, output, stopping.signal)
    return
  }
  const signal = AbortSignal.any([stopping.signal, output.gone])
  await using target = await openTarget(options.at)
  if (target.url !== undefined) {
    await readFromApp(target.url, name, options, output, signal)
    return
  }
  const { limit = Number.POSITIVE_INFINITY, partition } = options
  let count = 0
  const readOptions = {
    from: parseFrom(options.from),
    follow: options.follow === true,
    signal,
    ...(partition === undefined ? {} : { partition }),
  }
  const records = readRecords(target.sys, target.broker, knownTopic(target.broker, name), readOptions)
  for await (const record of records) {
    output.write(`${JSON.stringify(recordJson(record, undefined))}\n`)
    count += 1
    if (count >= limit) break
  }
}

/** As a member of a group: what is printed counts as read. */
async function readAsMember(
  name: string,
  group: string,
  options: ReadCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  if (options.partition !== undefined) {
    const problem = 'a group gives out partitions itself: leave out --partition, or --group'
    throw new MillraceError('MILLRACE_INVALID_ARGUMENT', problem)
  }
  if (options.from !== 'earliest' && options.from !== 'latest') {
    const way = `set it with \`millrace group reset ${group} --to ${options.from}\``
    const problem = `--from ${options.from}: a group reads from its own positions: ${way}; earliest and latest say where it begins without any`
    throw new MillraceError('MILLRACE_INVALID_ARGUMENT', problem)
  }
  await using target = await openTarget(options.at)
  knownTopic(target.broker, name)
  const log = new OpenLog(target.sys, target.broker)
  const topics = [topic(name, { key: RAW_KEY, value: bytes() })]
  const consumer = log.consumer({ group, topics, ifNone: options.from, client: 'millrace-read', signal })
  const { limit = Number.POSITIVE_INFINITY } = options
  let count = 0
  let over = false
  const look = (): void => {
    if (consumer.lag() === 0) void consumer.close()
    else if (!over) target.sys.timers.after(LOOK_MS, look)
  }
  if (options.follow !== true) look()
  try {
    await consumer.run(async (record) => {
      if (count >= limit) return
      count += 1
      await written(output, `${JSON.stringify(recordJson(record, undefined))}\n`)
      // What comes after it is not read: the position stays behind this record.
      if (count >= limit) void consumer.close()
    })
  } catch (error) {
    // What could not be printed is not read.
    if (!output.gone.aborted) throw error
  } finally {
    over = true
  }
}

/** An app knows the keys of its topics, which are more than texts: it shows the records as it reads them. */
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
