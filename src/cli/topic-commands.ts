import { answered } from '../base/answered.ts'
import { MillraceError } from '../base/errors.ts'
import type { TopicDetails } from '../broker/admin.ts'
import type { Broker, TopicDescription } from '../broker/broker.ts'
import type { FullBroker } from '../broker/full-broker.ts'
import type { TopicSettings } from '../record/topic-settings.ts'
import { type Format, formatFor, type Output, printRow, printRows, type Row } from './output.ts'
import { openTarget } from './target.ts'
import { parseSettings } from './topic-settings.ts'

interface ListOptions {
  readonly at: string
  readonly format?: Format
  readonly internal?: true
}

/** `millrace topics` */
export async function listTopics(options: ListOptions, output: Output): Promise<void> {
  await using target = await openTarget(options.at)
  const rows = topicRows(target.broker, options.internal === true)
  printRows(output, rows, formatFor(output, options.format))
}

/** `millrace topic describe NAME` */
export async function describeTopic(name: string, options: ListOptions, output: Output): Promise<void> {
  await using target = await openTarget(options.at)
  const { settings, details, ...topic } = knownDetails(target.broker, name)
  const format = formatFor(output, options.format)
  const partitions = details.map(({ producers, openTransactions, ...partition }) => {
    const { start, end } = partition
    return { ...partition, records: end - start, producers, openTransactions }
  })
  if (format !== 'table') {
    printRow(output, { ...topic, settings, partitions }, format)
    return
  }
  const said = Object.entries(settings).map(([key, value]) => `${key} ${value ?? 'none'}`)
  output.write(`${name} (${topic.id})\n${said.join(', ')}\n\n`)
  const rows = partitions.map(({ producers, openTransactions, ...row }) => {
    return { ...row, producers: producers.length, openTransactions: openTransactions.length }
  })
  printRows(output, rows, format)
}

interface CreateOptions {
  readonly at: string
  readonly partitions: number
  readonly durability: string
  readonly set: readonly string[]
}

/** `millrace topic create NAME` */
export async function createTopic(name: string, options: CreateOptions, output: Output): Promise<void> {
  const { durability, partitions } = options
  if (durability !== 'fsync' && durability !== 'os') {
    throw new MillraceError('MILLRACE_INVALID_ARGUMENT', `--durability is fsync or os, not ${durability}`)
  }
  const settings: TopicSettings = { partitions, durability, ...parseSettings(options.set) }
  await using target = await openTarget(options.at, { make: true })
  const { broker } = target
  await answered<TopicDescription>((answer) => broker.createTopic(name, settings, answer))
  output.note(
    `created ${name} with ${partitions} partition${partitions === 1 ? '' : 's'}, durability ${durability}\n`,
  )
}

interface AlterOptions {
  readonly at: string
  readonly partitions?: number
  readonly set: readonly string[]
}

/** `millrace topic alter NAME` */
export async function alterTopic(name: string, options: AlterOptions, output: Output): Promise<void> {
  const { partitions } = options
  const changes = { ...parseSettings(options.set), ...(partitions === undefined ? {} : { partitions }) }
  if (Object.keys(changes).length === 0) {
    const problem = 'nothing is said of what to change: give --partitions or --set name=value'
    throw new MillraceError('MILLRACE_INVALID_ARGUMENT', problem)
  }
  await using target = await openTarget(options.at)
  const { broker } = target
  await answered<TopicDescription>((answer) => broker.admin.alterTopic(name, changes, answer))
  const said = Object.entries(changes).map(([key, value]) => `${key} ${value ?? 'none'}`)
  output.note(`changed ${name}: ${said.join(', ')}\n`)
}

interface DeleteOptions {
  readonly at: string
  readonly yes?: true
}

/** `millrace topic delete NAME --yes` */
export async function deleteTopic(name: string, options: DeleteOptions, output: Output): Promise<void> {
  await using target = await openTarget(options.at)
  const { broker } = target
  const topic = knownTopic(broker, name)
  let records = 0
  for (let partition = 0; partition < topic.partitions; partition++) {
    const { start, end } = broker.bounds(topic.id, partition)
    records += end - start
  }
  const what = `${name} with ${records.toLocaleString('en')} records in ${topic.partitions} partitions`
  if (options.yes !== true)
    throw new MillraceError(
      'MILLRACE_INVALID_ARGUMENT',
      `${what} would be gone for good: say --yes to delete it`,
    )
  await answered<void>((answer) => broker.admin.deleteTopic(name, answer))
  output.note(`deleted ${what}\n`)
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

function knownDetails(broker: FullBroker, name: string): TopicDetails {
  knownTopic(broker, name)
  return broker.admin.describeTopic(name) as TopicDetails
}

function topicRows(broker: Broker, internal: boolean): readonly Row[] {
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
