import { answered } from '../base/answered.ts'
import { MillraceError } from '../base/errors.ts'
import type { Broker, TopicDescription } from '../broker/broker.ts'
import { type Format, formatFor, type Output, printRow, printRows, type Row } from './output.ts'
import { ask, openTarget, type Target } from './target.ts'

interface ListOptions {
  readonly at: string
  readonly format?: Format
  readonly internal?: true
}

/** `millrace topics` */
export async function listTopics(options: ListOptions, output: Output): Promise<void> {
  await using target = disposable(openTarget(options.at))
  const rows = await topicRows(target, options.internal === true)
  printRows(output, rows, formatFor(output, options.format))
}

/** `millrace topic describe NAME` */
export async function describeTopic(name: string, options: ListOptions, output: Output): Promise<void> {
  await using target = disposable(openTarget(options.at))
  if (target.kind === 'app') {
    const response = await ask(target.url, `/topics/${encodeURIComponent(name)}`)
    printRow(output, await response.json(), formatFor(output, options.format))
    return
  }
  const topic = knownTopic(target.broker, name)
  const partitions = Array.from({ length: topic.partitions }, (_, partition) => {
    const { start, end, leaderEpoch } = target.broker.bounds(topic.id, partition)
    return { partition, start, end, records: end - start, leaderEpoch }
  })
  const format = formatFor(output, options.format)
  if (format === 'table') printRows(output, partitions, format)
  else printRow(output, { ...topic, partitions }, format)
}

interface CreateOptions {
  readonly at: string
  readonly partitions: number
  readonly durability: string
}

/** `millrace topic create NAME` */
export async function createTopic(name: string, options: CreateOptions, output: Output): Promise<void> {
  const { durability, partitions } = options
  if (durability !== 'fsync' && durability !== 'os') {
    throw new MillraceError('MILLRACE_INVALID_ARGUMENT', `--durability is fsync or os, not ${durability}`)
  }
  await using target = disposable(openTarget(options.at))
  if (target.kind === 'app') {
    const body = JSON.stringify({ name, partitions, durability })
    await ask(target.url, '/topics', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
  } else {
    const { broker } = target
    await answered<TopicDescription>((answer) => broker.createTopic(name, { partitions, durability }, answer))
  }
  output.note(
    `created ${name} with ${partitions} partition${partitions === 1 ? '' : 's'}, durability ${durability}\n`,
  )
}

/** @throws MillraceError MILLRACE_UNKNOWN_TOPIC naming the topics that there are. */
export function knownTopic(broker: Broker, name: string): TopicDescription {
  const topic = broker.topic(name)
  if (topic !== undefined) return topic
  const names = broker.topics().flatMap((one) => (one.internal ? [] : [one.name]))
  const known = names.length === 0 ? 'there are none yet' : `there is: ${names.join(', ')}`
  const way = `make it with \`millrace topic create ${name}\``
  throw new MillraceError('MILLRACE_UNKNOWN_TOPIC', `there is no topic ${name}; ${known}; ${way}`)
}

async function topicRows(target: Target, internal: boolean): Promise<readonly Row[]> {
  if (target.kind === 'app') {
    const response = await ask(target.url, `/topics${internal ? '?internal=true' : ''}`)
    return (await response.json()) as Row[]
  }
  const { broker } = target
  return broker
    .topics()
    .filter((topic) => internal || !topic.internal)
    .map((topic) => {
      let records = 0
      for (let partition = 0; partition < topic.partitions; partition++) {
        const { start, end } = broker.bounds(topic.id, partition)
        records += end - start
      }
      return { name: topic.name, partitions: topic.partitions, records, durability: topic.durability }
    })
}

/** Closes a target at the end of its block. */
export function disposable<T extends Target>(target: T): T & AsyncDisposable {
  return Object.assign(target, { [Symbol.asyncDispose]: () => target.close() })
}
